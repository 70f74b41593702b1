#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Breaks the code in one place after the other and runs the test that has to
notice. `make mutants` calls it; M=glob,glob selects by name, M=list lists.

tools/testing/mutants.toml and tools/testing/*/mutants.toml have the places:
[[mutant]] with
  name     what is broken
  file     where; `find` occurs once in it and becomes `replace`
  test     what T= of make test selects: at least one of these has to fail
           in its own results, not by a build that breaks or a VM that does not boot
  env      optional, knobs for the test

The tree of a mutant is a copy in build/mutants/tree, which keeps its objects.
The last line is "N passed, N failed".
"""

import filecmp
import fnmatch
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
TREE = TOP / "build/mutants/tree"


def say(text):
    print(text, flush=True)


def selected(mutant):
    wanted = [word.strip() for word in os.environ.get("M", "").split(",") if word.strip()]
    return not wanted or any(
        fnmatch.fnmatchcase(mutant["name"], word) or word in (mutant["name"], mutant["test"])
        for word in wanted
    )


def copy_tree():
    """What git knows or would add. Times are not copied: what a mutant changed is new
    to make when it is changed back."""
    TREE.mkdir(parents=True, exist_ok=True)
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=TOP, check=True, stdout=subprocess.PIPE,
    ).stdout
    for name in filter(None, os.fsdecode(listing).split("\0")):
        source, copy = TOP / name, TREE / name
        if not source.exists() or (copy.exists() and filecmp.cmp(source, copy, shallow=False)):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        shutil.copy(source, copy, follow_symlinks=False)


def logs(names):
    """What the tests printed."""
    paths = [TREE / "build/debug/test-logs" / f"{name}.log" for name in names]
    return [path.read_text(errors="replace") for path in paths if path.exists()]


def read_mutants():
    files = [*TOP.glob("tools/testing/mutants.toml"), *TOP.glob("tools/testing/*/mutants.toml")]
    return [mutant for file in files for mutant in tomllib.loads(file.read_text())["mutant"]]


def run_test(mutant):
    """Whether the test ran and failed, and the lines that tell how."""
    environment = dict(os.environ, T=mutant["test"], **mutant.get("env", {}))
    for name in ("M", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "RDAX_BUILD"):
        environment.pop(name, None)
    done = subprocess.run(
        [TREE / "scripts/test.py"], cwd=TREE, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    lines = done.stdout.splitlines()
    names = [line.split()[1] for line in lines if line.lstrip().startswith("FAIL ")]
    wanted = [word.strip() for word in mutant["test"].split(",")]
    caught = any(fnmatch.fnmatchcase(name, word) for name in names for word in wanted)
    caught = caught and not any("could not compile" in log for log in logs(names))
    told = [line.strip() for line in lines if "not ok" in line]
    return caught, (told or lines)[-12:] if not caught else told[:1]


def mutate(mutant):
    broken = TREE / mutant["file"]
    text = broken.read_text()
    if text.count(mutant["find"]) != 1:
        return False, [f"{mutant['file']}: 'find' occurs {text.count(mutant['find'])} times"]
    broken.write_text(text.replace(mutant["find"], mutant["replace"]))
    try:
        return run_test(mutant)
    finally:
        broken.write_text(text)


def main():
    mutants = read_mutants()
    if os.environ.get("M") == "list":
        for mutant in mutants:
            say(f"{mutant['test']:<16}{mutant['name']}")
        return 0
    mutants = [mutant for mutant in mutants if selected(mutant)]
    copy_tree()
    caught = missed = 0
    for mutant in mutants:
        started = time.monotonic()
        good, lines = mutate(mutant)
        caught, missed = caught + good, missed + (not good)
        say(f"{'caught' if good else 'MISSED'}  {mutant['name']}  "
            f"({mutant['test']}, {time.monotonic() - started:.0f} s)")
        for line in lines:
            say(f"        {line}")
    if not mutants:
        say("no such mutant; M=list shows them")
        missed = 1
    say(f"{caught} passed, {missed} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
