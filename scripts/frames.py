#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the functions of modules that take more stack than they should, and
the chains of calls within the modules that do.

  frames.py LIMIT MODULE.ko...

A stack has 16 KiB, and a DAX filesystem is entered from deep within other
code (a page fault of a system call of a stacked filesystem). Rust builds a
large value on the stack where C would have filled it in its place, which no
compiler warning tells. Calls through pointers, and of what is in no module,
are not counted.
"""

import re
import subprocess
import sys

# Functions that the kernel calls, and what their deepest chain may take.
CHAINS = {r"ContextVTable.*fill_super_callback": 7168}

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
FRAME = re.compile(r"\tsub\s+\$0x([0-9a-f]+),%rsp")
PUSH = re.compile(r"\tpush\s+%")
JUMP = re.compile(r"\t(?:call|jmp)\s")
TARGET = re.compile(r"<([^+>]+)(?:\+0x[0-9a-f]+)?>$")
RELOCATION = re.compile(r"R_X86_64_(?:PLT32|PC32)\s+([^\s.][^\s]*?)(?:-0x4)?$")


class Function:
    """A function: its largest adjustment of the stack, all it takes, its calls."""

    def __init__(self):
        self.frame = 0
        self.bytes = 8  # the address to return to
        self.calls = set()


def listing(module):
    done = subprocess.run(
        ["objdump", "-dr", "--no-show-raw-insn", module],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def demangled(names):
    done = subprocess.run(
        ["c++filt"], input="\n".join(names), check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def functions(lines):
    """By mangled name."""
    found = {}
    function, jumped = Function(), False
    for line in lines:
        if match := FUNCTION.match(line):
            function = found.setdefault(match[1], Function())
        elif match := FRAME.search(line):
            size = int(match[1], 16)
            function.frame = max(function.frame, size)
            function.bytes += size
        elif PUSH.search(line):
            function.bytes += 8
        elif JUMP.search(line):
            if match := TARGET.search(line):
                function.calls.add(match[1])
        elif jumped and (match := RELOCATION.search(line)):
            function.calls.add(match[1])
        jumped = bool(JUMP.search(line))
    return found


def deepest(found, name, above=()):
    """(bytes, names) of the chain of calls from a function that takes most."""
    if name in above or name not in found:
        return 0, ()
    function = found[name]
    calls = (deepest(found, call, (*above, name)) for call in function.calls)
    size, names = max(calls, default=(0, ()))
    return function.bytes + size, (name, *names)


def check_chains(found):
    for pattern, limit in CHAINS.items():
        for name in filter(re.compile(pattern).search, found):
            size, names = deepest(found, name)
            if size <= limit:
                continue
            print(f"{size} bytes, more than {limit}, from {demangled([name])[0]}:")
            for call, shown in zip(names, demangled(names)):
                print(f"    {found[call].bytes} {shown}")


def main():
    limit, modules = int(sys.argv[1]), sys.argv[2:]
    everything = {}
    for module in modules:
        found = functions(listing(module))
        if not any(function.frame for function in found.values()):
            print(f"{module}: no frame found, is it x86-64?")
        large = {name: one.frame for name, one in found.items() if one.frame > limit}
        for name, shown in zip(large, demangled(large)):
            print(f"{module.rsplit('/', 1)[-1]}: {large[name]} bytes: {shown}")
        everything.update(found)
    check_chains(everything)


if __name__ == "__main__":
    main()
