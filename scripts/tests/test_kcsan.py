# SPDX-License-Identifier: GPL-2.0
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import kcsan  # noqa: E402
import vm  # noqa: E402


def report(title, *accesses):
    """As print_report() of kernel/kcsan/report.c writes one, on a console."""
    lines = ["=" * 66, f"BUG: KCSAN: {title}", ""]
    for access, frames in accesses:
        lines += [access, *(f" {frame}" for frame in frames), ""]
    lines += ["Reported by Kernel Concurrency Sanitizer on:", "CPU: 1 UID: 0 PID: 9 Comm: x", "=" * 66]
    return "".join(f"[   12.{at:06}] {line}\r\n" for at, line in enumerate(lines))


WRITE = "write to 0xffff888004a1f0b8 of 8 bytes by task 91 on cpu 0:"
READ = "read to 0xffff888004a1f0b8 of 8 bytes by task 92 on cpu 1:"
MARKED = "write (marked) to 0xffff888004a1f0b8 of 8 bytes by interrupt on cpu 1:"
UNKNOWN = "race at unknown origin, with read to 0xffff888004a1f0b8 of 8 bytes by task 92 on cpu 1:"

KERNEL = "do_wp_page+0x12/0x30"
FS = "_RNvNtCs1_6rdaxfs4node4size+0x1c/0x60 [rdaxfs]"
HELPER = "rust_helper_atomic64_set+0x12/0x20"
CRATE = "_RNvMNtNtCs2_6kernel4sync6atomic3set+0x9/0x10"


class ReportTest(unittest.TestCase):
    def one(self, title, *accesses):
        (found,) = kcsan.parse("other line\n" + report(title, *accesses) + "other line\n")
        return found

    def test_the_accesses(self):
        found = self.one("data-race in a / b", (WRITE, [KERNEL, FS]), (READ, ["vfs_read+0x1/0x2"]))
        self.assertEqual([access.kind for access in found.accesses], ["write", "read"])
        self.assertEqual(found.accesses[0].frames[0], ("do_wp_page", None))
        self.assertEqual(found.accesses[0].frames[1][1], "rdaxfs")
        self.assertEqual(len(found.accesses[1].frames), 1)

    def test_whose(self):
        for whose, accesses in (
            ("kernel", [(WRITE, [KERNEL]), (READ, [KERNEL])]),
            ("ours", [(WRITE, [KERNEL]), (READ, [FS, KERNEL])]),
            ("ours", [(UNKNOWN, [FS])]),
            ("below", [(WRITE, ["rdax_helper_nofs_restore+0x1/0x2 [rdax]", FS]), (READ, [KERNEL])]),
            ("marked", [(MARKED, [FS]), (READ, [KERNEL])]),
            ("ours", [(MARKED, [FS]), (READ, [FS])]),
            ("below", [(WRITE, [KERNEL, FS]), (READ, [KERNEL])]),
            # A module of the kernel's that has ours in its stack.
            ("below", [(WRITE, ["xfs_x+0x1/0x2 [xfs]", FS]), (READ, [KERNEL])]),
            # Through helpers, which are in the kernel's image.
            ("ours", [(WRITE, [HELPER, CRATE, FS]), (READ, [KERNEL])]),
            ("marked", [(MARKED, [HELPER, CRATE, FS]), (READ, [KERNEL])]),
            ("below", [(MARKED, [HELPER, CRATE, KERNEL, FS]), (READ, [KERNEL])]),
        ):
            self.assertEqual(self.one("data-race in a / b", *accesses).whose(), whose, accesses)

    def test_one_line_a_race(self):
        a, b = (WRITE, [FS, KERNEL]), (READ, [KERNEL])
        text = report("data-race in a / b", (WRITE, [KERNEL]), b)
        text += report("data-race in a / b", a, b) + report("data-race in a / b", b, a)
        self.assertEqual(
            [line.split()[:2] for line in kcsan.summary(kcsan.parse(text))],
            [["ours", "2"], ["kernel", "1"]],
        )

    def test_a_report_that_was_cut_off(self):
        text = report("data-race in a / b", (WRITE, [FS]), (READ, [KERNEL]))
        reports = kcsan.parse(text[: text.index("read to")])
        self.assertEqual([found.whose() for found in reports], ["ours"])

    def test_in_which_tests(self):
        text = "[    3.1] rdax test fs-race begins (@@x)\r\n" + report("data-race in a / b", (WRITE, [FS]), (READ, [KERNEL]))
        (line,) = kcsan.summary(kcsan.parse(text + text.replace("fs-race", "drain")))
        self.assertTrue(line.endswith(" (drain, fs-race)"), line)

    def test_what_fails_a_run(self):
        for frame, fails in ((KERNEL, False), (FS, True)):
            text = report("data-race in a / b", (WRITE, [frame]), (READ, [KERNEL]))
            self.assertEqual(bool(vm.scan_log(text)), fails, frame)
        # Not by its lines.
        self.assertEqual(vm.scan_log("[    1.0] BUG: KCSAN: data-race in x [rdax]\n"), [])
        self.assertTrue(vm.scan_log("[    1.0] BUG: KASAN: use-after-free in x [rdax]\n"))


if __name__ == "__main__":
    unittest.main()
