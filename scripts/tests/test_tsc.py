# SPDX-License-Identifier: GPL-2.0
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tsc  # noqa: E402


class Host:
    """A host with a counter of a known frequency. Each reading costs time, and the task
    loses the CPU for 30 ms before every 7th of them, so also between the two clocks."""

    def __init__(self, khz, lose=7):
        self.khz, self.lose = khz, lose
        self.ns = self.readings = 0

    def reading(self):
        self.readings += 1
        if self.lose and self.readings % self.lose == 0:
            self.ns += 30_000_000
        self.ns += 200

    def clock(self):
        self.reading()
        return self.ns

    def counter(self):
        self.reading()
        return self.ns * self.khz // 1_000_000

    def sleep(self, seconds):
        self.ns += int(seconds * 1e9)


class TscTest(unittest.TestCase):
    def test_frequency_on_a_busy_host(self):
        for khz in (999_999, 2_596_130, 5_000_003):
            for lose in (0, 7, 4):
                host = Host(khz, lose)
                found = tsc.measure(host.counter, host.clock, host.sleep)
                self.assertLess(abs(found - khz), khz * 50e-6, (khz, lose))

    def test_readings_that_are_apart(self):
        # From some time on the counter is read 60 us before the clock, not in the middle.
        host = Host(2_596_130, 0)

        def clock():
            if host.ns > 50_000_000 and host.readings % 3 == 2:
                host.ns += 60_000
            return Host.clock(host)

        found = tsc.measure(host.counter, clock, host.sleep)
        self.assertLess(abs(found - host.khz), host.khz * 50e-6)

    def test_this_host(self):
        first, second = tsc.host_khz(), tsc.host_khz()
        if first is None:
            self.skipTest("no counter that can be read")
        self.assertLess(abs(first - second), first * 100e-6)

    def test_icount_has_its_own(self):
        self.assertEqual(tsc.guest_khz(["-icount", "shift=auto"]), 1_000_000)
        self.assertEqual(tsc.guest_khz(["-icount shift=3"]), 1_000_000)


if __name__ == "__main__":
    unittest.main()
