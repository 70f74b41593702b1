#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reports of data races in kernel logs (KCSAN): which there are, and which are ours.

  kcsan.py CONSOLE...   prints each distinct one of these logs, how often it occurs, in which tests

A report is ours if a module of ours made an access that is not marked (an atomic, volatile,
READ_ONCE), by itself or through a helper that does nothing but the access. It is "marked" if
that of ours is marked, and generic code races with it by one that is not; "below" if generic
code made both and ours had called that. All others are the kernel's own.
"""

import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

TIME = r"^(?:<\d+>)?(?:\[[ \d.]+\](?:\[[ TC\d]+\])? ?)?"
# Of guest-tests.sh.
BEGIN = re.compile(TIME + r"rdax test (\S+) begins ")
TITLE = re.compile(TIME + r"BUG: KCSAN: ([\w-]+) in (.*)")
ACCESS = re.compile(TIME + r"(?:race at unknown origin, with )?(\w[\w ()-]*?) to 0x\w+ of \d+ bytes by ")
FRAME = re.compile(TIME + r" (?:\? )?([\w.$]+)\+0x[\da-f]+/0x[\da-f]+(?: \[(\w+)\])?")
END = re.compile(TIME + r"={60,}$")
OURS = re.compile(r"rdax\w*$")
MARKED = "(marked"
KINDS = ("ours", "marked", "below", "kernel")
# The kernel's inline functions and no more: they change the flags of the current task.
INLINE = re.compile(r"rdax_helper_nofs_(save|restore)$")
# What kernel::sync::atomic and the like call, and functions of the kernel crate.
HELPER = re.compile(r"rust_helper_|_R\w*6kernel")


@dataclass
class Access:
    kind: str
    # (function, module or None), innermost first
    frames: list = field(default_factory=list)

    def maker(self):
        """The frame of the access, or of what called a helper for it."""
        for frame in self.frames:
            if frame[1] or not HELPER.match(frame[0]):
                return frame
        return self.frames[0] if self.frames else ("?", None)


@dataclass
class Report:
    title: str
    test: str = ""
    accesses: list = field(default_factory=list)

    def whose(self):
        makers = [access for access in self.accesses if is_ours(access.maker())]
        if makers:
            return "marked" if all(MARKED in access.kind for access in makers) else "ours"
        below = any(is_ours(frame) for access in self.accesses for frame in access.frames)
        return "below" if below else "kernel"

    def place(self):
        """The same for each report of a race, whichever access was watched."""
        return tuple(sorted((access.maker()[0], access.kind) for access in self.accesses))


def is_ours(frame):
    return bool(frame[1] and OURS.match(frame[1]) and not INLINE.match(frame[0]))


def parse(text):
    """The reports of a kernel log, in its order. One that was cut off counts."""
    reports, current, test = [], None, ""
    for line in text.splitlines():
        line = line.rstrip("\r")
        if match := BEGIN.match(line):
            test = match[1]
        elif match := TITLE.match(line):
            current = Report(f"{match[1]} in {match[2]}", test)
            reports.append(current)
        elif current and END.match(line):
            current = None
        elif current and (match := ACCESS.match(line)):
            current.accesses.append(Access(match[1]))
        elif current and current.accesses and (match := FRAME.match(line)):
            current.accesses[-1].frames.append((match[1], match[2]))
    return reports


def demangled(text):
    try:
        done = subprocess.run(["c++filt"], input=text, stdout=subprocess.PIPE, text=True)
    except OSError:
        return text
    return done.stdout if done.returncode == 0 else text


def describe(report):
    sides = [
        f"{access.kind} in {access.maker()[0]}" + (f" [{access.maker()[1]}]" if access.maker()[1] else "")
        for access in report.accesses
    ]
    return " / ".join(sorted(sides)) or report.title


def summary(reports):
    """Lines "WHOSE COUNT ACCESSES (TESTS)", ours first."""
    groups = defaultdict(list)
    for report in reports:
        groups[KINDS.index(report.whose()), report.place()].append(report)
    lines = []
    for (kind, _), group in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]))):
        tests = ", ".join(sorted({report.test for report in group if report.test}))
        where = f" ({tests})" if tests else ""
        lines.append(f"{KINDS[kind]:<7}{len(group):>4}  {describe(group[0])}{where}")
    return demangled("\n".join(lines)).splitlines()


def main():
    reports = []
    for name in sys.argv[1:]:
        reports += parse(Path(name).read_text(errors="replace"))
    print("\n".join(summary(reports)))


if __name__ == "__main__":
    main()
