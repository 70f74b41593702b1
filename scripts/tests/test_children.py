# SPDX-License-Identifier: GPL-2.0
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))
from children import Children, Stopped  # noqa: E402

# Two jobs at once, as in a run of all tests, and one that waits for its turn. A "VM" has a
# process of its own, and one of them does not mind SIGTERM.
RUN = """
import sys
sys.path[:0] = [sys.argv[1]]
from test_runner import runner
def boot(name, trap):
    script = f"trap '{trap}' TERM; sleep 1000 & echo $! >{sys.argv[2]}/{name}; wait; wait; sleep 1000"
    runner.children.run(["bash", "-c", script])
    # What a boot that died is followed by.
    runner.children.run(["touch", f"{sys.argv[2]}/again-{name}"])
runner.children.grace = 1
runner.stop_on_signals(runner.stopped)
runner.run_jobs([(boot, "a", "exit"), (boot, "b", ":"), (boot, "c", "exit")])
"""


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


class SignalTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = Path(self.dir.name)

    def pid_of(self, name):
        file = self.path / name
        while not (file.exists() and file.read_text().strip()):
            self.assertIsNone(self.job.poll())
            time.sleep(0.01)
        return int(file.read_text())

    def stopped_by(self, number):
        command = [sys.executable, "-c", RUN, SCRIPTS / "tests", self.path]
        self.job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.job.kill)
        sleepers = [self.pid_of(name) for name in "ab"]
        self.job.send_signal(number)
        output, _ = self.job.communicate(timeout=600)
        self.assertEqual(self.job.returncode, 128 + number)
        self.assertIn(signal.Signals(number).name, output)
        self.assertEqual([pid for pid in sleepers if alive(pid)], [])
        self.assertEqual(sorted(os.listdir(self.path)), ["a", "b"])

    def test_sigterm_ends_all_and_begins_nothing(self):
        self.stopped_by(signal.SIGTERM)

    def test_so_does_sigint(self):
        self.stopped_by(signal.SIGINT)


class ChildrenTest(unittest.TestCase):
    def test_none_after_the_end(self):
        children = Children()
        self.assertEqual(children.run(["true"]).returncode, 0)
        children.stop()
        with tempfile.TemporaryDirectory() as name:
            with self.assertRaises(Stopped):
                children.run(["touch", f"{name}/began"])
            self.assertEqual(os.listdir(name), [])

    def test_a_status_that_is_checked(self):
        with self.assertRaises(subprocess.CalledProcessError):
            Children().run(["false"], check=True)


if __name__ == "__main__":
    unittest.main()
