"""The Stack: which account and region, and how much one apply may delete."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.spec.documents.base import Block, Document
from reconciler.spec.documents.values import Text, Whole, matching

AccountNumber = Annotated[str, *matching(r"\d{12}", 12, "an account number has twelve digits", 12)]


class Guard(Block):
    """How much one apply may delete without a person's consent."""

    max_delete: Annotated[Whole, Field(ge=0, le=10_000)] = 5
    """Resources."""
    max_delete_percent: Annotated[Whole, Field(ge=0, le=100)] = 30
    """Percent of the resources that the stack owns."""


class DriftRule(Block):
    """What becomes of a difference that the specs did not make; the first rule that matches decides."""

    match: Annotated[
        str,
        *matching(
            r"[A-Za-z0-9*?./_:-]+", 256, "a pattern over addresses such as service/api or security-group-rules/*"
        ),
    ]
    path: Annotated[str, *matching(r"[\x21-\x7e]+", 256, "a pattern over fields such as desired_count or tags.*")] = "*"
    """Covers everything below it, too."""
    mode: Literal["enforce", "warn", "ignore"]
    """`enforce` puts it back, `warn` only tells, `ignore` leaves the field to somebody else for good."""
    reason: Text
    """Said wherever the rule is applied."""


class Stack(Document):
    """The one Stack of a specs folder; its name marks everything the stack owns (tag `reconciler:stack`)."""

    kind: Literal["Stack"] = "Stack"
    name: Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", 64, "letters, digits, '.', '_' and '-' only")]
    region: Annotated[str, *matching(r"[a-z]{2,4}(-[a-z]+){1,3}-\d", 32, "an AWS region such as us-west-2")]
    account: AccountNumber | None = None
    """The only account these specs may be applied to. Any other is refused before the first write."""
    guard: Guard = Field(default_factory=Guard)
    drift: Annotated[tuple[DriftRule, ...], Field(max_length=100)] = ()
    """For the loop (`reconciler run`). Without a rule, drift is put back."""
