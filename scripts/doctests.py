#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compiles the examples in the doc comments of the rdax crate as leaf modules.

doctests.py BUILD-DIRECTORY. An example is what stands between ``` and ```; a line that
begins with "# " is compiled and not shown. With "compile_fail" after the first ``` it must
not compile, with "compile_fail,E0382" for that reason. M= builds have no target for this, so
it replays the command by which Kbuild compiled a leaf. Nothing is run.
"""

import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
CRATE = TOP / "rust/rdax"
LEAF = "samples/rdax_minimal/.rdax_minimal.o.cmd"

# An example is statements in a function of a module, unless it declares a module itself.
MODULE = """//! Example.
#![allow(dead_code, unused_variables, unused_imports, clippy::all)]
kernel::prelude::module! {
    type: ExampleModule,
    name: "rdax_example",
    authors: ["The rdax authors"],
    description: "Example",
    license: "GPL",
}
struct ExampleModule;
impl kernel::Module for ExampleModule {
    fn init(_: &'static kernel::prelude::ThisModule) -> kernel::error::Result<Self> {
        Ok(Self)
    }
}
fn example() -> kernel::error::Result {
%s
    Ok(())
}
"""
PLAIN = """//! Example.
#![allow(dead_code, unused_variables, unused_imports, clippy::all)]
%s
"""


class Example:
    def __init__(self, path, line, info):
        self.where = f"{path.relative_to(TOP)}:{line}"
        self.info = [word for word in info.replace(" ", ",").split(",") if word]
        self.lines = []

    def source(self):
        text = "\n".join(re.sub(r"^(\s*)# ?(?!\[)", r"\1", line) for line in self.lines)
        return (PLAIN if re.search(r"^rdax::module_\w+!", text, re.M) else MODULE) % text


def examples(path):
    found, current = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r"\s*//[/!] ?(.*)$", line)
        if not match:
            current = None
        elif match[1].startswith("```"):
            if current is None:
                current = Example(path, number, match[1][3:])
                found.append(current)
            else:
                current = None
        elif current is not None:
            current.lines.append(match[1])
    return [example for example in found if "text" not in example.info]


def leaf_command(build):
    recorded = build / LEAF
    if not recorded.exists():
        sys.exit(f"build the modules first: no {recorded}")
    command = re.match(r"savedcmd_\S+ := (.*)", recorded.read_text())[1]
    words = shlex.split(command.split(" ; ")[0])
    keep = []
    skip = False
    for word in words[:-1]:
        if skip or word.startswith(("--emit=", "--remap-path", "-Zbinary_dep_depinfo")):
            skip = False
        elif word == "--out-dir":
            skip = True
        else:
            keep.append(word)
    # Clippy's driver lints; this only compiles.
    return ["env", "RUSTC_BOOTSTRAP=1"] + ["rustc" if word.endswith("clippy-driver") else word for word in keep]


def wrong(example, command, build, directory):
    """What is wrong with an example: nothing, or what to show."""
    if "ignore" in example.info:
        return "examples are compiled: no 'ignore'"
    source = directory / "rdax_example.rs"
    source.write_text(example.source())
    done = subprocess.run(
        command + ["--emit=metadata", "-o", str(directory / "example.rmeta"), str(source)],
        cwd=build,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if "compile_fail" not in example.info:
        return None if done.returncode == 0 else done.stdout
    if done.returncode == 0:
        return "compiles, and must not"
    codes = [word for word in example.info if re.fullmatch(r"E\d{4}", word)]
    missing = [code for code in codes if f"error[{code}]" not in done.stdout]
    return f"no {missing[0]}:\n{done.stdout}" if missing else None


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    command = leaf_command(build)
    failed = count = 0
    with tempfile.TemporaryDirectory() as directory:
        for path in sorted(CRATE.rglob("*.rs")):
            for example in examples(path):
                count += 1
                error = wrong(example, command, build, pathlib.Path(directory))
                if error:
                    failed += 1
                    print(f"{example.where}: {error}")
    print(f"{count} examples, {failed} wrong")
    sys.exit(failed != 0 or count == 0)


if __name__ == "__main__":
    main()
