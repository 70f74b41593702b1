# SPDX-License-Identifier: GPL-2.0
import json
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import powercut  # noqa: E402


class FakeQemu:
    """Answers as QEMU does, an event before each answer; remembers the commands."""

    def __init__(self):
        self.commands = []
        self.ours, theirs = socket.socketpair()
        self.thread = threading.Thread(target=self.serve, args=(theirs,))
        self.thread.start()

    def serve(self, sock):
        def say(message):
            sock.sendall(json.dumps(message).encode() + b"\n")

        with sock, sock.makefile("rb") as file:
            try:
                say({"QMP": {}})
                for line in file:
                    name = json.loads(line)["execute"]
                    self.commands.append(name)
                    say({"event": "STOP"})
                    bad = name == "bad"
                    say({"error": {"desc": "no such command"}} if bad else {"return": {}})
            except ConnectionError:
                # The other end has gone with something unread.
                pass

    def close(self):
        self.ours.close()
        self.thread.join()


class PowercutTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)
        self.source = self.dir / "source"
        self.source.write_bytes(b"memory")
        self.qemu = FakeQemu()
        self.addCleanup(self.qemu.close)
        self.qmp = powercut.Qmp(self.qemu.ours)
        self.addCleanup(self.qmp.file.close)

    def cuts(self, *specs, condition=None):
        copies = [powercut.parse_copy(f"{line}={self.dir / name}") for line, name in specs]
        return powercut.Cuts(copies, self.source, condition)

    def test_specifications(self):
        copy = powercut.parse_copy("ACK 12+2500=/d/a=b")
        self.assertEqual((copy.line, copy.delay, copy.file), (b"ACK 12", 0.0025, Path("/d/a=b")))
        self.assertEqual(powercut.parse_copy("ACK 1=/f").delay, 0)
        for spec in ("ACK 1", "=f", "ACK 1+x=f", "ACK 1="):
            with self.assertRaises(ValueError):
                powercut.parse_copy(spec)

    def test_copies_are_sparse(self):
        target = self.dir / "target"
        size = 5 * powercut.CHUNK + 7
        content = bytearray(size)
        content[2 * powercut.CHUNK + 5] = 1
        self.source.write_bytes(content)
        # What was there before does not shine through the holes.
        target.write_bytes(b"x" * 2 * size)
        powercut.copy_sparse(self.source, target)
        self.assertEqual(target.read_bytes(), content)
        self.assertLess(target.stat().st_blocks * 512, 3 * powercut.CHUNK)

    def test_events_are_skipped(self):
        self.assertEqual(self.qmp.execute("stop"), {})
        self.assertEqual(self.qemu.commands, ["qmp_capabilities", "stop"])

    def test_errors(self):
        with self.assertRaises(ConnectionError):
            self.qmp.execute("bad")

    def test_the_end_of_qemu(self):
        ours, theirs = socket.socketpair()
        theirs.close()
        qmp = powercut.Qmp(ours)
        with ours, qmp.file, self.assertRaises(OSError):
            qmp.execute("stop")

    def test_only_whole_lines_count(self):
        cuts = self.cuts(("ACK 1", "one"))
        cuts.feed(b"ACK 12\nACK 1")
        self.assertFalse(cuts.due)
        cuts.feed(b"\r\nACK 2\n")
        self.assertEqual([copy.line for copy in cuts.due], [b"ACK 1"])
        self.assertEqual(cuts.left(), ["ACK 1"])

    def test_a_copy_is_made_while_the_cpus_stand(self):
        cuts = self.cuts(("ACK 1", "one"))
        cuts.feed(b"ACK 1\n")
        seen = []

        def drain():
            seen.append(list(self.qemu.commands))
            cuts.feed(b"ACK 2\nAC")

        cuts.make(self.qmp, drain)
        self.assertEqual(seen, [["qmp_capabilities", "stop"]])
        self.assertEqual(self.qemu.commands[-1], "cont")
        self.assertEqual((self.dir / "one").read_bytes(), b"memory")
        self.assertEqual((self.dir / "one.last").read_text(), "ACK 2\n")
        self.assertEqual(cuts.left(), [])

    def test_lines_during_a_copy_are_not_missed(self):
        cuts = self.cuts(("ACK 1", "one"), ("ACK 2", "two"), ("ACK 9", "nine"))
        cuts.feed(b"ACK 1\n")
        cuts.make(self.qmp, lambda: cuts.feed(b"ACK 2\n"))
        self.assertTrue((self.dir / "two").exists())
        self.assertEqual(cuts.left(), ["ACK 9"])

    def test_a_condition_is_waited_for(self):
        script = 'echo >>"$0.count"; [ $(wc -l <"$0.count") = 3 ] && [ "$1" != "$2" ]'
        condition = ["sh", "-c", script, str(self.dir / "c")]
        cuts = self.cuts(("ACK 1", "one"), condition=condition)
        cuts.feed(b"ACK 1\n")
        cuts.make(self.qmp, lambda: None)
        wanted = ["stop", "cont"] * 3
        self.assertEqual(self.qemu.commands[1:], wanted)

    def test_a_condition_that_never_holds_is_given_up(self):
        cuts = self.cuts(("ACK 1", "one"), condition=["false"])
        cuts.feed(b"ACK 1\n")
        cuts.make(self.qmp, lambda: None)
        self.assertTrue((self.dir / "one").exists())
        self.assertEqual(self.qemu.commands.count("stop"), powercut.TRIES + 1)
        self.assertEqual(self.qemu.commands[-1], "cont")


if __name__ == "__main__":
    unittest.main()
