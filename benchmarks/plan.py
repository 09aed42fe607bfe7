"""Planning alone, without AWS: `python -m benchmarks.plan [--services N …]`. What it costs, and that it is linear.

`nothing changed` compares every resource; `from nothing` creates each, in order. CPU seconds, the best of three.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import stack
from benchmarks.client import specs_of
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.type_registry import discover
from reconciler.spec.compile import compile_specs
from tests.model.ordered_plan import plan

SERVICES = (100, 300, 1000, 3000)
AT_ONCE = 250
"""Services whose specs are read at once: a folder may hold 50,000 values."""


def desired(services: int) -> tuple[Desired[Any], ...]:
    found: dict[Address, Desired[Any]] = {}
    for first in range(1, services + 1, AT_ONCE):
        with tempfile.TemporaryDirectory() as place:
            folder = stack.write(Path(place) / "specs", min(AT_ONCE, services + 1 - first), first=first)
            several = compile_specs(specs_of(folder), account="123456789012", partition="aws")
        found |= {want.address: want for want in several}
    return tuple(found.values())


def as_wanted(wanted: tuple[Desired[Any], ...]) -> ObservedState:
    """A world in which everything is as wanted, read anew: nothing in it is the very same object."""
    ids = {want.address: f"arn:aws:made-up:us-west-2:123456789012:{want.address}" for want in wanted}
    found: dict[str, list[Observed[Any]]] = {}
    for want in wanted:
        spec = want.resolved(ids).spec.model_copy(deep=True)
        found.setdefault(want.address.kind, []).append(Observed(want.address, ids[want.address], spec, dict(want.tags)))
    return ObservedState(found)


def measure(services: int) -> dict[str, Any]:
    wanted, kinds = desired(services), discover()
    row: dict[str, Any] = {"services": services, "resources": len(wanted)}
    for name, world, actions in (
        ("nothing changed", as_wanted(wanted), 0),
        ("from nothing", ObservedState(), len(wanted)),
    ):
        best = float("inf")
        for _ in range(3):
            gc.collect()
            began = time.process_time()
            found = plan(stack.NAME, wanted, world, kinds)
            best = min(best, time.process_time() - began)
            assert len(found.actions) == actions, [str(action.address) for action in found.actions[:3]]
        row[name] = best
    return row


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| services | resources | nothing changed | from nothing | µs a resource |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        each = 1e6 * row["nothing changed"] / row["resources"]
        lines.append(
            f"| {row['services']:,} | {row['resources']:,} | {row['nothing changed']:.2f} s "
            f"| {row['from nothing']:.2f} s | {each:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="*", default=list(SERVICES))
    print(table([measure(services) for services in parser.parse_args().services]))


if __name__ == "__main__":
    main()
