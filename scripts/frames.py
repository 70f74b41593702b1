#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the functions of modules that take more stack than they should.

  frames.py LIMIT MODULE.ko...

A stack has 16 KiB, and a DAX filesystem is entered from deep within other
code (a page fault of a system call of a stacked filesystem). Rust builds a
large value on the stack where C would have filled it in its place, which no
compiler warning tells.
"""

import re
import subprocess
import sys

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
FRAME = re.compile(r"\tsub\s+\$0x([0-9a-f]+),%rsp")


def frames(lines):
    """(bytes, function) of every adjustment of the stack pointer."""
    name = ""
    for line in lines:
        if match := FUNCTION.match(line):
            name = match[1]
        elif match := FRAME.search(line):
            yield int(match[1], 16), name


def main():
    limit, modules = int(sys.argv[1]), sys.argv[2:]
    for module in modules:
        listing = subprocess.run(
            ["objdump", "-d", "--no-show-raw-insn", "--demangle=rust", module],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        found = list(frames(listing))
        if not found:
            print(f"{module}: no frame found, is it x86-64?")
        for size, name in sorted(found, reverse=True):
            if size > limit:
                print(f"{module.rsplit('/', 1)[-1]}: {size} bytes: {name}")


if __name__ == "__main__":
    main()
