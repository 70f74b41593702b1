# SPDX-License-Identifier: GPL-2.0
import importlib.util
import sys
import unittest
import unittest.mock
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))


def load_runner():
    """scripts/test.py, which has the name of a module of Python's own."""
    spec = importlib.util.spec_from_file_location("rdax_runner", SCRIPTS / "test.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


runner = load_runner()


class KnobsTest(unittest.TestCase):
    environment = {
        "RDAX_ROUNDS": "200",
        "RDAX_SEED": "7",
        "RDAX_CACHE": "/somewhere",
        "RDAX_TIMEOUT": "2",
        "PATH": "/bin",
    }

    def test_settings_of_the_scripts_are_none(self):
        self.assertEqual(
            runner.knobs(self.environment), {"RDAX_ROUNDS": "200", "RDAX_SEED": "7"}
        )

    def test_they_reach_each_vm(self):
        settings = runner.knobs(self.environment)
        tests = runner.Runner(None, "debug", Path("kernel"), Path("build"), settings)
        command = tests.vm_command(Path("log"), "--mem=1G")
        at = command.index("RDAX_ROUNDS=200")
        self.assertEqual(command[at - 1], "--env")
        self.assertIn("RDAX_SEED=7", command)
        self.assertIn("--mem=1G", command)
        self.assertFalse([word for word in command if "RDAX_CACHE" in word])


class BootTest(unittest.TestCase):
    def test_cpus_run_at_once(self):
        tests = runner.Runner(None, "debug", Path("kernel"), Path("build"), {})
        self.assertTrue(tests.boots.sections())
        for boot in tests.boots.sections():
            options = tests.boot_options(boot)
            self.assertEqual(options[options.index("--tcg-threads") + 1], "multi")
        self.assertIsNone(tests.boot_options("no such boot"))


class BusyHostTest(unittest.TestCase):
    def test_they_grow_with_what_the_host_has_to_do(self):
        tests = [runner.Test("x", "main", 60, ["x"]), runner.Test("y", "main", 400, ["y"])]
        boots = runner.Runner(None, "debug", Path("kernel"), Path("build"), {}, 1.5)
        self.assertIn("RDAX_TIMEOUT=2", boots.vm_command(Path("log")))
        # Not of those of the boot before.
        for factor, timeouts, inside in ((5.1, [306, 2040], 8), (1.0, [60, 400], 2)):
            with unittest.mock.patch.object(runner, "busy_factor", return_value=factor):
                boots.slow_down(tests)
            self.assertEqual([test.timeout for test in tests], timeouts)
            self.assertIn(f"RDAX_TIMEOUT={inside}", boots.vm_command(Path("log")))

    def test_how_busy_the_host_is(self):
        self.assertGreaterEqual(runner.busy_factor(), 1)
        # Of each second it takes, a quarter is had.
        used = iter(range(100))
        clock = iter((0, 16))
        self.assertEqual(runner.busy.spin(4, used.__next__, clock.__next__), 4)


class TableTest(unittest.TestCase):
    def test_its_lines_are_shown(self):
        text = "KTAP version 1\n1..1\n# | a  b\n# |\n# note | c\n#|\nok 1 x\n"
        self.assertEqual(runner.table(text), ["| a  b", "|"])


class SelectionTest(unittest.TestCase):
    names = ("drain", "fs-drain", "map", "fs-mmap")

    def chosen(self, words):
        with unittest.mock.patch.dict(runner.os.environ, T=words):
            return [name for name in self.names if runner.selected(name, self.names)]

    def test_names_patterns_and_parts(self):
        self.assertEqual(self.chosen("drain"), ["drain"])
        self.assertEqual(self.chosen("map, fs-d*"), ["fs-drain", "map"])
        self.assertEqual(self.chosen("rai"), ["drain", "fs-drain"])
        self.assertEqual(self.chosen(""), list(self.names))
        self.assertEqual(self.chosen("none"), [])


class TimeoutTest(unittest.TestCase):
    def test_the_factor(self):
        self.assertEqual(runner.timeout_factor({}), 1)
        self.assertEqual(runner.timeout_factor({"RDAX_TIMEOUT": ""}), 1)
        self.assertEqual(runner.timeout_factor({"RDAX_TIMEOUT": "2.5"}), 2.5)
        for text in ("0", "-1", "much", "nan", "inf"):
            with self.assertRaises(SystemExit):
                runner.timeout_factor({"RDAX_TIMEOUT": text})

    def test_it_applies_to_all_tests(self):
        once, more = runner.read_tests(), runner.read_tests(2.5)
        self.assertTrue(once)
        for one, other in zip(once, more, strict=True):
            self.assertGreaterEqual(other.timeout, one.timeout * 2.5)
            self.assertIsInstance(other.timeout, int)


if __name__ == "__main__":
    unittest.main()
