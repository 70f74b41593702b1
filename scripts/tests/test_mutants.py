# SPDX-License-Identifier: GPL-2.0
import fnmatch
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import mutants  # noqa: E402
from test_runner import runner  # noqa: E402


class Places(unittest.TestCase):
    """Mutants follow the code: `make mutants` runs too long for each change of it."""

    def setUp(self):
        self.mutants = mutants.read_mutants()

    def test_each_is_in_one_place(self):
        for mutant in self.mutants:
            with self.subTest(mutant["name"]):
                text = (mutants.TOP / mutant["file"]).read_text()
                self.assertEqual(text.count(mutant["find"]), 1)
                self.assertNotEqual(mutant["find"], mutant["replace"])

    def test_names_differ(self):
        names = [mutant["name"] for mutant in self.mutants]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_each_has_a_test(self):
        listed = runner.read_tests()
        tests = [*runner.HOST_CRATES, *(test.name for test in listed)]
        tests += [f"kcsan-{test.boot}" for test in listed]
        for mutant in self.mutants:
            for word in mutant["test"].split(","):
                with self.subTest(mutant["name"]):
                    self.assertTrue(fnmatch.filter(tests, word.strip()))


if __name__ == "__main__":
    unittest.main()
