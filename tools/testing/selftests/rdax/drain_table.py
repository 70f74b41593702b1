#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What drain.sh found: see there what is measured, and drain_storm.c for samples.

  drain_table.py check SAMPLES      whether each drain kept its bound
  drain_table.py table DIR "FS..."  a table, as lines "| ...", from the files
                                    results.FS ("key<tab>value") and samples.FS
"""

import os
import sys
from collections import defaultdict
from pathlib import Path

MS = 1e6
ROWS = {
    "1 other pte": "1 pin, touch, release: late by, PTEs",
    "1 other pmd": "  the same, a huge page",
    "1 own pte": "  touched by its holder, PTEs",
    "2 1": "2 storm, 1 thread: drain time",
    "2 2": "  2 threads",
    "2 4": "  4 threads",
    "2 8": "  8 threads",
    "2 16": "  16 threads",
    "2 64": "  64 threads",
    "3 1": "3 O_DIRECT, 1 reader: 20 punches",
    "3 2": "  2 readers",
    "3 4": "  4 readers",
    "4 pte": "4 vmsplice, unlink: returns after, PTEs",
    "4 pmd": "  the same, a huge page",
    "5 pte": "5 pin at 0, punch at 3 MiB, PTEs",
    "5 pmd": "  the same, a huge page",
}


def percentile(values, percent):
    values = sorted(values)
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def read_samples(path):
    """Of each storm, by how, pattern, threads: (took, bound, ended, hold, unmap) of its drains."""
    samples, unmap = defaultdict(list), defaultdict(int)
    lines = [line.split() for line in path.read_text().splitlines()]
    for line in lines:
        unmap[line[2]] = max(unmap[line[2]], int(line[5]))
    for how, pattern, threads, took, hold, _, ended in lines:
        bound = 2 * int(hold) + unmap[threads]
        samples[how, pattern, int(threads)].append(
            (int(took), bound, ended == "1", int(hold), unmap[threads])
        )
    return samples


def check(path):
    """Whether all drains ended within their bounds."""
    samples = read_samples(path)
    good = bool(samples)
    slack = int(os.environ.get("RDAX_SLACK") or 1)
    for (how, pattern, threads), drains in samples.items():
        for took, bound, ended, _, _ in drains:
            if not ended or took > slack * bound:
                good = False
                print(
                    f"{how}, {pattern}, {threads} threads: "
                    f"{took / MS:.1f} ms, allowed are {slack * bound / MS:.1f} ms"
                )
    print(f"{sum(map(len, samples.values()))} drains")
    return good


def summary(drains):
    """Number that ended, and the distribution of their times."""
    took = [sample[0] for sample in drains if sample[2]]
    text = f"{len(took)} of {len(drains)}"
    if not took:
        return text
    median, longest = percentile(took, 50) / MS, max(took) / MS
    return f"{text}, median {median:.0f} ms, max {longest:.0f} ms"


def distribution(title, drains):
    """A line about drains that all ended."""
    took = [sample[0] for sample in drains]
    ratio = [100 * sample[0] // sample[1] for sample in drains]
    times = " ".join(f"{percentile(took, p) / MS:8.1f}" for p in (50, 99, 100))
    ratios = " ".join(f"{percentile(ratio, p):6d}" for p in (50, 99, 100))
    hold = percentile([sample[3] for sample in drains], 50) / MS
    unmap = percentile([sample[4] for sample in drains], 50) / MS
    return f"| {title:<16}{len(drains):7d}  {times}  {ratios}  {hold:8.1f} {unmap:8.1f}"


def table(directory, names):
    columns = []
    for name in names:
        lines = (directory / f"results.{name}").read_text().splitlines()
        column = dict(line.split("\t", 1) for line in lines)
        samples = read_samples(directory / f"samples.{name}")
        for (how, pattern, threads), drains in samples.items():
            if (how, pattern) == ("vmsplice", "random"):
                column[f"2 {threads}"] = summary(drains)
        columns.append(column)
    widths = [max(map(len, [name, *column.values()])) for name, column in zip(names, columns)]
    rows = [["", *names]] + [[ROWS[key], *(c.get(key, "-") for c in columns)] for key in ROWS]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[1:], widths)]
        print(f"| {row[0]:<42}{'  '.join(cells)}".rstrip())
    if "rdaxfs" not in names:
        return
    samples = read_samples(directory / "samples.rdaxfs")
    print("|")
    print("| 2 on rdaxfs, all storms; the bound is 2 * hold + unmap")
    print(f"|{'':23}  {'drain time, ms':>26}  {'% of the bound':>20}  {'median of, ms':>17}")
    print(f"|{'':17} drains    median      p99      max  median    p99    max      hold    unmap")
    groups = defaultdict(list)
    for (how, pattern, threads), drains in samples.items():
        for title in (how, f"pattern {pattern}", f"{threads} threads", "all"):
            groups[title] += [drain for drain in drains if drain[2]]
    for title in sorted(groups, key=lambda t: (t == "all", t.endswith("threads"), t.startswith("pattern"))):
        print(distribution(title, groups[title]))


def main():
    if sys.argv[1] == "check":
        return 0 if check(Path(sys.argv[2])) else 1
    table(Path(sys.argv[2]), sys.argv[3].split())
    return 0


if __name__ == "__main__":
    sys.exit(main())
