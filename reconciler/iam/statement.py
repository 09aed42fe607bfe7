"""One statement of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Condition: TypeAlias = Mapping[str, Mapping[str, Any]]
EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class Statement:
    """`why` finishes the sentence "it may, because …" for whoever reads the policy. `named`: the policy has its id."""

    sid: str
    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = EVERYTHING
    condition: Condition = field(default_factory=dict)
    named: bool = True

    def document(self) -> dict[str, Any]:
        said: dict[str, Any] = {"Sid": self.sid} if self.named else {}
        said |= {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources) if self.resources != EVERYTHING else "*",
        }
        return said | (
            {"Condition": {test: dict(keys) for test, keys in self.condition.items()}} if self.condition else {}
        )
