"""The catalogue of rules: what each finding means, why it is one, and how it looks right.

The entries stand in catalogue/*.yaml, which a reviewer reads without Python. `bad` and `good` are laid over a working
folder of specs by the tests: `bad` breaks this rule and no other, `good` breaks none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml


@dataclass(frozen=True, slots=True)
class Rule:
    """`source` is where the rule comes from: an AWS service and its error, or YAML. `bad` may be impossible to show."""

    id: str
    title: str
    why: str
    source: str = ""
    bad: str = ""
    good: str = ""

    @property
    def warning(self) -> bool:
        return self.id.startswith("W")


@cache
def catalogue() -> dict[str, Rule]:
    """All rules by id, in order."""
    rules: dict[str, Rule] = {}
    for entry in sorted(files(__package__).joinpath("catalogue").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            said = yaml.load(entry.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            for id, fields in said.items():
                assert id not in rules, id
                rules[id] = Rule(id, **{name: str(text).strip("\n") for name, text in fields.items()})
    return dict(sorted(rules.items()))


def explain(id: str) -> str | None:
    """A rule for reading; None for an id that is none. Case does not matter."""
    rule = catalogue().get(id.upper())
    if rule is None:
        return None
    parts = [f"{'warning' if rule.warning else 'error'}[{rule.id}]: {rule.title}", rule.why]
    if rule.bad:
        parts.append(f"Wrong:\n\n{_indented(rule.bad)}")
    if rule.good:
        parts.append(f"Right:\n\n{_indented(rule.good)}")
    if rule.source:
        parts.append(f"From: {rule.source}")
    return "\n\n".join(parts) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
