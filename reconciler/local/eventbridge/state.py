"""What EventBridge knows: the rules of each bus, and their targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.local.eventbridge.pattern import Pattern

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""
DEFAULT_BUS: Final = "default"
WITH_READS: Final = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@dataclass(slots=True, eq=False)
class Rule:
    arn: str
    name: str
    bus: str
    state: str
    pattern_text: str = ""
    pattern: Pattern | None = None
    schedule: str = ""
    description: str | None = None
    role_arn: str | None = None
    created_by: str = ""
    targets: dict[str, Params] = field(default_factory=dict)  # by Id
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def listens(self) -> bool:
        return self.state != "DISABLED" and self.pattern is not None


@dataclass(slots=True)
class EventBridgeState:
    rules: dict[tuple[str, str], Rule] = field(default_factory=dict)  # by bus and name
    wants_reads: bool = False
    """Whether a rule asks for CloudTrail's read-only events."""

    def changed(self) -> None:
        """Call after every change of a rule's state."""
        self.wants_reads = any(rule.state == WITH_READS for rule in self.rules.values())
