"""Everything that is refused, and exactly where the finger points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from reconciler.rollout.engine import engines
from reconciler.spec.rules import catalogue
from tests.spec import folder

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    topic: str
    law: str
    text: str
    finds: list[str]

    def __str__(self) -> str:
        return f"{self.topic}: {self.law}"


def _cases() -> list[Case]:
    found = []
    for path in sorted(HERE.joinpath("cases").glob("*.yaml")):
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [Case(path.stem, **case) for case in said]
    return found


CASES = _cases()
POSITIONS: dict[str, list[str]] = yaml.safe_load(HERE.joinpath("positions.yaml").read_text(encoding="utf-8"))
SHOWN_WRONG = [rule.id for rule in catalogue().values() if rule.bad]
SHOWN_RIGHT = [rule.id for rule in catalogue().values() if rule.good]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_case_finds_exactly_what_it_says(case: Case) -> None:
    """The findings of a case are those written beside it, no more and no fewer, each at its line, column and text."""
    assert [folder.told(found) for found in folder.lay(case.text).diagnostics] == case.finds


def test_an_engine_that_nobody_implements_is_told_with_those_there_are() -> None:
    """The hint names what can be written instead."""
    (found,) = folder.lay("{kind: DeploymentStrategy, name: careful, engine: by_hand}").diagnostics
    assert all(name in found.hint for name in engines())


@pytest.mark.parametrize("id", SHOWN_WRONG)
def test_a_wrong_example_breaks_its_rule_and_no_other(id: str) -> None:
    """What `explain` shows as wrong is found under that rule alone, at the place on record."""
    specs = folder.lay(catalogue()[id].bad + "\n")
    assert folder.rules(specs) == {id}
    assert [folder.told(found) for found in specs.diagnostics] == POSITIONS[id]


@pytest.mark.parametrize("id", SHOWN_RIGHT)
def test_a_right_example_breaks_no_rule(id: str) -> None:
    """What `explain` shows as right gives neither error nor warning."""
    assert [str(found) for found in folder.lay(catalogue()[id].good + "\n").diagnostics] == []


def test_the_working_folder_is_clean() -> None:
    """A case's findings are the case's own."""
    assert folder.lay("").diagnostics == folder.alone(folder.BASE).diagnostics == ()
