"""Author of a change: who made an API call, in which role, from where and with which tool.

Names and source addresses are personal data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Author:
    """`name` is the user, the session of a role, or the AWS service. `address` is the source address of the call, and
    `tool` what it was made with, or the AWS service that made it for `name`. `event` is the id of CloudTrail's event.
    """

    name: str
    at: datetime
    operation: str
    event: str
    role: str = ""
    account: str = ""
    address: str = ""
    tool: str = ""

    @property
    def who(self) -> tuple[str, ...]:
        """The same for all calls of one caller with one tool."""
        return self.name, self.role, self.account, self.tool

    def __str__(self) -> str:
        """`ana (role Admin) with the AWS console from 203.0.113.7 at 14:05 UTC on 2026-12-01`"""
        role = f" (role {self.role})" if self.role else ""
        tool = f" with {'the ' if self.tool.startswith(THE) else ''}{self.tool}" if self.tool else ""
        address = f" from {self.address}" if self.address else ""
        return f"{self.name}{role}{tool}{address} at {self.at:%H:%M} UTC on {self.at:%Y-%m-%d}"

    def document(self) -> dict[str, str]:
        texts = {name: getattr(self, name) for name in TEXTS}
        return {"at": self.at.isoformat(), **{name: text for name, text in texts.items() if text}}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Author:
        at = datetime.fromisoformat(document["at"]).astimezone(UTC)
        return cls(at=at, **{name: str(document.get(name, "")) for name in TEXTS})


def by(authors: Sequence[Author], *, certain: bool) -> str:
    """`by ana …`; of several `by ana … and bob …`, or `by one of: ana … or bob …` where it is not certain."""
    one_of = "" if certain or len(authors) == 1 else "one of: "
    return f"by {one_of}{(' and ' if certain else ' or ').join(map(str, authors))}"


THE: Final = ("AWS console", "AWS CLI", "AWS CDK", "AWS SDK")
"""Beginnings of the names of tools that take an article."""
TEXTS: Final = ("name", "operation", "event", "role", "account", "address", "tool")
