#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Instructions per operation of file systems with DAX, on one device in one boot.

Boots the release kernel in QEMU with -icount shift=0: the guest's TSC then counts
executed instructions, the same ones in every run. For that nothing of the host may
come in, so unlike scripts/vm.py this boots an image of its own, with no file system
or console shared with the host. Why each option: Documentation/performance.rst.

Exit status: 0 measured, 1 a file system or a case was not measured, 2 no boot.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(TOP / "scripts"))
import report  # noqa: E402
import vm  # noqa: E402

CPU = "max,-rdrand,-rdseed,-erms,-fsrm"
DRIVERS = {
    "rdax_pmem": ("/dev/rpmem0", ["rdax", "rdax_pmem"]),
    "nd_pmem": ("/dev/pmem0", ["nd_btt", "nd_pmem"]),
}
PROGRAMS = ("bash", "cat", "grep", "mount", "umount", "insmod", "sleep", "uname",
            "mkfs.ext4", "mkfs.xfs")
# Without these the peers would be measured slower than they are.
WANTED = {"CRC_OPTIMIZATIONS": True, "JUMP_LABEL": True, "KASAN": False,
          "PROVE_LOCKING": False, "DEBUG_VM": False, "DEBUG_LIST": False}


class BenchError(Exception):
    pass


def say(message):
    print(f"bench: {message}", file=sys.stderr, flush=True)


class Image:
    """An initramfs: the same bytes from the same files."""

    def __init__(self):
        self.entries = {}

    def add(self, name, mode, data=b"", device=(0, 0)):
        for parent in reversed(Path(name).parents[:-1]):
            self.entries.setdefault(str(parent), (0o040755, b"", (0, 0)))
        self.entries[name] = (mode, data, device)

    def add_file(self, name, source, mode=0o100755):
        self.add(name, mode, Path(source).read_bytes())

    def add_program(self, path, name=None):
        """A program as /bin/NAME, and its libraries where it looks for them."""
        self.add_file(f"bin/{name or Path(path).name}", path)
        done = subprocess.run(["ldd", path], capture_output=True, text=True)
        for library in re.findall(r"(/\S+) \(0x", done.stdout):
            self.add_file(library.lstrip("/"), library)

    def write(self, target):
        out = bytearray()
        for number, name in enumerate([*sorted(self.entries), "TRAILER!!!"], 1):
            mode, data, device = self.entries.get(name, (0, b"", (0, 0)))
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
            out += b"070701" + b"".join(b"%08X" % field for field in fields)
            out += name.encode() + b"\0"
            out += bytes(-len(out) % 4) + data
            out += bytes(-len(out) % 4)
        target.write_bytes(out)


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise BenchError(f"{name} is not installed")
    return path


def find_mkfs(build):
    """mkfs.rdaxfs: MKFS_RDAXFS, or the newest below build/."""
    if os.environ.get("MKFS_RDAXFS"):
        return Path(os.environ["MKFS_RDAXFS"])
    found = [path for path in build.parent.glob("**/mkfs.rdaxfs") if os.access(path, os.X_OK)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def compile_bench(out):
    """Rebuilt each time: it takes a second."""
    target = out / "rdax_bench"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", target]
    subprocess.run([*command, *sorted(HERE.glob("*.c"))], check=True)
    return target


def check_kernel(kdir):
    config = (kdir / ".config").read_text()
    for name, wanted in WANTED.items():
        if (f"\nCONFIG_{name}=y\n" in config) != wanted:
            raise BenchError(f"{kdir}: CONFIG_{name} must be {'on' if wanted else 'off'}")


def make_image(options, kdir, absent):
    image = Image()
    for name in ("proc", "sys", "dev", "mnt"):
        image.add(name, 0o040755)
    # For init's first words, before there is a devtmpfs.
    image.add("dev/console", 0o020600, device=(5, 1))
    image.add_file("init", HERE / "run.sh")
    image.add_program(compile_bench(options.output))
    for name in PROGRAMS:
        image.add_program(find_program(name), name)
    device, modules = DRIVERS[options.driver]
    kernels = kdir / "drivers/nvdimm"
    # Without CONFIG_BTT nd_pmem does not need it.
    modules = [name for name in modules if name != "nd_btt" or (kernels / "nd_btt.ko").exists()]
    ours = []
    names = list(options.fs)
    if "rdaxfs" in names:
        mkfs = find_mkfs(options.build)
        if not (options.build / "rdaxfs.ko").exists():
            absent["rdaxfs"] = f"there is no {options.build / 'rdaxfs.ko'}"
        elif not mkfs:
            absent["rdaxfs"] = f"there is no mkfs.rdaxfs below {options.build.parent}"
        else:
            image.add_program(mkfs)
            ours = [name for name in ("rdax", "rdaxfs") if name not in modules]
    names = [name for name in names if name not in absent]
    if not names:
        raise BenchError("; ".join(absent.values()))
    for module in (*modules, *ours):
        path = options.build / f"{module}.ko"
        if module.startswith("nd_"):
            path = kernels / f"{module}.ko"
        image.add_file(f"modules/{module}.ko", path)
    settings = {
        "FS": " ".join(names),
        "CASES": " ".join(options.cases),
        "MODULES": " ".join(modules),
        "RDAXFS_MODULES": " ".join(ours),
        "DEVICE": device,
        "RDAXFS_OPTIONS": os.environ.get("RDAXFS_OPTIONS", ""),
    }
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    image.add("bench.conf", 0o100644, lines.encode())
    target = options.output / "initramfs.cpio"
    image.write(target)
    return target


def qemu_command(options, kdir, image, console, results):
    region = vm.Region(f"memmap:{options.size}")
    ram = vm.lay_out([region], 2 * vm.GIB)
    kernel = [
        # Errors and warnings only: a printed character costs instructions.
        "console=ttyS0", "loglevel=5", "panic=-1", "oops=panic",
        "random.trust_cpu=0", "nowatchdog", "no5lvl",
        f"memmap={region.size >> 10}K!{region.start >> 10}K",
    ]
    return [
        "qemu-system-x86_64", "-machine", "q35", "-cpu", CPU, "-smp", "1",
        "-m", f"{ram // vm.MIB}M",
        "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
        "-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(kdir / "arch/x86/boot/bzImage"), "-initrd", str(image),
        # Files: a pipe could make the guest wait for its reader.
        "-serial", f"file:{console}", "-serial", f"file:{results}",
        "-append", " ".join(kernel),
    ]


def boot(options, kdir, image, number):
    """One run: the text that the guest reported, and why there is no more."""
    console = options.output / f"console-{number}.log"
    results = options.output / f"results-{number}.txt"
    command = qemu_command(options, kdir, image, console, results)
    if options.verbose:
        say(shlex.join(command))
    problem = None
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=options.timeout)
        if done.returncode:
            raise BenchError(f"QEMU ended with status {done.returncode}")
    except subprocess.TimeoutExpired:
        problem = f"no end after {options.timeout:.0f} s"
    text = results.read_text(errors="replace").replace("\r", "")
    if not problem and not re.search(r"^end \d+$", text, re.M):
        problem = "the guest died"
    reports = vm.scan_log(console.read_text(errors="replace"))
    if reports:
        problem = f"kernel log: {reports[0]}"
    return text, problem and f"{problem}; see {console}"


def qemu_version():
    done = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True)
    return done.stdout.splitlines()[0]


def parse_arguments():
    env = os.environ.get
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--fs", default=env("FS") or "ext4 xfs rdaxfs", help="file systems, in this order")
    add("--cases", default=env("CASES") or "", help="patterns; default: all cases")
    add("--driver", default=env("DRIVER") or "rdax_pmem", choices=sorted(DRIVERS))
    add("--repeat", type=int, default=int(env("REPEAT") or 1), help="boots to compare")
    add("--size", default="768M", help="of the device")
    add("--flavour", default="release")
    add("--kdir", default=env("KDIR"))
    add("--build", type=Path, default=env("RDAX_BUILD"), help="our modules")
    add("--output", type=Path, default=TOP / "build/bench")
    add("--timeout", type=float, default=float(env("TIMEOUT") or 900), help="seconds a boot")
    add("--verbose", "-v", action="store_true", default=bool(env("V")))
    options = parser.parse_args()
    options.fs, options.cases = options.fs.split(), options.cases.split()
    options.build = Path(options.build or TOP / "build" / options.flavour)
    return options


def run(options):
    options.output.mkdir(parents=True, exist_ok=True)
    kdir = Path(options.kdir or vm.default_kdir(options.flavour))
    check_kernel(kdir)
    absent = {}
    image = make_image(options, kdir, absent)
    texts, problems = [], []
    for number in range(1, options.repeat + 1):
        say(f"boot {number} of {options.repeat} (about a minute)")
        text, problem = boot(options, kdir, image, number)
        texts.append(text)
        problems += [problem] if problem else []
    data = report.parse(texts[0])
    last = next(reversed(data["results"]), None)
    data["failed"] += [{"fs": last, "what": problem} for problem in problems]
    data["absent"] = absent
    data["environment"] = {
        "qemu": qemu_version(),
        "cpu": CPU,
        "kernel": vm.kernel_release(kdir),
        "driver": options.driver,
        "device_bytes": vm.parse_size(options.size),
    }
    data["boots"] = options.repeat
    data["identical"] = len(set(texts)) == 1
    report.judge(data)
    path = options.output / "results.json"
    path.write_text(json.dumps(data, indent=1) + "\n")
    print(report.table(data))
    for name, why in absent.items():
        print(f"\n*** {name} WAS NOT MEASURED: {why} ***")
    if options.repeat > 1 and not data["identical"]:
        for line in report.differences(texts):
            print(line)
    say(f"all numbers: {path}")
    return 1 if absent or data["failed"] or (options.repeat > 1 and not data["identical"]) else 0


def main():
    try:
        return run(parse_arguments())
    except (BenchError, vm.SetupError, subprocess.CalledProcessError, OSError) as error:
        say(error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
