"""What many rollouts cost at once: `python -m benchmarks.rollouts [--services N …] [--seconds N]`.

The stack is in production, and a new version of each of its services is brought to the gate, where it waits for its
promotion. Then, under AWS's own token buckets at 20 ms a call, each is looked at once, and after that as often as the
driver would. ELB's bucket gives ten reads a second to everybody in the account.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import stack
from benchmarks.backend import Backend
from benchmarks.passes import run

SERVICES = (1, 20, 100)
SECONDS = 120.0
HEAD = """\
| S | what | turns | calls | ELB's | ELB's a second | throttled | wall | CPU |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def measure(services: int, seconds: float) -> list[tuple[str, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as place, Backend() as backend:
        folder = stack.write(Path(place) / "specs", services)
        other = stack.write(Path(place) / "other", services, changed=services)
        run(backend, folder, "unpaced", "create", "deploy")
        _, _, gate = run(backend, other, "unpaced", "create", "gate")
        backend.reset(delay=0.02, buckets=True)
        _, _, one, rest = run(backend, other, "watch", "round", f"wait:{seconds}")
    return [
        ("from the image to the gate, unpaced", gate),
        ("one look at each, AWS's buckets", one),
        (f"waiting for {seconds:.0f} s, AWS's buckets", rest),
    ]


def table(rows: list[tuple[int, str, dict[str, Any]]]) -> str:
    lines = [HEAD]
    for services, what, row in rows:
        calls: dict[str, int] = row["calls"]
        elb = sum(count for name, count in calls.items() if name.startswith("elbv2."))
        lines.append(
            f"| {services} | {what} | {row['actions']} | {sum(calls.values())} | {elb} | {elb / row['wall']:.1f} "
            f"| {row['throttled']} | {row['wall']:.1f} s | {row['cpu']:.2f} s |"
        )
    return "\n".join(lines)


def compare(sizes: Iterable[int], seconds: float) -> str:
    return table([(services, what, row) for services in sizes for what, row in measure(services, seconds)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="*", default=list(SERVICES))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    print(compare(given.services, given.seconds), flush=True)


if __name__ == "__main__":
    main()
