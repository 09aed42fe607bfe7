"""Keeps `docs/promises.md` true: runs everything that the promises are held to, and writes down what was found.

    python -m tests.promises.report                 all of it, mutants too; hours of one core
    python -m tests.promises.report --quick         only what `make test` runs, printed and not kept
    python -m tests.promises.report --add FILE      adds what single tests have found

Every figure comes from a run: a test that fails has no row, and is named. `docs/promises.jsonl` keeps the figures, each
with the commit it was found at. Single tests write theirs to the file that the environment variable `PROMISES_FIGURES`
names; `--add` replaces the rows of the same things.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.figures import FIGURES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
KEPT = ROOT / "docs" / "promises.jsonl"
FOLDERS = ("promises", "harness", "reconcile", "controller", "rollout", "rollout_driver", "aws", "store", "source")
TESTS = (*(f"tests/{name}" for name in FOLDERS), "tests/journeys/test_blue_green.py", "tests/test_exchange.py")

PROMISES = {
    "S1": "Nothing is written to what does not carry our tags.",
    "S2": "Killed at any call, or robbed of any answer, and restarted: the same as if nothing had been.",
    "S3": "No request to the production listener is lost to a deployment.",
    "S4": "Production is only ever pointed at a group with a healthy target.",
    "S5": "No tasks stop that production references, nor before the stored deadline, nor beside a side that is ill.",
    "S6": "Deadlines survive restarts: they may fire late, and never early.",
    "S7": "The only healthy side is never deleted, and a request whose precondition does not hold is refused at once.",
    "S8": "Two reconcilers never both write to one stack.",
    "S9": "A creation without a token is sent at most once per decision.",
    "S10": "A stale read never makes a second VPC, gateway or address stay.",
    "S11": "A bad commit, or an account that must not be written to, causes no write.",
    "S12": "A plan that deletes more than the guard allows, or what holds data, waits for consent.",
    "S13": "`validate` makes no AWS call, `diff` no write, and a second pass writes nothing.",
    "S14": "A destroy that was interrupted anywhere ends with everything of ours gone, and nothing else.",
    "S15": "Secrets never reach logs, diffs, plan files, reports, tags or tracebacks.",
    "S16": "`apply PLAN` does exactly that plan, or refuses.",
    "S17": "Unknown is not absent: a read that fails never leads to a creation or a deletion.",
    "S18": "While a source, a store or a registry is down, nothing is deleted, and deadlines are honoured.",
    "S19": "After an upgrade or a downgrade in any phase, the other version goes on from what is stored.",
    "L1": "From any damage to what is owned, back to what is wanted, and then not a write more.",
    "L2": "Progress under crashes, throttling, lost answers and bad days.",
    "L3": "A leader that is gone is replaced within the time of its lease, one that has stopped at once.",
    "L4": "Every wait has a reason, and says until when or for whom.",
    "L5": "Nothing grows: memory, files, revisions, tags, after a month of deployments.",
    "C1": "The production listener has a healthy target in every look, once it had one, whatever changes.",
    "C2": "Healthy targets in production never fall below what there was or is wanted because of a change.",
    "C3": "Whatever is changed, and by whom: it comes to rest, or says for whom it waits, and does not oscillate.",
    "C4": "`diff`, `apply` and `run` do the same to the same account.",
    "C5": "Nothing is deleted that something still points to.",
    "C6": "A peer that drips, hangs, floods or never ends costs its own deadline and nobody else's.",
}
"""Each has a row, whether or not it was run."""

SHOWN = ("promise", "what", "test", "worlds", "violations", "seeds", "case", "commit")


def main() -> int:
    options = _options()
    if options.add:
        return _write(merged(_read(KEPT), _noted(_read(Path(options.add)))))
    with tempfile.TemporaryDirectory() as place:
        figures = Path(place) / "figures.jsonl"
        end = _run(figures, quick=options.quick)
        rows = _noted(_read(figures))
    if options.quick:
        print(page(rows))
        return end
    return _write(merged([], rows)) or end


def _write(rows: Sequence[Mapping[str, Any]]) -> int:
    KEPT.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    PAGE.write_text(page(rows), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(rows)} rows")
    return 0


def _noted(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    commit = _commit()
    return [{**row, "commit": row.get("commit", commit)} for row in rows]


def merged(kept: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of both, one a thing: what was found now replaces what was kept of it."""
    rows: dict[tuple[str, str], Mapping[str, Any]] = {}
    for several in (kept, found):
        by_promise: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in several:
            by_promise[row["promise"]].append(row)
        for promise, those in by_promise.items():
            one_each = {row["what"]: row for row in those} if promise in ("run", "mutant") else _largest(those)
            rows |= {(promise, what): row for what, row in one_each.items()}
    return [{key: value for key, value in row.items() if key != "case"} for _, row in sorted(rows.items())]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only what `make test` runs")
    parser.add_argument("--add", metavar="FILE", help="add these figures to those that are kept")
    return parser.parse_args()


def _run(figures: Path, *, quick: bool) -> int:
    """The tests, and then the mutants; 0 where all of it went well."""
    figures.touch()
    environment = {**os.environ, FIGURES: str(figures)}
    started = time.monotonic()
    chosen = ["-m", "not slow"] if quick else []
    command = [sys.executable, "-m", "pytest", *TESTS, *chosen, "--durations=10"]
    end = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    took = {"promise": "run", "what": "tests", "seconds": round(time.monotonic() - started), "failed": end != 0}
    took |= {"python": sys.version.split()[0], "sample": quick}
    with figures.open("a", encoding="utf-8") as file:
        file.write(json.dumps(took) + "\n")
    if not quick:
        mutants = [sys.executable, "-m", "tests.promises.mutants"]
        end = subprocess.run(mutants, cwd=ROOT, env=environment, check=False).returncode or end
    return end


def _commit() -> str:
    """The commit, and whether the files are as in it; empty where there is no git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()


def _read(figures: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in figures.read_text(encoding="utf-8").splitlines()]


# -- the page


def page(rows: Iterable[Mapping[str, Any]]) -> str:
    """The whole page from what was found."""
    rows = list(rows)
    by_promise: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_promise[row["promise"]].append(row)
    parts = [HEAD, _about(by_promise.get("run", ())), _summary(by_promise)]
    for promise, text in PROMISES.items():
        parts.append(f"## {promise}\n\n{text}\n\n{_table(by_promise.get(promise, ()))}")
    parts.append(f"## Mutants\n\n{MUTANTS}\n\n{_mutants(by_promise.get('mutant', ()))}")
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """\
<!-- Written by `python -m tests.promises.report`; do not edit. -->
# What is promised, and what was found

Each promise is held to by tests that try to break it, in many small worlds.
A *world* is one account, or one process over an account, to which one bad thing (or a seeded mixture) happens.
It is also one case of a test, or one state of a walk through everything that can happen to a rollout.
A *violation* is a world that did not end as promised.
`make test` runs a sample of it, `make promises` all of it."""

MUTANTS = """\
A count of violations is worth as much as the tests that count.
So each guard is broken by hand in a copy of the product, and some test has to fail."""


def _about(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = []
    several = list(rows)
    if not several:
        return "Put together from runs of single tests, each at the commit that its row names."
    for row in several:
        which = "A sample" if row["sample"] else "All"
        ended = "with failures" if row["failed"] else "without failures"
        lines.append(
            f"{which} of it ran in {row['seconds']} s on one core, {ended}: commit `{row['commit'] or 'unknown'}`, "
            f"Python {row['python']}."
        )
    return "\n".join(lines)


def _summary(by_promise: Mapping[str, list[Mapping[str, Any]]]) -> str:
    lines = ["| promise | worlds | violations |", "| --- | ---: | ---: |"]
    for promise, text in PROMISES.items():
        found = list(_largest(by_promise.get(promise, [])).values())
        if found:
            worlds, wrong = _total(found, "worlds"), _total(found, "violations")
            lines.append(f"| [{promise}](#{promise.lower()}) {text} | {worlds} | {wrong} |")
        else:
            lines.append(f"| {promise} {text} | not run | |")
    return "\n".join(lines)


def _total(rows: Iterable[Mapping[str, Any]], key: str) -> int:
    return sum(int(row.get(key, 0)) for row in rows)


def _largest(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The largest of the runs of a thing: the sample's row says nothing that the full run's does not.

    Of single cases the sum, each once.
    """
    largest: dict[str, Mapping[str, Any]] = {}
    rows = list(rows)
    for row in {row["case"]: row for row in rows if "case" in row}.values():
        before = largest.get(row["what"], {"worlds": 0, "violations": 0})
        largest[row["what"]] = {**row, **{key: before[key] + row[key] for key in ("worlds", "violations")}}
    for row in rows:
        if "case" in row:
            continue
        other = largest.get(row["what"])
        if other is None or row.get("worlds", 0) >= other.get("worlds", 0):
            largest[row["what"]] = row
    return largest


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    largest = _largest(rows)
    if not largest:
        return "Not run."
    lines = ["| what | worlds | violations | seeds | besides | commit |", "| --- | ---: | ---: | --- | --- | --- |"]
    for what, row in sorted(largest.items()):
        besides = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items() if key not in SHOWN)
        figures = (what, row.get("worlds", ""), row.get("violations", ""), row.get("seeds", ""), besides)
        lines.append(f"| {' | '.join(map(str, figures))} | {row.get('commit', '')} |")
    return "\n".join(lines)


def _mutants(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    if not rows:
        return "Not run."
    killed = sum(row["end"] == "killed" for row in rows)
    lines = [f"{killed} of {len(rows)} killed.", "", "| what was broken | end | by |", "| --- | --- | --- |"]
    lines += [f"| {row['what']} | {row['end']} | {row['by']} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
