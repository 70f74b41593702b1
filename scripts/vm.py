#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot a test kernel in a VM on this machine's own root and run a command.

virtme-ng supplies the guest's init, the shared root and the QEMU command
line; this script rewrites that command line and runs QEMU itself, because a
test needs the exact exit status, both output streams, a console log, the
persistent memory devices and the process to kill.

Exit status: that of the guest's command, or
  124  the time given by --timeout is over
  125  the guest died (panic, oops, QEMU gone) or its kernel log has a report
  126  the VM could not be set up
With --kill-on the status is 0 if the line appeared and the kernel log is clean.

Power cuts: --kill-on LINE is one, the end of the VM. --copy-on
"LINE[+MICROSECONDS]=FILE", as often as wanted, copies what one would leave: when
LINE was printed and the time is over, the CPUs are stopped, the file of the first
nvdimm or virtio region is copied to FILE, the last line that was printed goes to
FILE.last, and the VM goes on. With --copy-if "COMMAND" the CPUs are stopped again
and again, at random points, until "COMMAND REGION_FILE FILE" succeeds; then, or
if it does not in 200 of them, the copy is made. A VM that ends before all is
done has died.

Persistent memory, --pmem (whitespace separated, may be given several times):
  memmap:SIZE[@SKEW]  part of RAM marked persistent (kernel parameter memmap=);
                      starts SKEW bytes past a multiple of 128M
  nvdimm:SIZE[:FILE]  emulated NVDIMM; FILE keeps its contents
  virtio:SIZE[:FILE]  virtio-pmem
  reserve:SIZE        RAM nobody owns: RDAX_RESERVE_START, RDAX_RESERVE_SIZE
  disk:SIZE[:FILE]    virtio-blk disk: RDAX_DISK
"""

import argparse
import ctypes
import fcntl
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kcsan
import powercut
import tsc

TOP = Path(__file__).resolve().parent.parent
CACHE = Path(
    os.environ.get("RDAX_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rdax"
)
VNG_VERSION = "1.42"
MIB = 1 << 20
GIB = 1 << 30
# A memory section; pmem with struct pages starts and ends on one.
SECTION = 128 * MIB
STATUS_TIMEOUT, STATUS_DIED, STATUS_SETUP = 124, 125, 126
DEFAULT_PMEM = "memmap:1G memmap:1G"


class SetupError(Exception):
    pass


def say(message):
    print(f"vm: {message}", file=sys.stderr, flush=True)


def parse_size(text):
    match = re.fullmatch(r"(\d+)([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if not match:
        raise SetupError(f"'{text}' is not a size (examples: 512M, 1G)")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match[2].upper()]


class Region:
    def __init__(self, spec):
        kind, _, rest = spec.partition(":")
        size, _, file = rest.partition(":")
        size, _, skew = size.partition("@")
        if kind not in ("memmap", "nvdimm", "virtio", "reserve", "disk"):
            raise SetupError(f"unknown pmem kind in '{spec}'")
        if file and kind in ("memmap", "reserve"):
            raise SetupError(f"'{spec}': {kind} has no file")
        self.spec, self.kind, self.size, self.file = spec, kind, parse_size(size), file
        self.skew = parse_size(skew or "0")
        if skew and kind != "memmap":
            raise SetupError(f"'{spec}': only memmap can be skewed")
        # Odd ones are for tests of what a driver does with them.
        unit = 4096 if kind in ("memmap", "disk") else 2 * MIB
        if self.size == 0 or self.size % unit or self.skew % 4096 or self.skew >= SECTION:
            raise SetupError(f"'{spec}': the size must be a multiple of {unit} bytes")
        self.start = None

    @property
    def in_ram(self):
        return self.kind in ("memmap", "reserve")


def lay_out(regions, memory):
    """Gives each region in RAM its address; returns the RAM size for QEMU.

    QEMU's q35 places 2 GiB low and everything else from 4 GiB up, once there
    is more than 2.75 GiB: regions start at 4 GiB. A section of ordinary RAM
    between two of them keeps the kernel from merging them into one device.
    """
    address = 4 * GIB
    for region in regions:
        if region.in_ram:
            region.start = address + region.skew
            end = region.start + region.size
            address = -(-end // SECTION) * SECTION + SECTION
    if address == 4 * GIB:
        return memory
    high = address - 4 * GIB
    return max(max(memory, 2 * GIB) + high, 3 * GIB)


def ensure_vng():
    """virtme-run of the pinned virtme-ng, installed into the cache once."""
    venv = CACHE / f"venv-vng-{VNG_VERSION}"
    program = venv / "bin/virtme-run"
    if (venv / ".complete").exists():
        return program
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock-venv-vng", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (venv / ".complete").exists():
            return program
        say(f"installing virtme-ng {VNG_VERSION} from PyPI (once)")
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run(
            [sys.executable, "-m", "venv", venv], check=True, stdout=subprocess.DEVNULL
        )
        done = subprocess.run(
            [venv / "bin/pip", "install", "-q", f"virtme-ng=={VNG_VERSION}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise SetupError(f"pip install virtme-ng failed:\n{done.stdout}")
        (venv / ".complete").touch()
    return program


def kernel_release(kdir):
    try:
        return (kdir / "include/config/kernel.release").read_text().strip()
    except OSError:
        raise SetupError(f"{kdir} is not a built kernel tree") from None


def copy_ours(build, target):
    for module in sorted(build.glob("*.ko")):
        shutil.copy(module, target / module.name)


def stage_modules(kdir, build, target, with_ours):
    """A /lib/modules/RELEASE of the kernel's modules (links) and ours (copies,
    so that a build during the run does not change them)."""
    release = kernel_release(kdir)
    root = target / "lib/modules" / release
    (root / "updates").mkdir(parents=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        if (kdir / name).exists():
            shutil.copy(kdir / name, root / name)
    order = kdir / "modules.order"
    for line in order.read_text().splitlines() if order.exists() else []:
        relative = Path(line).with_suffix(".ko")
        if (kdir / relative).exists():
            link = root / "kernel" / relative
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(kdir / relative)
    if with_ours:
        # build-modules.sh holds this lock while it replaces them.
        with open(build / ".lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            copy_ours(build, root / "updates")
    command = ["depmod", "-b", target, release]
    if (kdir / "System.map").exists():
        command[1:1] = ["-e", "-F", kdir / "System.map"]
    environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"depmod: {done.stderr}")
    # Undefined symbols mean that the modules are not of this kernel.
    if done.stderr:
        say(done.stderr.strip())
    return root


def kvm_usable():
    """Whether KVM runs an unmodified kernel: a /dev/kvm without VMX or SVM
    behind it (pvm) accepts a VM and then hangs in it."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    return re.search(r"^flags.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.M) is not None


def load_patterns(name):
    lines = (TOP / "scripts" / name).read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    return re.compile("|".join(f"(?:{line})" for line in lines)) if lines else None


def scan_log(text):
    """The kernel log's lines that mean a bug (scripts/dmesg-patterns)."""
    bad, allowed = load_patterns("dmesg-patterns"), load_patterns("dmesg-allow")
    lines = [
        line
        for line in text.splitlines()
        if bad and bad.search(line) and not (allowed and allowed.search(line))
    ]
    races = [report for report in kcsan.parse(text) if report.whose() == "ours"]
    return lines + [f"BUG: KCSAN: {race.title}" for race in races]


class Output:
    """The guest's output on its way to ours."""

    def __init__(self, streams, kill_on, cuts):
        self.kill_on = kill_on.encode() if kill_on else None
        self.cuts = cuts
        self.kill_due = False
        self.line = b""
        self.selector = selectors.DefaultSelector()
        for fd, target in streams.items():
            self.selector.register(fd, selectors.EVENT_READ, target)

    def open(self):
        return bool(self.selector.get_map())

    def look(self, data):
        if self.cuts:
            self.cuts.feed(data)
        *lines, self.line = (self.line + data).split(b"\n")
        if any(line.rstrip(b"\r") == self.kill_on for line in lines):
            self.kill_due = True

    def take(self, timeout):
        """Passes on what there is; whether there was any."""
        events = self.selector.select(timeout)
        for key, _ in events:
            data = os.read(key.fd, 1 << 16)
            if not data:
                self.selector.unregister(key.fd)
                os.close(key.fd)
                continue
            if key.data == 1:
                self.look(data)
            while data:
                data = data[os.write(key.data, data) :]
        return bool(events)

    def take_all(self):
        while self.open() and self.take(0):
            pass


class Vm:
    def __init__(self, options, run_dir):
        self.options = options
        self.dir = run_dir
        self.kdir = Path(options.kdir).resolve()
        self.build = Path(options.build).resolve()
        self.image = self.kdir / "arch/x86/boot/bzImage"
        if not self.image.exists():
            raise SetupError(f"no kernel image {self.image}")
        self.regions = [Region(s) for specs in options.pmem for s in specs.split()]
        debug = options.flavour != "release"
        memory = parse_size(options.mem or ("3G" if debug else "2G"))
        self.ram = lay_out(self.regions, memory)
        self.log = Path(options.log or self.build / "vm-console.log").absolute()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # Two guests must not write to one log: the second gets its own.
        self.log_lock = open(self.log, "ab")
        try:
            fcntl.flock(self.log_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.log = self.log.with_name(f"{self.log.stem}-{os.getpid()}{self.log.suffix}")
        self.qemu = None
        self.cuts = self.plan_cuts()

    def plan_cuts(self):
        """What --copy-on asks for, if anything."""
        if not self.options.copy_on:
            return None
        files = [r.file for r in self.regions if r.kind in ("nvdimm", "virtio") and r.file]
        if not files:
            raise SetupError("--copy-on needs an nvdimm or virtio region with a file")
        try:
            copies = [powercut.parse_copy(spec) for spec in self.options.copy_on]
        except ValueError as error:
            raise SetupError(f"--copy-on: {error}") from None
        condition = shlex.split(self.options.copy_if or "")
        return powercut.Cuts(copies, Path(files[0]).absolute(), condition)

    def environment(self):
        values = {
            "RDAX_TOP": TOP,
            "RDAX_BUILD": self.build,
            "RDAX_KDIR": self.kdir,
            "RDAX_FLAVOUR": self.options.flavour,
            "RDAX_VM_DIR": self.dir,
            "RDAX_MODULES": self.modules,
            "RDAX_LOAD_MODULES": "" if self.options.no_modules else "1",
            "RDAX_PMEM_COUNT": sum(
                r.kind in ("memmap", "nvdimm", "virtio") for r in self.regions
            ),
            "RDAX_CWD": os.getcwd(),
            "RDAX_SHARES": "\n".join(map(os.path.abspath, self.options.share)),
        }
        for region in self.regions:
            if region.kind == "reserve":
                values.setdefault("RDAX_RESERVE_START", region.start)
                values.setdefault("RDAX_RESERVE_SIZE", region.size)
        if any(r.kind == "disk" for r in self.regions):
            values["RDAX_DISK_SERIAL"] = "rdaxdisk0"
        for assignment in self.options.env:
            name, _, value = assignment.partition("=")
            values[name] = value
        return values

    def backing_file(self, region, index):
        path = Path(region.file) if region.file else self.dir / f"{region.kind}{index}"
        path = path.absolute()
        if path.exists() and path.stat().st_size != region.size:
            if path.stat().st_size:
                raise SetupError(
                    f"{path} has {path.stat().st_size} bytes, not {region.size}"
                )
        if not path.exists() or not path.stat().st_size:
            with open(path, "ab") as file:
                file.truncate(region.size)
        return str(path).replace(",", ",,")

    def qemu_devices(self):
        """QEMU arguments and kernel parameters for the regions."""
        arguments, kernel = [], []
        plugged, disks = 0, 0
        machine = "q35"
        for index, region in enumerate(self.regions):
            if region.kind == "memmap":
                kernel.append(f"memmap={region.size >> 10}K!{region.start >> 10}K")
            elif region.kind == "reserve":
                kernel.append(f"memmap={region.size >> 10}K${region.start >> 10}K")
            elif region.kind == "disk":
                file = self.backing_file(region, index)
                arguments += [
                    "-drive",
                    f"if=none,id=disk{disks},format=raw,file={file}",
                    "-device",
                    f"virtio-blk-pci,drive=disk{disks},serial=rdaxdisk{disks}",
                ]
                disks += 1
            else:
                file = self.backing_file(region, index)
                device = "virtio-pmem-pci"
                if region.kind == "nvdimm":
                    device = "nvdimm"
                    machine = "q35,nvdimm=on"
                arguments += [
                    "-object",
                    f"memory-backend-file,id=mem{index},share=on,"
                    f"mem-path={file},size={region.size}",
                    "-device",
                    f"{device},memdev=mem{index},id=pmem{index}",
                ]
                plugged += region.size
        size = f"{self.ram // MIB}M"
        if plugged:
            # Room for the alignment of each device.
            slots = max(16, len(self.regions))
            size += f",slots={slots},maxmem={(self.ram + plugged) // MIB + slots * 1024}M"
        return ["-machine", machine, *arguments, *self.options.qemu], kernel, size

    def kernel_parameters(self):
        blacklist = "nd_pmem,rdax_pmem" if self.options.no_modules else "nd_pmem"
        parameters = [
            "ignore_loglevel",
            "oops=panic",
            "panic=-1",
            "log_buf_len=8M",
            "rcupdate.rcu_cpu_stall_timeout=120",
            # identify_cpu() clears the CPU's feature bits for a moment. With
            # five-level page tables KASAN then takes every kernel address
            # that an interrupt touches for a wild one: one boot in ten.
            "no5lvl",
            # udev would give nd_pmem the namespaces before a test starts.
            f"modprobe.blacklist={blacklist}",
            f"virtme_link_mods={self.modules}",
        ]
        if not self.options.interactive:
            # Nothing changes below a guest's root during a command; with the
            # cache a boot takes a third of the time. `make shell` goes
            # without, to see modules that are rebuilt meanwhile.
            parameters.append(
                "rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose"
            )
        for extra in self.options.append:
            parameters += shlex.split(extra)
        return parameters

    def write_guest_script(self):
        lines = ["#!/bin/bash"]
        lines += [
            f"export {name}={shlex.quote(str(value))}"
            for name, value in self.environment().items()
        ]
        if self.options.interactive:
            command = 'exec bash --rcfile "$RDAX_TOP/scripts/guest-bashrc" -i'
        elif self.options.command:
            command = shlex.join(self.options.command)
        else:
            command = self.options.exec
        (self.dir / "command").write_text(f"cd -- \"$RDAX_CWD\"\n{command}\n")
        lines += ['exec bash "$RDAX_TOP/scripts/guest-init.sh"']
        script = self.dir / "guest.sh"
        script.write_text("\n".join(lines) + "\n")
        script.chmod(0o755)
        return script

    def qemu_command(self):
        script = self.write_guest_script()
        devices, parameters, memory = self.qemu_devices()
        kvm = kvm_usable() and not self.options.tcg
        if not kvm:
            if khz := tsc.guest_khz(self.options.qemu):
                parameters.append(f"tsc_early_khz={khz}")
            devices += ["-accel", f"tcg,thread={self.options.tcg_threads}"]
        command = [
            ensure_vng(),
            *("--kimg", self.image, "--mods", "none", "--user", "root"),
            *("--memory", "1G", "--cpus", str(self.options.cpus)),
            *("--disable-microvm", "--force-9p", "--show-command", "--dry-run"),
        ]
        if not kvm:
            command.append("--disable-kvm")
        for share in self.options.share:
            command += ["--rwdir", os.path.abspath(share)]
        for parameter in parameters + self.kernel_parameters():
            command += ["--kopt", parameter]
        if self.options.interactive:
            command += ["--shell", script]
        else:
            command += ["--script-sh", f"exec {script}"]
        for argument in devices:
            command += [f"--qemu-opt={argument}"]
        done = subprocess.run(
            [str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise SetupError(f"virtme-run: {done.stderr.strip()}")
        qemu = shlex.split(done.stdout.splitlines()[-1])
        qemu[qemu.index("-m") + 1] = memory
        if not kvm and self.options.tcg_threads == "multi" and not self.options.qemu_program:
            self.options.qemu_program = newest_qemu()
        if self.options.qemu_program:
            qemu[0] = self.options.qemu_program
        return qemu

    @staticmethod
    def set_chardev(qemu, name, backend):
        for index, argument in enumerate(qemu):
            if qemu[index - 1] == "-chardev" and f"id={name}" in argument.split(","):
                kind, _, rest = backend.partition(",")
                qemu[index] = ",".join(filter(None, (kind, f"id={name}", rest)))
                return
        raise SetupError(f"virtme-ng's QEMU command has no chardev '{name}'")

    def start(self, qemu, pass_fds, **streams):
        if self.options.show_command:
            say(shlex.join(qemu))
        libc = ctypes.CDLL(None, use_errno=True)

        def child():
            # No QEMU outlives this script, however it ends.
            libc.prctl(1, signal.SIGKILL)
            # The terminal's Ctrl-C comes here; we kill QEMU ourselves.
            if not self.options.interactive:
                os.setpgid(0, 0)

        self.qemu = subprocess.Popen(qemu, pass_fds=pass_fds, preexec_fn=child, **streams)

    def kill(self):
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()

    def run(self):
        # virtme-ng mounts the module directory here, on a root it cannot write.
        if not os.path.isdir("/lib/modules"):
            try:
                os.makedirs("/lib/modules")
            except OSError:
                raise SetupError("/lib/modules is missing: sudo mkdir /lib/modules") from None
        self.modules = stage_modules(
            self.kdir, self.build, self.dir, not self.options.no_modules
        )
        qemu = self.qemu_command()
        self.log.write_bytes(b"")
        if self.options.interactive:
            self.set_chardev(qemu, "dmesg", f"file,path={self.log}")
            self.start(qemu, ())
            return self.qemu.wait()
        return self.run_command(qemu)

    def run_command(self, qemu):
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        status_file = self.dir / "status"
        self.set_chardev(qemu, "console", f"file,path={self.log}")
        # /dev/null is always readable, and QEMU would poll it all the time.
        self.set_chardev(qemu, "stdin", "null")
        for name, fd in (("stdout", out_write), ("dev_stdout", out_write),
                         ("stderr", err_write), ("dev_stderr", err_write)):
            self.set_chardev(qemu, name, f"file,path=/proc/self/fd/{fd}")
        self.set_chardev(qemu, "ret", f"file,path={status_file}")
        fds = [out_write, err_write]
        qmp = None
        if self.cuts:
            ours, theirs = socket.socketpair()
            fds.append(theirs.detach())
            qemu += ["-chardev", f"socket,id=qmp,fd={fds[-1]}", "-mon", "chardev=qmp,mode=control"]
            qmp = powercut.Qmp(ours)
        started = time.monotonic()
        with open(self.dir / "qemu.log", "wb") as qemu_log:
            self.start(
                qemu,
                fds,
                stdin=subprocess.DEVNULL,
                stdout=qemu_log,
                stderr=qemu_log,
            )
        for fd in fds:
            os.close(fd)
        streams = {out_read: 1, err_read: 2}
        output = Output(streams, self.options.kill_on, self.cuts)
        outcome = self.pump(output, qmp, started)
        if outcome != "end":
            self.kill()
        self.qemu.wait()
        elapsed = time.monotonic() - started
        status = self.judge(outcome, status_file)
        if self.options.verbose:
            say(f"{elapsed:.1f} s in all, status {status}")
        return status

    def pump(self, output, qmp, started):
        """Passes the guest's output on until QEMU is gone or has to go."""
        deadline = started + self.options.timeout
        while output.open():
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not output.take(remaining):
                return "timeout"
            if self.cuts:
                try:
                    self.cuts.make(qmp, output.take_all)
                except OSError as error:
                    # The status tells what became of QEMU.
                    say(f"copying the memory: {error}")
                    self.kill()
            if output.kill_due:
                self.kill()
        return "kill" if output.kill_due else "end"

    def judge(self, outcome, status_file):
        console = self.log.read_text(errors="replace")
        reports = scan_log(console)
        try:
            status = int(status_file.read_text())
        except (OSError, ValueError):
            status = None
        if outcome == "timeout":
            self.fail(f"no end after {self.options.timeout} s", console, reports)
            return STATUS_TIMEOUT
        missed = self.cuts.left() if self.cuts else []
        if outcome != "kill" and self.options.kill_on:
            missed.append(self.options.kill_on)
        if outcome == "kill":
            status = 0
        elif status is None:
            qemu = (self.dir / "qemu.log").read_text(errors="replace").strip()
            self.fail("the guest died" + (f"; QEMU says: {qemu}" if qemu else ""), console, reports)
            return STATUS_DIED
        if missed:
            say(f"the guest ended with status {status} before the power cut at '{missed[0]}'")
            return STATUS_DIED
        if reports:
            self.fail("the kernel log has a report", None, reports)
            return STATUS_DIED
        return status

    def fail(self, why, console, reports):
        if console is not None:
            lines = console.splitlines()
            shown = lines[-self.options.console_lines :]
            sys.stdout.flush()
            print(f"---- console, last {len(shown)} of {len(lines)} lines", file=sys.stderr)
            print("\n".join(shown), file=sys.stderr)
            print("----", file=sys.stderr)
        for report in reports:
            print(f"kernel log: {report}", file=sys.stderr)
        say(f"{why}; console log: {self.log}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="vm.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    env = os.environ.get
    add = parser.add_argument
    add("--flavour", default=env("FLAVOUR") or "release", help="debug, release or kcsan")
    add("--kdir", default=env("KDIR"), help="built kernel tree (default: the test kernel)")
    add("--build", default=env("RDAX_BUILD"), help="our modules (default: build/FLAVOUR)")
    add("--pmem", action="append", help=f"default: '{DEFAULT_PMEM}' (environment: PMEM)")
    add("--cpus", type=int, default=int(env("CPUS") or 2))
    add("--mem", default=env("MEM"), help="RAM besides pmem (default: 2G, debug 3G)")
    add("--timeout", type=float, default=float(env("TIMEOUT") or 600), help="seconds, boot included")
    add("--append", action="append", default=[], help="more kernel parameters")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="guest environment")
    add("--share", action="append", default=[], metavar="DIR", help="writable in the guest")
    add("--log", help="console log (default: BUILD/vm-console.log)")
    add("--console-lines", type=int, default=60, help="how much of it a failure shows")
    add("--no-modules", action="store_true", help="neither stage nor load our modules")
    add("--tcg", action="store_true", help="no KVM even if there is")
    add(
        "--tcg-threads",
        choices=("single", "multi"),
        default=env("TCG_THREADS") or "single",
        help="multi: emulated CPUs run at once (environment: TCG_THREADS)",
    )
    add("--kill-on", metavar="LINE", help="kill -9 QEMU when the command prints this line")
    add("--copy-on", action="append", default=[], metavar="LINE[+US]=FILE", help="see above")
    add("--copy-if", metavar="COMMAND", help="see above")
    add("--interactive", action="store_true", help="a shell on this terminal")
    add("--qemu", action="append", default=[], help="one more argument for QEMU")
    add("--qemu-program", metavar="PATH", help="another QEMU than the machine's")
    add("--show-command", action="store_true", help="print QEMU's command line")
    add("--verbose", "-v", action="store_true")
    add("--exec", metavar="COMMAND", help="shell command (or words after --)")
    add("command", nargs="*", metavar="-- COMMAND")
    options = parser.parse_args()
    if sum((bool(options.exec), bool(options.command), options.interactive)) != 1:
        parser.error("give one of: a command, --exec, --interactive")
    if not options.pmem:
        options.pmem = [env("PMEM") or DEFAULT_PMEM]
    if not options.build:
        options.build = TOP / "build" / options.flavour
    return options


def default_kdir(flavour):
    done = subprocess.run(
        [TOP / "scripts/kernel.sh", flavour], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SetupError("no test kernel")
    return done.stdout.strip()


def newest_qemu():
    """A QEMU whose CPUs may run at once. In that of Debian 12 (7.2) a CPU can keep code that it
    translated while another one patched it: "Oops: int3" within seconds of switching tracepoints."""
    done = subprocess.run([TOP / "scripts/qemu.sh"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SetupError("no QEMU for --tcg-threads=multi")
    return str(Path(done.stdout.strip()) / "bin/qemu-system-x86_64")


def remove_stale(parent):
    """Directories of runs that were killed."""
    for path in parent.glob("run-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


def main():
    options = parse_arguments()

    def stop(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    build = Path(options.build)
    build.mkdir(parents=True, exist_ok=True)
    remove_stale(build)
    vm = None
    with tempfile.TemporaryDirectory(prefix=f"run-{os.getpid()}-", dir=build) as run_dir:
        try:
            if not options.kdir:
                options.kdir = default_kdir(options.flavour)
            vm = Vm(options, Path(run_dir).resolve())
            return vm.run()
        except SetupError as error:
            say(error)
            return STATUS_SETUP
        finally:
            if vm:
                vm.kill()


if __name__ == "__main__":
    sys.exit(main())
