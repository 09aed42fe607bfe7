"""What a pass costs: `python -m benchmarks.passes [--services N …] [--delay SECONDS] [--everything] [--operations]`.

For each size the stack is made, brought into production, and read: without AWS's token buckets at `--delay` a call and
without pacing, by a pass and by the command that people type, then with both at 20 ms a call. Requests are counted by
the toll gate; wall and CPU are the client's own, in a process of its own; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import command, stack
from benchmarks.backend import Backend, environment

SERVICES = (1, 20, 100)
HEAD = (
    "| S | what | calls | writes | throttled | wall | CPU | memory |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def run(backend: Backend, folder: Path, *steps: str) -> list[dict[str, Any]]:
    """What a client of its own says of its steps, the first of which is its start."""
    command = [sys.executable, "-m", "benchmarks.client", backend.url, str(folder), *steps]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]


def floor(services: int, *, everything: bool) -> int:
    """The fewest requests that read everything: each type once, also those that the stack does not use, for what should
    not be there is found by looking; what AWS answers in batches in full ones; the rest singly."""
    network = 11  # VPCs, two attributes, subnets, three gateways and addresses, endpoints, tables, groups, rules
    tagged = 12 + services * (9 if everything else 7)
    balancing = 2 + 1 + 2 + math.ceil(2 * services / 400) + 2 * services
    scaling = math.ceil(services / 50) + (math.ceil(services / 10) if everything else 0)
    registry = 1 + (2 * services if everything else 0)
    others = 1 + 1 + math.ceil(services / 10) + 1 + math.ceil(services / 50) + math.ceil(tagged / 100)
    return network + balancing + scaling + registry + others


def measure(services: int, *, delay: float, everything: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def note(what: str, said: dict[str, Any]) -> None:
        rows.append({"services": services, "what": what, **said})

    with tempfile.TemporaryDirectory() as place, Backend() as backend:
        folder = stack.write(Path(place) / "specs", services, everything=everything)
        other = stack.write(Path(place) / "other", services, everything=everything, changed=1)
        if everything:  # up to where its repositories are asked for images
            note("first apply, before there are images", run(backend, folder, "unpaced", "create")[1])
            for number in range(1, services + 1):
                for tag in ("v1", "v2"):
                    backend.image(stack.service_name(number), tag)
        made = run(backend, folder, "unpaced", "create", "deploy")
        note("first apply, without the rollouts", made[1])
        start, full, again = run(backend, folder, "unpaced", "full", "full")
        note("process start", start)
        note("full, nothing known of task definitions", full)
        note("full, no delay", again)
        backend.reset(delay=delay, buckets=False)
        _, full = run(backend, folder, "unpaced", "full")
        note(f"full, {1000 * delay:.0f} ms a call, no buckets, unpaced", full)
        whole = command.diff(backend, folder, Path(place) / "cache")
        note(f"`reconciler diff`, {1000 * delay:.0f} ms a call: the whole process, median of five", whole)
        note("… from its start to its first call", {"wall": whole["first"], "cpu": 0.0})
        backend.reset(delay=0.02, buckets=True)
        note("full, AWS's buckets", run(backend, folder, "full")[1])
        backend.reset(delay=0.02, buckets=False)
        warm = ("unpaced", "full", "medium", "fast", f"change:{other}")
        _, _, medium, fast, change = run(backend, folder, *warm)
        backend.reset(delay=0.02, buckets=True)
        _, _, bucketed, quick = run(backend, folder, "warm", "medium", "fast")
        note("medium, no buckets", medium)
        note("medium, AWS's buckets", bucketed)
        note("fast, no buckets", fast)
        note("fast, AWS's buckets", quick)
        note("one image of S, from a fast pass", change)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    from reconciler.aws.retry import READ

    lines = [HEAD]
    for row in rows:
        calls: dict[str, int] = row.get("calls", {})
        writes = sum(n for name, n in calls.items() if not READ.match(name.partition(".")[2] or "Get"))
        memory = f"{row['memory']} MB" if "memory" in row else ""
        lines.append(
            f"| {row['services']} | {row['what']} | {sum(calls.values())} | {writes} | {row.get('throttled', 0)} "
            f"| {row['wall']:.2f} s | {row['cpu']:.2f} s | {memory} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="*", default=list(SERVICES))
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--everything", action="store_true", help="a stack that uses everything")
    parser.add_argument("--operations", action="store_true", help="calls by operation, too")
    given = parser.parse_args()
    for services in given.services:
        rows = measure(services, delay=given.delay, everything=given.everything)
        print(table(rows), flush=True)
        least = floor(services, everything=given.everything)
        full = sum(next(row for row in rows if row["what"] == "full, no delay")["calls"].values())
        print(f"\nfull: {full} calls, {full / least:.2f} x of the floor, {least}\n", flush=True)
        for row in rows if given.operations else ():
            print(row["what"], dict(Counter(row.get("calls", {})).most_common()))


if __name__ == "__main__":
    main()
