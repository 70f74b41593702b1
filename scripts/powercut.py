# SPDX-License-Identifier: GPL-2.0
"""Power cuts without an end: the CPUs of a VM are stopped, the file that is its
persistent memory is copied as it is, and the VM goes on.

What was stored at that instruction is in the file, shared with QEMU; nothing
else is. The caches of a CPU are no part of the model: nothing that was stored
is lost.
"""

import collections
import json
import random
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CHUNK = 64 << 10
# How often a copy waits for what its condition asks for; then it is made.
TRIES = 200


@dataclass(frozen=True)
class Copy:
    line: bytes
    delay: float  # the least one, in seconds
    file: Path


def parse_copy(spec):
    """LINE[+MICROSECONDS]=FILE"""
    match = re.fullmatch(r"([^=+]+)(?:\+(\d+))?=(.+)", spec)
    if not match:
        raise ValueError(f"'{spec}' is not LINE[+MICROSECONDS]=FILE")
    return Copy(match[1].encode(), int(match[2] or 0) / 1e6, Path(match[3]).absolute())


def copy_sparse(source, target):
    """Copies a file; blocks of zeros become holes."""
    zeros = bytes(CHUNK)
    with open(source, "rb", buffering=0) as old, open(target, "wb", buffering=0) as new:
        while data := old.read(CHUNK):
            if data == zeros[: len(data)]:
                new.seek(len(data), 1)
            else:
                new.write(data)
        new.truncate(old.tell())


class Qmp:
    """QEMU's control connection, on a connected socket."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("r", encoding="utf-8")
        self.greeted = False

    def receive(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("QEMU has closed its control connection")
        return json.loads(line)

    def command(self, name):
        self.sock.sendall(json.dumps({"execute": name}).encode() + b"\n")
        while True:
            answer = self.receive()
            if "error" in answer:
                raise ConnectionError(f"{name}: {answer['error'].get('desc')}")
            # Anything else is an event.
            if "return" in answer:
                return answer["return"]

    def execute(self, name):
        if not self.greeted:
            self.receive()
            self.command("qmp_capabilities")
            self.greeted = True
        return self.command(name)


class Cuts:
    """The copies that a run is to make. Lines of output that come while one is
    made are not missed: their copies are made next."""

    def __init__(self, copies, source, condition=None):
        self.source, self.condition = source, condition
        self.waiting = collections.defaultdict(list)
        for copy in copies:
            self.waiting[copy.line].append(copy)
        self.due = collections.deque()
        self.partial = self.last = b""

    def feed(self, data):
        """Looks at output of the guest."""
        *lines, self.partial = (self.partial + data).split(b"\n")
        for raw in lines:
            self.last = raw.rstrip(b"\r")
            self.due += self.waiting.pop(self.last, ())

    def left(self):
        """Lines whose copies have not been made."""
        lines = [copy.line for copy in self.due] + list(self.waiting)
        return [line.decode(errors="replace") for line in lines]

    def wanted(self, copy):
        if not self.condition:
            return True
        command = [*self.condition, str(self.source), str(copy.file)]
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0

    def stop(self, qmp, copy):
        """Stops the CPUs where the condition holds, if that comes soon."""
        for _ in range(TRIES):
            qmp.execute("stop")
            if self.wanted(copy):
                return
            qmp.execute("cont")
            time.sleep(random.random() * copy.delay)
        qmp.execute("stop")

    def make(self, qmp, drain):
        """Makes the copies that are due. drain() feeds what was printed."""
        while self.due:
            copy = self.due.popleft()
            time.sleep(copy.delay)
            self.stop(qmp, copy)
            copy_sparse(self.source, copy.file)
            drain()
            Path(f"{copy.file}.last").write_bytes(self.last + b"\n")
            qmp.execute("cont")
