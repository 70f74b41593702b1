#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""busy.py SECONDS: uses so much CPU time, and prints how many times as long that took."""

import sys
import time


def spin(seconds, used=time.process_time, clock=time.monotonic):
    """Uses so much CPU time; returns how many times as long that took."""
    begun, end = clock(), used() + seconds
    while used() < end:
        pass
    return (clock() - begun) / seconds


if __name__ == "__main__":
    print(spin(float(sys.argv[1])))
