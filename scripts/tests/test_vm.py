# SPDX-License-Identifier: GPL-2.0
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import powercut  # noqa: E402
import vm  # noqa: E402


class OutputTest(unittest.TestCase):
    def setUp(self):
        self.guest, self.passed_on = os.pipe(), os.pipe()
        for fd in (*self.guest, *self.passed_on):
            self.addCleanup(os.close, fd)

    def output(self, kill_on=None, cuts=None):
        # Standard output is 1; here it is what 1 is a copy of.
        saved = os.dup(1)
        os.dup2(self.passed_on[1], 1)
        self.addCleanup(os.close, saved)
        self.addCleanup(os.dup2, saved, 1)
        return vm.Output({self.guest[0]: 1}, kill_on, cuts)

    def test_output_is_passed_on(self):
        output = self.output()
        os.write(self.guest[1], b"some\nthing")
        self.assertTrue(output.take(10))
        self.assertEqual(os.read(self.passed_on[0], 100), b"some\nthing")
        self.assertFalse(output.take(0))

    def test_the_line_to_kill_on(self):
        output = self.output("ACK 1")
        os.write(self.guest[1], b"ACK 12\nACK")
        output.take_all()
        self.assertFalse(output.kill_due)
        os.write(self.guest[1], b" 1\r\nACK 2")
        output.take_all()
        self.assertTrue(output.kill_due)

    def test_the_line_to_copy_on(self):
        cuts = powercut.Cuts([powercut.parse_copy("ACK 1=/file")], "source")
        output = self.output("ACK 2", cuts)
        os.write(self.guest[1], b"ACK 1\nACK 2\n")
        output.take_all()
        self.assertEqual(len(cuts.due), 1)
        self.assertTrue(output.kill_due)


class RegionTest(unittest.TestCase):
    def test_kinds(self):
        region = vm.Region("nvdimm:32M:/d/file")
        self.assertEqual((region.kind, region.size, region.file), ("nvdimm", 32 << 20, "/d/file"))
        for spec in ("disk", "nvdimm:33", "nvdimm:0", "memmap:1G:/file", "nvdimm:1G@4K", "x:1G"):
            with self.assertRaises(vm.SetupError):
                vm.Region(spec)


if __name__ == "__main__":
    unittest.main()
