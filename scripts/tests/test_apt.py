# SPDX-License-Identifier: GPL-2.0
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
# Fails with what the real one says while another has the lock, as often as told.
APT_GET = """#!/bin/bash
echo "$*" >>"$DIR/calls"
left=$(<"$DIR/left")
[ "$left" -gt 0 ] || { echo "E: Unable to locate package x" >&2; exit "$(<"$DIR/status")"; }
echo $((left - 1)) >"$DIR/left"
echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)" >&2
exit 100
"""


class AptTest(unittest.TestCase):
    def run_apt(self, call, left, status=0, seconds=60):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name)
            for tool in ("apt-get", "sudo"):
                (path / tool).write_text(APT_GET if tool == "apt-get" else '#!/bin/sh\nexec "$@"\n')
                (path / tool).chmod(0o755)
            (path / "left").write_text(str(left))
            (path / "status").write_text(str(status))
            script = f". '{SCRIPTS}/lib.sh'; . '{SCRIPTS}/apt-private.sh'; sleep() {{ :; }}; {call}"
            environment = dict(
                os.environ, DIR=name, PATH=f"{name}:{os.environ['PATH']}", RDAX_CACHE=name,
                APT_LOCK_SECONDS=str(seconds),
            )
            done = subprocess.run(
                ["bash", "-c", script], env=environment, capture_output=True, text=True
            )
            return done, (path / "calls").read_text().splitlines()

    def test_the_locks_are_waited_for(self):
        for call in ("apt_get update -qq", "private_apt apt-get update -qq"):
            done, calls = self.run_apt(call, 3)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(calls), 4)
            self.assertIn("waiting for another run of apt", done.stderr)

    def test_dpkgs_lock_is_apts_to_wait_for(self):
        _, calls = self.run_apt("apt_get install x", 0)
        self.assertEqual(calls, ["-o DPkg::Lock::Timeout=60 install x"])

    def test_other_errors_are_final(self):
        done, calls = self.run_apt("apt_get install x", 0, status=100)
        self.assertEqual((done.returncode, len(calls)), (100, 1))
        self.assertIn("Unable to locate package", done.stderr)

    def test_not_for_ever(self):
        done, calls = self.run_apt("apt_get update", 5, seconds=0)
        self.assertEqual((done.returncode, len(calls)), (100, 1))


class ScriptsTest(unittest.TestCase):
    def test_no_script_calls_apt_get_itself(self):
        for script in sorted(SCRIPTS.glob("*.sh")):
            for number, line in enumerate(script.read_text().splitlines(), 1):
                if "apt-get" not in line or line.lstrip().startswith("#"):
                    continue
                # What is only read, or said to the user.
                if any(word in line for word in ("indextargets", "missing \"", "die \"", "private_apt")):
                    continue
                self.assertIn("DPkg::Lock::Timeout", line, f"{script.name}:{number}")


if __name__ == "__main__":
    unittest.main()
