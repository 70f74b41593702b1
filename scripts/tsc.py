# SPDX-License-Identifier: GPL-2.0
"""The frequency of the time-stamp counter that an emulated guest reads.

QEMU's TCG answers RDTSC with the host's own counter (cpu_get_host_ticks() in
cpu_get_tsc()), with -icount with the virtual clock in nanoseconds. A guest measures
the frequency against the PIT or the PM timer, which goes wrong by any factor when the
host does not run QEMU for a while, and then all of its clocks are wrong.
"""

import ctypes
import mmap
import platform
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
READ_TSC = bytes.fromhex("0f3148c1e2204809d0c3")
ICOUNT_KHZ = 1000000
# The kernel's clocksource watchdog bears some 100 ppm.
PRECISE = 20e-6
# Seconds: of one measurement, and until the best one so far has to do.
INTERVAL, PATIENCE = 0.1, 3.0


def counter():
    """Returns a function that reads the counter. OSError where no memory may be executed."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(READ_TSC)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    # The function is of no use without its code.
    read.memory = memory
    return read


def sample(read, clock):
    """Reads both clocks, as close together as it gets: ticks, nanoseconds, how many
    nanoseconds these may be off."""
    best = None
    for _ in range(100):
        before = clock()
        ticks = read()
        apart = clock() - before
        if best is None or apart < best[2]:
            best = (ticks, before + apart // 2, apart)
    return best


def measure(read, clock=time.monotonic_ns, sleep=time.sleep):
    """Returns the frequency in kHz. Its error is known: how far apart the readings of both
    clocks were. A busy host makes it take longer, not less precise."""
    first = sample(read, clock)
    # The interval grows until the error is small against it.
    while True:
        sleep(INTERVAL)
        last = sample(read, clock)
        elapsed = last[1] - first[1]
        if (first[2] + last[2]) / 2 <= PRECISE * elapsed or elapsed >= PATIENCE * 1e9:
            return round((last[0] - first[0]) * 1e6 / elapsed)
        if last[2] < first[2] / 2:
            first = last


def host_khz():
    """Returns the frequency of the host's counter in kHz, None if it has none to be read."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    try:
        return measure(counter())
    except (OSError, ValueError):
        return None


def guest_khz(qemu_arguments):
    """Returns the frequency that an emulated guest sees with these further arguments."""
    words = " ".join(qemu_arguments).split()
    return ICOUNT_KHZ if "-icount" in words or "--icount" in words else host_khz()
