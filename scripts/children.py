# SPDX-License-Identifier: GPL-2.0
"""The processes of a run, which end with it.

Each that is started here leads a session of its own. stop() ends all of them, with
what they started, and no other can be started afterwards, so that threads which would
begin the next one end instead.
"""

import os
import signal
import subprocess
import threading
import time


class Stopped(Exception):
    """The run is over: nothing is started any more."""


class Children:
    def __init__(self, grace=15):
        """grace: seconds between SIGTERM and SIGKILL."""
        self.grace = grace
        self.lock = threading.Lock()
        self.running = set()
        self.stopped = False

    def popen(self, command, **options):
        """subprocess.Popen() of a process that stop() ends."""
        with self.lock:
            if self.stopped:
                raise Stopped
            child = subprocess.Popen(command, start_new_session=True, **options)
            self.running = {other for other in self.running if other.poll() is None}
            self.running.add(child)
        return child

    def run(self, command, check=False, **options):
        """subprocess.run(), likewise."""
        with self.popen(command, **options) as child:
            output, errors = child.communicate()
        if self.stopped:
            raise Stopped
        if check and child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command)
        return subprocess.CompletedProcess(command, child.returncode, output, errors)

    @staticmethod
    def kill(child, number):
        """Sends a signal to a process and all of its session that did not leave its group."""
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        """Ends all processes; returns when they have ended."""
        with self.lock:
            self.stopped = True
            children = [child for child in self.running if child.poll() is None]
        for child in children:
            self.kill(child, signal.SIGTERM)
        deadline = time.monotonic() + self.grace
        for child in children:
            try:
                child.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            # Also what the process has left behind in its group.
            self.kill(child, signal.SIGKILL)
            child.wait()
