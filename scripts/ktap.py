# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP (Documentation/dev-tools/ktap.rst) and distrusts it: what a test
did not say counts as failed."""

import re
from dataclasses import dataclass, field

VERSION = re.compile(r"^(TAP version 13|TAP version 14|KTAP version \d+)\s*$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?\s*$", re.IGNORECASE)
RESULT = re.compile(
    r"^(not )?ok\b(?:\s+(\d+))?(?:\s+-)?\s*(.*?)(?:\s+#\s*(SKIP|XFAIL|TODO|TIMEOUT|ERROR)\b:?\s*(.*))?$",
    re.IGNORECASE,
)
BAIL = re.compile(r"^Bail out!\s*(.*)$")
KSFT_SKIP = 4


@dataclass
class Result:
    name: str
    outcome: str  # "ok", "not ok" or "skip"
    reason: str = ""


@dataclass
class Block:
    """One level of nesting: a plan and the results it promises."""

    indent: int
    plan: int = None
    plan_skip: str = None
    seen: int = 0
    children: list = field(default_factory=list)  # leaves of subtests not owned yet
    leaves: list = field(default_factory=list)

    def problems(self):
        if self.plan is None:
            return ["no plan (1..N)"]
        if self.seen < self.plan:
            return [f"{self.seen} of {self.plan} planned results"]
        if self.seen > self.plan:
            return [f"{self.seen} results, but the plan says {self.plan}"]
        return []


def parse(text, status=0):
    """The leaf results of a test's output, problems included as failures.

    status: the test's exit status, or a text that says how else it ended."""
    top = Block(0)
    stack = [top]
    complaints = []
    version = False

    def close(block):
        """Ends a nested block; its results wait for their parent's line."""
        parent = stack[-1]
        parent.children += block.leaves + block.children
        parent.children += [Result("plan", "not ok", p) for p in block.problems()]
        if block.plan_skip is not None:
            parent.children.append(Result("all", "skip", block.plan_skip))

    for line in text.splitlines():
        stripped = line.lstrip(" \t")
        indent = len(line[: len(line) - len(stripped)].expandtabs(4))
        if VERSION.match(stripped) and indent == 0:
            version = True
            continue
        plan, result, bail = PLAN.match(stripped), RESULT.match(stripped), BAIL.match(stripped)
        if bail:
            complaints.append(f"bail out: {bail[1]}")
            continue
        if not plan and not result:
            continue
        while indent < stack[-1].indent:
            close(stack.pop())
        if indent > stack[-1].indent:
            stack.append(Block(indent))
        block = stack[-1]
        if plan:
            if block.plan is not None:
                complaints.append(f"a second plan: {stripped}")
            block.plan, block.plan_skip = int(plan[1]), plan[2]
            if block.plan == 0 and block.plan_skip is None:
                complaints.append("the plan is empty (1..0)")
            continue
        failed, number, name, directive, reason = result.groups()
        block.seen += 1
        if number is not None and int(number) != block.seen:
            complaints.append(f"result {number} where {block.seen} was due: {stripped}")
            block.seen = int(number)
        directive = (directive or "").upper()
        name = name or f"test {block.seen}"
        if directive == "SKIP":
            outcome = "skip"
        elif failed or directive in ("TIMEOUT", "ERROR"):
            outcome = "not ok"
        else:
            outcome = "ok"
        children, block.children = block.children, []
        if not children or outcome == "skip":
            block.leaves.append(Result(name, outcome, reason or ""))
            continue
        for child in children:
            block.leaves.append(Result(f"{name}/{child.name}", child.outcome, child.reason))
        bad = any(child.outcome == "not ok" for child in children)
        if outcome == "not ok" and not bad:
            block.leaves.append(Result(name, "not ok", "though its subtests passed"))
    while len(stack) > 1:
        close(stack.pop())
    results = top.leaves + top.children
    if top.plan_skip is not None and top.plan == 0:
        results.append(Result("all", "skip", top.plan_skip))
    if not version:
        complaints.append("no TAP or KTAP version line")
    complaints += top.problems()
    results += [Result("ktap", "not ok", complaint) for complaint in complaints]
    bad = any(result.outcome == "not ok" for result in results)
    only_skips = bool(results) and all(result.outcome == "skip" for result in results)
    if isinstance(status, str):
        results.append(Result("end", "not ok", status))
    elif status and not bad and not (status == KSFT_SKIP and only_skips):
        results.append(Result("exit", "not ok", f"status {status} though nothing failed"))
    return results


def last_words(text, count=12):
    """The last `count` lines before each failed result, with the result; of a text without
    any, its last ones."""
    words, since = [], []
    for line in text.splitlines():
        since.append(line.rstrip())
        result = RESULT.match(line.lstrip(" \t"))
        if result:
            if result[1]:
                words += since[-count - 1 :]
            since = []
    return words or since[-count:]
