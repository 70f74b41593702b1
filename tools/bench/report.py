#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What bench.py's guest reports, as data and as a table.

report.py [build/bench/results.json]: the table of a finished run.
"""

import json
import re
import sys
from pathlib import Path

# Of rdaxfs, in instructions an operation; no target: only the ratio counts.
TARGETS = {
    "pte_write_fault_written": 3000,
    "pte_write_fault_fallocated": 4000,
    "pmd_write_fault_written": 3000,
    "pread_64": 1400,
    "pwrite_64": 1500,
    "append_4k": 5000,
    "append_4k_fsync": 6000,
    "create": 12000,
    "unlink": 12000,
    "rename": 12000,
    "mkdir": 12000,
    "truncate_64m_pte_mapped": 10_000_000,
}
PEERS = ("ext4", "xfs")
OURS = "rdaxfs"


def parse(text):
    """results[fs][case] = {n, min, median, mean, max, total?}, and failures."""
    data = {"results": {}, "failed": []}
    fs = None
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "fs":
            fs = rest
            data["results"][fs] = {}
        elif word == "case":
            name, *fields = rest.split()
            values = (field.split("=") for field in fields)
            data["results"][fs][name] = {key: int(value) for key, value in values}
        elif word == "failed":
            data["failed"].append({"fs": fs, "what": rest})
    return data


def rows(data):
    """Case names in the order they ran, with their file systems' values. A case
    that has a total gives a second row, of what it cost in all."""
    names = []
    results = data["results"]
    for fs in results:
        names += [name for name in results[fs] if fs != "base" and name not in names]
    for name in names:
        found = {fs: results[fs][name] for fs in results if name in results[fs]}
        yield name, {fs: value["median"] for fs, value in found.items()}
        totals = {fs: value["total"] for fs, value in found.items() if "total" in value}
        if totals:
            yield f"{name}, all in", totals


def judge(data):
    """Adds data["verdicts"]: our ratio to the better peer, and the targets."""
    data["verdicts"] = {}
    for name, values in rows(data):
        peers = {fs: values[fs] for fs in PEERS if fs in values}
        verdict = {"target": TARGETS.get(name)}
        if peers:
            verdict["better_peer"] = min(peers, key=peers.get)
        if OURS in values and peers:
            verdict["ratio"] = values[OURS] / min(peers.values())
        if OURS in values and verdict["target"]:
            verdict["met"] = values[OURS] <= verdict["target"]
        data["verdicts"][name] = verdict


def line_of(name, values, verdict, columns):
    cells = [f"{values[fs]:>10}" if fs in values else f"{'-':>10}" for fs in columns]
    if "xfs" in values and "ext4" in values:
        cells.append(f"{values['xfs'] / values['ext4']:>9.3f}")
    else:
        cells.append(f"{'-':>9}")
    cells.append(f"{verdict['ratio']:>11.3f}" if "ratio" in verdict else f"{'-':>11}")
    target = verdict["target"]
    cells.append(f"{target:>9}" if target else f"{'':>9}")
    if "met" in verdict:
        cells.append("  met" if verdict["met"] else "  MISSED")
    return f"{name:<27}" + "".join(cells)


def table(data):
    columns = [fs for fs in (*PEERS, OURS) if fs in data["results"]]
    environment = data["environment"]
    base = data["results"].get("base", {})
    lines = [
        "Instructions per operation (median; \"all in\": mean with deferred work)",
        f"{environment['qemu']}, -cpu {environment['cpu']}",
        f"Linux {environment['kernel']}, {environment['driver']},"
        f" {environment['device_bytes'] >> 20} MiB; "
        + ", ".join(f"{name} {value['median']}" for name, value in base.items()),
        "",
        f"{'':<27}" + "".join(f"{fs:>10}" for fs in columns)
        + f"{'xfs/ext4':>9}{'/best peer':>11}{'target':>9}",
    ]
    for name, values in rows(data):
        lines.append(line_of(name, values, data["verdicts"][name], columns))
    for failure in data["failed"]:
        lines.append(f"FAILED on {failure['fs'] or 'setup'}: {failure['what']}")
    if data["boots"] > 1:
        same = "bit-identical" if data["identical"] else "DIFFERENT"
        lines.append(f"{data['boots']} boots: {same}")
    return "\n".join(lines)


def differences(texts):
    """Lines of the boots that are not the same in all."""
    numbers = re.compile(r"=(\d+)")
    for group in zip(*(text.splitlines() for text in texts)):
        if len(set(group)) > 1:
            words = group[0].split()
            spread = [set(values) for values in zip(*(numbers.findall(line) for line in group))]
            yield f"differs: {' '.join(words[:2])}: " + "; ".join(
                "/".join(sorted(values)) for values in spread if len(values) > 1
            )


def main():
    top = Path(__file__).resolve().parent.parent.parent
    path = sys.argv[1] if len(sys.argv) > 1 else top / "build/bench/results.json"
    data = json.loads(Path(path).read_text())
    print(table(data))
    for name, why in data["absent"].items():
        print(f"\n*** {name} WAS NOT MEASURED: {why} ***")
    return 0


if __name__ == "__main__":
    sys.exit(main())
