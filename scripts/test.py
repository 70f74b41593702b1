#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs every test: those of the scripts, those on the host, and the selftests
in VMs, as many as possible in one boot. `make test` calls it.

  tests.list     a test a line: NAME BOOT TIMEOUT_SECONDS PROGRAM [ARGUMENT...]
                 BOOT: a section of boots.conf; or "host", for a program that
                 boots its own VMs with "$RDAX_VM [options] -- command"
  boots.conf     [BOOT] with pmem=, append= (kernel parameters), mem=, cpus=,
                 env= (NAME=VALUE...), no_modules=yes
  expected-skips "test: subtest-glob  reason": any other skip fails the run

T=name,glob* selects tests by name, or part of one; T=list shows the names. Logs are in
BUILD/test-logs/. What a test prints as lines "# | ..." is a table, shown in the
end. The last line is "N passed, N failed[, N skipped]".

RDAX_TIMEOUT=FACTOR multiplies the timeouts of all tests, and those inside of them.
Before each boot a piece of work is timed: where the host is so busy that it takes
longer than the CPU time it needs, timeouts grow as much. Every other RDAX_* of the
environment that is no setting of the scripts is one of the knobs that the tests'
headers document; it reaches them on the host and in the VMs.

SIGINT, SIGTERM and SIGHUP end the run, with all of its VMs.
"""

import concurrent.futures
import configparser
import fcntl
import fnmatch
import math
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import busy
import kcsan
import ktap
from children import Children, Stopped

TOP = Path(__file__).resolve().parent.parent
SELFTESTS = TOP / "tools/testing/selftests/rdax"
# What cargo tests on the host, by the names that T= selects.
HOST_CRATES = {
    "host": TOP / "tools/testing/host",
    "gate": TOP / "tools/testing/gate",
    "format": TOP / "fs/rdaxfs/format",
    "core": TOP / "fs/rdaxfs/core",
    "tools": TOP / "tools/progs",
    "oracle": TOP / "tools/testing/crash-trace",
}
BOOT_SECONDS = 300
# Bytes of stack that one function of a module may take.
FRAME_LIMIT = 4096
# What RDAX_* is for the scripts, or comes from them.
NO_KNOBS = {
    "RDAX_BUILD",
    "RDAX_CACHE",
    "RDAX_LOGS",
    "RDAX_SELFTESTS",
    "RDAX_SHARE",
    "RDAX_TIMEOUT",
    "RDAX_TOP",
    "RDAX_VM",
}
# How often a boot group may fail before any module of ours is loaded.
SPOILED_BOOTS = 2
# Of a kernel that looks for data races.
KCSAN_SAYS = "kcsan: strict mode configured"
MODULE_LOADED = "rdax: loading out-of-tree module"
# Seconds of CPU time that tell how busy the host is, and how much longer that makes timeouts.
BUSY_WORK, BUSY_MOST = 0.2, 20
children = Children()


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"==> {text}")


@dataclass
class Test:
    name: str
    boot: str
    timeout: int
    command: list
    output: list = field(default_factory=list)
    reports: list = field(default_factory=list)

    def __post_init__(self):
        # On a host that has nothing else to do.
        self.idle_timeout = self.timeout


class Tally:
    def __init__(self, skips):
        self.passed = self.failed = self.skipped = 0
        self.expected_skips = skips
        self.failures = []
        self.tables = []
        self.lock = threading.Lock()

    def skip_expected(self, test, subtest):
        return any(
            name == test and fnmatch.fnmatchcase(subtest, pattern)
            for name, pattern in self.expected_skips
        )

    def add(self, name, results, seconds, log=None):
        """Counts a test's results and shows them in one line, failures in more."""
        with self.lock:
            self.add_locked(name, results, seconds, log)

    def add_locked(self, name, results, seconds, log):
        ok = [r for r in results if r.outcome == "ok"]
        skipped, bad = [], []
        for result in results:
            if result.outcome == "not ok":
                bad.append(f"{result.name}" + (f": {result.reason}" if result.reason else ""))
            elif result.outcome == "skip":
                if self.skip_expected(name, result.name):
                    skipped.append(result)
                else:
                    bad.append(f"{result.name}: unexpected skip: {result.reason}")
        self.passed += len(ok)
        self.failed += len(bad)
        self.skipped += len(skipped)
        text = f"{len(ok)} passed"
        if bad:
            text += f", {len(bad)} failed"
        if skipped:
            text += f", {len(skipped)} skipped"
        say(f"  {'FAIL' if bad else 'ok':<5}{name:<24}{text:<28}{seconds:7.1f} s")
        for line in bad:
            say(f"         not ok {line}")
        if bad:
            self.failures.append(name)
            if log:
                say(f"         log: {os.path.relpath(log, os.getcwd())}")
                # A log does not outlast the machine of a CI.
                for line in ktap.last_words(log.read_text(errors="replace")):
                    say(f"         | {line}")


def table(text):
    """The lines of a test's output that are to be seen."""
    return [line[2:].rstrip() for line in text.splitlines() if re.match(r"# \|(\s|$)", line)]


def knobs(environment):
    """The settings of the tests in the environment."""
    return {
        name: environment[name]
        for name in sorted(environment)
        if name.startswith("RDAX_") and name not in NO_KNOBS
    }


def timeout_factor(environment):
    text = environment.get("RDAX_TIMEOUT") or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = 0
    if not 0 < factor < 1e6:
        sys.exit(f"RDAX_TIMEOUT={text} is not a factor for the timeouts")
    return factor


def busy_factor():
    """Returns how many times longer than on an idle host something takes now: a process on
    each of two CPUs, as many as there are VMs at once. At least 1."""
    command = [sys.executable, busy.__file__, str(BUSY_WORK)]
    spinners = [children.popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    factors = [float(spinner.communicate()[0] or 1) for spinner in spinners]
    return min(max(1.0, *factors), BUSY_MOST)


def read_tests(factor=1):
    tests = []
    for number, line in enumerate((SELFTESTS / "tests.list").read_text().splitlines(), 1):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if len(words) < 4 or not words[2].isdigit():
            sys.exit(f"tests.list:{number}: NAME BOOT TIMEOUT PROGRAM [ARGUMENT...]")
        tests.append(Test(words[0], words[1], math.ceil(int(words[2]) * factor), words[3:]))
    names = [test.name for test in tests]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f"tests.list: two tests are called '{name}'")
    return tests


def read_skips():
    path = SELFTESTS / "expected-skips"
    skips = []
    for line in path.read_text().splitlines() if path.exists() else []:
        match = re.match(r"([^#:\s]+):\s*(\S+)\s+\S", line)
        if match:
            skips.append((match[1], match[2]))
    return skips


def selected(name, names=()):
    """Whether T= asks for a test: a word of it is one of the names, or matches some of
    them as a pattern, or is in them."""
    wanted = os.environ.get("T", "").strip()
    if not wanted:
        return True
    for word in wanted.split(","):
        word = word.strip()
        if word in names:
            if name == word:
                return True
        elif word and (fnmatch.fnmatchcase(name, word) or word in name):
            return True
    return False


def run_unit_tests(tally):
    import unittest

    started = time.monotonic()
    suite = unittest.TestLoader().discover(str(TOP / "scripts/tests"))
    with open(os.devnull, "w") as quiet:
        result = unittest.TextTestRunner(stream=quiet).run(suite)
    results = [ktap.Result("unit", "ok")] * (
        result.testsRun - len(result.failures) - len(result.errors)
    )
    for case, trace in result.failures + result.errors:
        results.append(ktap.Result(str(case), "not ok", trace.strip().splitlines()[-1]))
    if not result.testsRun:
        results.append(ktap.Result("discovery", "not ok", "no tests"))
    tally.add("scripts", results, time.monotonic() - started)


def check_frames(tally, build):
    """No function of ours takes too much of a stack of 16 KiB."""
    started = time.monotonic()
    command = [TOP / "scripts/frames.py", str(FRAME_LIMIT), *sorted(build.glob("*.ko"))]
    done = children.run(command, stdout=subprocess.PIPE, text=True)
    results = [ktap.Result("frames", "not ok", line) for line in done.stdout.splitlines()]
    if done.returncode:
        results.append(ktap.Result("frames.py", "not ok", f"status {done.returncode}"))
    tally.add("frames", results or [ktap.Result("frames", "ok")], time.monotonic() - started)


def cargo_results(text, status):
    """The counts of each "test result:" line of cargo test."""
    results = []
    for match in re.finditer(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", text, re.M):
        results += [ktap.Result("host", "ok")] * int(match[1])
        results += [ktap.Result("ignored", "skip", "ignored")] * int(match[3])
    for match in re.finditer(r"^test (.+?) \.\.\. FAILED$", text, re.M):
        results.append(ktap.Result(match[1], "not ok"))
    if status and not any(r.outcome == "not ok" for r in results):
        results.append(ktap.Result("cargo", "not ok", f"cargo test ended with status {status}"))
    if not results:
        results.append(ktap.Result("cargo", "not ok", "no tests ran"))
    return results


def run_host_tests(name, environment, logs):
    """Runs the tests of a crate. The arguments for Tally.add()."""
    started = time.monotonic()
    log = logs / f"{name}.log"
    with open(log, "w") as out:
        status = children.run(
            ["nice", "cargo", "test", "--workspace", "--no-fail-fast", "--", "--show-output"],
            cwd=HOST_CRATES[name],
            env=dict(environment, CARGO_TARGET_DIR=str(TOP / "build" / name)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ).returncode
    results = cargo_results(log.read_text(errors="replace"), status)
    return name, results, time.monotonic() - started, log


def run_litmus_tests(environment, logs):
    """The arguments for Tally.add()."""
    started = time.monotonic()
    done = children.run(
        ["nice", TOP / "scripts/litmus.sh"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = logs / "litmus.log"
    log.write_text(done.stdout)
    return "litmus", ktap.parse(done.stdout, done.returncode), time.monotonic() - started, log


class Runner:
    def __init__(self, tally, flavour, kdir, build, settings, factor=1):
        self.tally, self.flavour, self.kdir, self.build = tally, flavour, kdir, build
        self.settings = settings
        # By how much the timeouts inside of tests are longer: a whole number, for shells.
        self.base = factor
        self.factor = math.ceil(factor)
        self.logs = build / "test-logs"
        self.selftests = build / "selftests"
        self.boots = configparser.ConfigParser(interpolation=None, strict=True)
        self.boots.read(SELFTESTS / "boots.conf")

    def vm_command(self, log, *options):
        for name, value in self.settings.items():
            options += ("--env", f"{name}={value}")
        return [
            str(TOP / "scripts/vm.py"),
            *("--flavour", self.flavour, "--kdir", str(self.kdir), "--build", str(self.build)),
            *("--env", f"RDAX_SELFTESTS={self.selftests}", "--log", str(log)),
            *("--env", f"RDAX_TIMEOUT={self.factor}"),
            *options,
        ]

    def boot_options(self, boot):
        if boot not in self.boots:
            return None
        section = self.boots[boot]
        # CPUs run at once, with or without KVM.
        options = ["--tcg-threads", os.environ.get("TCG_THREADS") or "multi"]
        for key in section:
            value = section[key]
            if key == "no_modules":
                options += ["--no-modules"] if section.getboolean(key) else []
            elif key == "env":
                for assignment in shlex.split(value):
                    options += ["--env", assignment]
            elif key in ("pmem", "append", "mem", "cpus"):
                options += [f"--{key}={value}"]
            else:
                sys.exit(f"boots.conf: [{boot}]: unknown key '{key}'")
        return options

    def finish(self, test, status, seconds):
        log = self.logs / f"{test.name}.log"
        text = "".join(test.output)
        results = ktap.parse(text, status)
        results += [ktap.Result("kernel log", "not ok", line) for line in test.reports]
        log.write_text(text + "".join(f"kernel log: {line}\n" for line in test.reports))
        self.tally.add(test.name, results, seconds, log)
        self.tally.tables += table(text)

    def run_group(self, boot, tests):
        options = self.boot_options(boot)
        if options is None:
            for test in tests:
                failure = ktap.Result("boot", "not ok", f"no [{boot}] in boots.conf")
                self.tally.add(test.name, [failure], 0)
            return
        attempt, self.spoiled = 0, 0
        while tests:
            attempt += 1
            tests = self.run_boot(boot, options, tests, attempt)

    def boot_again(self, console, why):
        """Whether a boot failed before any module of ours was loaded, and may
        be tried again: emulation without KVM does that once in a while."""
        text = console.read_text(errors="replace") if console.exists() else ""
        if MODULE_LOADED in text and not why:
            return False
        self.spoiled += 1
        if self.spoiled > SPOILED_BOOTS:
            return False
        say(f"    boot spoiled before our modules: {why or 'the guest died'}; booting again")
        return True

    def slow_down(self, tests):
        """Makes the timeouts of tests as much longer as the host is busy now."""
        factor = busy_factor()
        self.factor = math.ceil(self.base * factor)
        for test in tests:
            test.timeout = math.ceil(test.idle_timeout * factor)
        if factor >= 1.5:
            say(f"    the host is busy: timeouts are {factor:.1f} times as long")

    def run_boot(self, boot, options, tests, attempt):
        """Runs tests in one VM; returns those that are left when it died."""
        self.slow_down(tests)
        token = f"@@rdax-{secrets.token_hex(8)}"
        name = boot if attempt == 1 else f"{boot}-{attempt}"
        listing = self.logs / f"boot-{name}.list"
        listing.write_text("".join(f"{t.name} {t.timeout} {shlex.join(t.command)}\n" for t in tests))
        console = self.logs / f"boot-{name}.console"
        errors = self.logs / f"boot-{name}.stderr"
        command = shlex.join(["bash", str(TOP / "scripts/guest-tests.sh"), str(listing), token, str(SELFTESTS)])
        step(f"Booting '{boot}' for {len(tests)} tests: {' '.join(options) or 'default devices'}")
        started = time.monotonic()
        left = list(tests)
        current, current_started, before = None, 0.0, self.tally.failed
        spoiled = ""
        with open(errors, "w") as stderr:
            vm = children.popen(
                self.vm_command(
                    console,
                    *options,
                    f"--timeout={BOOT_SECONDS * self.factor + sum(t.timeout + 60 for t in tests)}",
                    *("--exec", command),
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
            try:
                for raw in vm.stdout:
                    line = raw.decode(errors="replace")
                    at = line.find(token)
                    if at < 0:
                        if current:
                            current.output.append(line)
                        continue
                    if at and current:
                        # The test's last line had no end.
                        current.output.append(line[:at] + "\n")
                    words = line[at:].split(maxsplit=3)
                    event = words[1] if len(words) > 1 else ""
                    if event == "spoiled":
                        spoiled = line[at:].split(maxsplit=2)[2].strip()
                    elif event == "ready":
                        say(f"    booted in {time.monotonic() - started:.0f} s")
                    elif event == "begin":
                        current = left.pop(0)
                        current_started = time.monotonic()
                    elif event == "report" and current:
                        current.reports.append(words[3].rstrip("\n"))
                    elif event == "end" and current:
                        status, *times = words[3].split()
                        self.finish(current, self.status(current, status), float(times[1]) - float(times[0]))
                        current = None
                vm.wait()
            finally:
                if vm.poll() is None:
                    vm.terminate()
                    vm.wait()
        if children.stopped:
            raise Stopped
        self.look_for_races(name, console, time.monotonic() - started)
        if current:
            why = errors.read_text(errors="replace")
            current.output.append(why)
            self.finish(
                current,
                f"the guest died (console: {os.path.relpath(console)})",
                time.monotonic() - current_started,
            )
        elif len(left) == len(tests):
            if self.boot_again(console, spoiled):
                return left
            for test in left:
                test.output = [spoiled, errors.read_text(errors="replace")]
                self.finish(test, f"no boot (console: {os.path.relpath(console)})", 0)
            return []
        if vm.returncode and self.tally.failed == before:
            lines = errors.read_text(errors="replace").strip().splitlines() or ["no message"]
            reports = [line for line in lines if line.startswith("kernel log:")] or lines[-1:]
            failures = [ktap.Result("boot", "not ok", line) for line in reports]
            self.tally.add(f"boot-{name}", failures, time.monotonic() - started, console)
        return left

    def look_for_races(self, name, console, seconds):
        """Counts what a kernel with KCSAN found in a boot: a race of ours is a failure."""
        text = console.read_text(errors="replace") if console.exists() else ""
        if KCSAN_SAYS not in text:
            return
        reports = kcsan.parse(text)
        ours = [report for report in reports if report.whose() == "ours"]
        results = [ktap.Result("race", "not ok", line) for line in kcsan.summary(ours)]
        self.tally.add(f"kcsan-{name}", results or [ktap.Result("races", "ok")], seconds, console)
        self.tally.tables += [f"| {line}" for line in kcsan.summary(reports)]

    @staticmethod
    def status(test, text):
        if text == "hung":
            return f"still running 30 s after its {test.timeout} s were over, unkillable"
        if text in ("124", "137"):
            return f"no end after {test.timeout} s"
        return int(text)

    def run_on_host(self, test, environment):
        self.slow_down([test])
        share = self.build / "test-tmp"
        shutil.rmtree(share, ignore_errors=True)
        share.mkdir()
        log = self.logs / f"{test.name}.console"
        vm = self.vm_command(log, f"--timeout={test.timeout}")
        environment = dict(
            environment,
            RDAX_VM=shlex.join(vm),
            RDAX_SHARE=str(share),
            RDAX_TIMEOUT=str(self.factor),
            RDAX_LOGS=str(self.logs),
            RDAX_SELFTESTS=str(self.selftests),
            RDAX_BUILD=str(self.build),
            RDAX_TOP=str(TOP),
        )
        step(f"Running '{test.name}' on the host")
        program = SELFTESTS / test.command[0]
        if not program.exists():
            program = self.selftests / test.command[0]
        started = time.monotonic()
        process = children.popen(
            [str(program), *test.command[1:]],
            cwd=SELFTESTS,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            output, _ = process.communicate(timeout=test.timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            # vm.py takes its QEMU along.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                output, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
            status = f"no end after {test.timeout} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            shutil.rmtree(share, ignore_errors=True)
        if children.stopped:
            raise Stopped
        test.output = [output.decode(errors="replace")]
        self.finish(test, status, time.monotonic() - started)


def shell_settings(command):
    """Runs a script that prints shell assignments; returns them."""
    done = children.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        say("0 passed, 1 failed")
        sys.exit(1)
    settings = {}
    for word in shlex.split(done.stdout):
        name, equals, value = word.partition("=")
        if equals:
            settings[name] = value
    return settings


def run_jobs(jobs):
    """Runs (function, argument...) tuples, two at a time. If a signal ends that, so do
    their processes, and no other begins."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        try:
            for done in concurrent.futures.as_completed([pool.submit(*job) for job in jobs]):
                done.result()
        except BaseException:
            # A second signal must not cut this short.
            stop_on_signals(signal.SIG_IGN)
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


def stop_on_signals(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def stopped(number, _frame):
    say(f"==> Stopped by {signal.Signals(number).name}")
    sys.exit(128 + number)


def main():
    """Runs what is asked for, and leaves no process behind."""
    stop_on_signals(stopped)
    try:
        return run_all()
    finally:
        stop_on_signals(signal.SIG_IGN)
        children.stop()


def run_all():
    flavour = os.environ.get("FLAVOUR") or "debug"
    factor = timeout_factor(os.environ)
    tests = read_tests(factor) if (SELFTESTS / "tests.list").exists() else []
    if os.environ.get("T") == "list":
        for test in tests:
            say(f"{test.name:<24}{test.boot:<12}{shlex.join(test.command)}")
        say(f"scripts, litmus, {', '.join(HOST_CRATES)}  (no boot)  unit tests, litmus tests, cargo test")
        return 0
    tally = Tally(read_skips())
    environment = dict(os.environ)
    # Not for the makes and VMs below.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "T"):
        environment.pop(name, None)
    names = {test.name for test in tests}
    tests = [test for test in tests if selected(test.name, names)]
    toolchain = shell_settings([TOP / "scripts/toolchain.sh"])
    environment.update(toolchain)
    if selected("scripts"):
        step("Testing the scripts")
        run_unit_tests(tally)
    settings = None
    if tests or not os.environ.get("T"):
        step(f"Building the modules ({flavour})")
        settings = shell_settings([TOP / "scripts/build-modules.sh", flavour])
        build = Path(settings["RDAX_BUILD"])
        step("Building the tools")
        children.run(
            [TOP / "scripts/build-tools.sh"],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    else:
        build = TOP / "build" / flavour
    # Held until the end of the process, by whoever uses these logs.
    build.mkdir(parents=True, exist_ok=True)
    lock = open(build / ".test-lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"    waiting for another test run in {build}")
        fcntl.flock(lock, fcntl.LOCK_EX)
    logs = build / "test-logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    groups = {}
    for test in tests:
        groups.setdefault(test.boot, []).append(test)
    if tests:
        for name, value in knobs(os.environ).items():
            step(f"{name}={value}")
        check_frames(tally, build)
        command = ["make", "-s", "-C", SELFTESTS, f"OUTPUT={build / 'selftests'}"]
        step("Building the selftests")
        if children.run(command, env=environment).returncode:
            tally.add("selftests", [ktap.Result("build", "not ok")], 0)
            groups = {}
    crates = list(filter(selected, HOST_CRATES))

    def run_crate(name):
        step(f"Testing '{name}' on the host (cargo test)")
        tally.add(*run_host_tests(name, environment, logs))

    def run_litmus():
        step("Running the litmus tests")
        tally.add(*run_litmus_tests(environment, logs))

    def run_boot_group(boot):
        runner = Runner(tally, flavour, Path(settings["KDIR"]), build, knobs(os.environ), factor)
        if boot == "host":
            for test in groups[boot]:
                runner.run_on_host(test, environment)
        else:
            runner.run_group(boot, groups[boot])

    # A VM mostly has one CPU at work, so two jobs keep two processors busy. What takes
    # longest comes first, that neither is idle at the end.
    boots = sorted(groups, key=lambda boot: sum(t.timeout for t in groups[boot]), reverse=True)
    jobs = [(run_boot_group, boot) for boot in boots]
    jobs += [(run_crate, name) for name in crates]
    jobs += [(run_litmus,)] if selected("litmus") else []
    run_jobs(jobs)
    if not tally.passed and not tally.failed:
        tally.add("selection", [ktap.Result("T", "not ok", "no such test; T=list shows them")], 0)
    for line in tally.tables:
        say(line)
    if tally.failures:
        say(f"Failed: {' '.join(tally.failures)}")
    say(
        f"{tally.passed} passed, {tally.failed} failed"
        + (f", {tally.skipped} skipped" if tally.skipped else "")
    )
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
