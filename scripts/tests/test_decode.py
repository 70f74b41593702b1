# SPDX-License-Identifier: GPL-2.0
"""What the plugin of crash-trace takes instructions for."""

import ctypes
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "tools/testing/crash-trace/plugin/decode.c"
PLAIN, NON_TEMPORAL, FLUSH, SFENCE, MFENCE, LOCKED, MARK = range(7)
RAX, RCX, RBX, RBP, RIP, FS_BASE, NONE = 0, 1, 3, 5, 16, 17, -1


class Decoded(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("kind", "segment", "base", "index")]
    _fields_ += [("scale", ctypes.c_uint), ("disp", ctypes.c_int32)]


class DecodeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        library = f"{cls.dir.name}/decode.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        cls.library = ctypes.CDLL(library)
        cls.library.decode.restype = Decoded

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def decode(self, text):
        code = bytes.fromhex(text)
        return self.library.decode(code, ctypes.c_size_t(len(code)))

    def test_kinds(self):
        for text, kind in {
            "0faef8": SFENCE,
            "0faef0": MFENCE,
            "0faee8": PLAIN,  # lfence
            "f30faef0": PLAIN,  # umonitor
            "0fc306": NON_TEMPORAL,  # movnti %eax,(%rsi)
            "4c0fc34608": NON_TEMPORAL,  # movnti %r8,8(%rsi)
            "660fe706": NON_TEMPORAL,  # movntdq %xmm0,(%rsi)
            "0f2b06": NON_TEMPORAL,  # movntps
            "c5fde706": NON_TEMPORAL,  # vmovntdq %ymm0,(%rsi)
            "c4c17de700": NON_TEMPORAL,  # vmovntdq %ymm0,(%r8)
            "c5fd7f06": PLAIN,  # vmovdqa
            "f0480fb10e": LOCKED,  # lock cmpxchg %rcx,(%rsi)
            "488706": LOCKED,  # xchg %rax,(%rsi)
            "4887c6": PLAIN,  # xchg %rax,%rsi
            "488906": PLAIN,  # mov %rax,(%rsi)
            "90": PLAIN,
            "0f1f8078616472": MARK,
            "0f1f8000000000": PLAIN,
        }.items():
            self.assertEqual(self.decode(text).kind, kind, text)

    def test_addresses(self):
        for text, *operand in [
            ("660fae30", NONE, RAX, NONE, 0, 0),  # clwb (%rax)
            ("66410fae742408", NONE, 12, NONE, 0, 8),  # clwb 8(%r12)
            ("660fae7bf8", NONE, RBX, NONE, 0, -8),  # clflushopt -8(%rbx)
            ("0fae3c8b", NONE, RBX, RCX, 2, 0),  # clflush (%rbx,%rcx,4)
            ("3e0fae38", NONE, RAX, NONE, 0, 0),  # ds clflush (%rax)
            ("66460fae348d10000000", NONE, NONE, 9, 2, 16),  # clwb 16(,%r9,4)
            ("660fae3500010000", NONE, RIP, NONE, 0, 256),  # clwb 256(%rip)
            ("64660fae7500", FS_BASE, RBP, NONE, 0, 0),  # clwb %fs:0(%rbp)
        ]:
            found = self.decode(text)
            self.assertEqual(found.kind, FLUSH, text)
            seen = [found.segment, found.base, found.index, found.scale, found.disp]
            self.assertEqual(seen, operand, text)


if __name__ == "__main__":
    unittest.main()
