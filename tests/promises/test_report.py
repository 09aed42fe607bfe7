"""The page says what was found, and the mutants still break what is there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.promises.mutants import MUTANTS, ROOT, Mutant
from tests.promises.report import PROMISES, TESTS, merged, page


def _row(promise: str, what: str, **figures: Any) -> dict[str, Any]:
    return {"promise": promise, "what": what, "test": "t", **figures}


def test_a_page_has_the_figures_and_says_what_was_not_run() -> None:
    """Totals are of the rows; of a sample and a full run of the same thing the full one is shown."""
    text = page(
        [
            _row("S2", "apply, crashed once", worlds=3, violations=0, seeds=7),
            _row("S2", "apply, crashed once", worlds=336, violations=1, seeds=7),
            _row("L2", "30 % throttled", worlds=50, violations=0, passes_p50=2, passes_max=4),
        ]
    )
    assert "| apply, crashed once | 336 | 1 | 7 |  |  |" in text
    assert "passes p50 2, passes max 4" in text
    assert "| 336 | 1 |" in text.partition("## S1")[0]
    assert text.count("not run |") == len(PROMISES) - 2


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_has_something_to_break(mutant: Mutant) -> None:
    """Its text stands once where it is said to, and its tests are there."""
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    for test in mutant.tests.split():
        assert (ROOT / test.partition("::")[0]).exists()


def test_cases_are_counted_each_once() -> None:
    """Two tests of a thing are two worlds, however often they were run."""
    cases = [_row("S8", "the fence", worlds=1, violations=int(case == "b"), case=case) for case in ("a", "b", "a")]
    assert "| the fence | 2 | 1 |  |  |  |" in page(cases)


def test_what_is_run_is_there() -> None:
    assert [one for one in TESTS if not (ROOT / one).exists()] == []


def test_what_was_found_now_replaces_what_was_kept_of_it() -> None:
    """Cases are added up before: a smaller run of later replaces a larger one of before, and nothing else."""
    kept = [_row("S8", "the fence", worlds=9, violations=1, commit="a"), _row("S4", "the walk", worlds=5, violations=0)]
    cases = [_row("S8", "the fence", worlds=1, violations=0, case=case, commit="b") for case in ("x", "y")]
    walk, fence = merged(kept, cases)
    assert (walk["what"], walk["worlds"]) == ("the walk", 5)
    assert (fence["worlds"], fence["violations"], fence["commit"]) == (2, 0, "b")
    assert "| the fence | 2 | 0 |  |  | b |" in page([walk, fence])
