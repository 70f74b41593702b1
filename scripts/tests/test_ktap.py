# SPDX-License-Identifier: GPL-2.0
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import ktap  # noqa: E402


def outcomes(text, status=0):
    return [result.outcome for result in ktap.parse(text, status)]


class KtapTest(unittest.TestCase):
    def test_all_pass(self):
        text = "TAP version 13\n1..2\nok 1 - a\n# note\nnoise\nok 2 b\n"
        self.assertEqual(outcomes(text), ["ok", "ok"])

    def test_failure_is_counted_once(self):
        text = "KTAP version 1\n1..2\nok 1 a\nnot ok 2 b\n"
        self.assertEqual(outcomes(text, 1), ["ok", "not ok"])

    def test_last_words_of_failures(self):
        text = "KTAP version 1\n1..3\n# one\nok 1 a\n# two\n# three\n# four\nnot ok 2 b\n# five\nok 3 c\n"
        self.assertEqual(ktap.last_words(text, 2), ["# three", "# four", "not ok 2 b"])

    def test_last_words_without_results(self):
        self.assertEqual(ktap.last_words("1\n2\n3\n", 2), ["2", "3"])

    def test_names_and_reasons(self):
        results = ktap.parse("KTAP version 1\n1..1\nok 1 - huge page # SKIP no PMD\n", 4)
        self.assertEqual(
            (results[0].name, results[0].outcome, results[0].reason),
            ("huge page", "skip", "no PMD"),
        )
        self.assertEqual(len(results), 1)

    def test_nothing_at_all(self):
        self.assertIn("not ok", outcomes(""))
        self.assertIn("not ok", outcomes("", 0))

    def test_no_plan(self):
        self.assertEqual(outcomes("KTAP version 1\nok 1 a\n"), ["ok", "not ok"])

    def test_empty_plan(self):
        self.assertIn("not ok", outcomes("KTAP version 1\n1..0\n"))

    def test_fewer_than_planned(self):
        self.assertEqual(outcomes("KTAP version 1\n1..3\nok 1 a\n"), ["ok", "not ok"])

    def test_more_than_planned(self):
        self.assertEqual(outcomes("KTAP version 1\n1..1\nok 1 a\nok 2 b\n").count("not ok"), 1)

    def test_plan_at_the_end(self):
        self.assertEqual(outcomes("TAP version 13\nok 1 a\n1..1\n"), ["ok"])

    def test_wrong_number(self):
        self.assertIn("not ok", outcomes("KTAP version 1\n1..2\nok 1 a\nok 3 b\n"))

    def test_no_version(self):
        self.assertIn("not ok", outcomes("1..1\nok 1 a\n"))

    def test_bail_out(self):
        self.assertIn("not ok", outcomes("KTAP version 1\n1..1\nok 1 a\nBail out! gone\n"))

    def test_exit_status(self):
        text = "KTAP version 1\n1..1\nok 1 a\n"
        self.assertEqual(outcomes(text, 1), ["ok", "not ok"])
        self.assertEqual(outcomes(text, 4), ["ok", "not ok"])
        self.assertEqual(outcomes(text, "timeout after 5 s"), ["ok", "not ok"])

    def test_skip_everything(self):
        self.assertEqual(outcomes("KTAP version 1\n1..0 # SKIP needs root\n", 4), ["skip"])
        self.assertEqual(outcomes("KTAP version 1\n1..0 # SKIP needs root\n", 1), ["skip", "not ok"])

    def test_nested(self):
        text = (
            "KTAP version 1\n1..2\n"
            "  KTAP version 1\n  1..2\n  ok 1 x\n  ok 2 y\n"
            "ok 1 a\nok 2 b\n"
        )
        self.assertEqual([r.name for r in ktap.parse(text)], ["a/x", "a/y", "b"])

    def test_nested_failure_hidden_by_parent(self):
        text = "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 x\nok 1 a\n"
        self.assertEqual(outcomes(text), ["not ok"])

    def test_nested_short_plan(self):
        text = "KTAP version 1\n1..1\n  1..2\n  ok 1 x\nok 1 a\n"
        self.assertEqual(outcomes(text), ["ok", "not ok"])

    def test_parent_fails_alone(self):
        text = "KTAP version 1\n1..1\n    1..1\n    ok 1 x\nnot ok 1 a\n"
        self.assertEqual(outcomes(text, 1), ["ok", "not ok"])

    def test_subtests_without_parent_line(self):
        text = "KTAP version 1\n1..1\n  1..1\n  ok 1 x\n"
        self.assertIn("not ok", outcomes(text))

    def test_timeout_directive_is_no_pass(self):
        self.assertEqual(outcomes("KTAP version 1\n1..1\nok 1 a # TIMEOUT\n"), ["not ok"])

    def test_words_that_look_like_results(self):
        text = "KTAP version 1\n1..1\nokay then\n# not ok 1 in a comment\nok 1 a\n"
        self.assertEqual(outcomes(text), ["ok"])


if __name__ == "__main__":
    unittest.main()
