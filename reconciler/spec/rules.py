"""Rule catalogue: the meaning of each finding, the reason for it, and an example of how to fix it.

The entries are in catalogue/*.yaml. The tests lay `bad` and `good` over a working specs folder: `bad` breaks this rule
and no other, `good` breaks none.
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
