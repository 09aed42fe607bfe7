"""The actions of a listener or a rule in Elastic Load Balancing's own form: what comes before the one that answers.

A sign-in, or any other action that lets a request go on, comes first; the last one forwards, redirects or replies.
What the specs say is about the last one, so that the others are kept wherever it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

FINAL: Final = frozenset({"forward", "redirect", "fixed-response"})
STICKINESS: Final = "TargetGroupStickinessConfig"

Action = Mapping[str, Any]


def before(given: Sequence[Action]) -> list[dict[str, Any]]:
    """The actions before the last one, in their order and without its numbers."""
    others = [one for one in given if one.get("Type") not in FINAL]
    others.sort(key=lambda one: one.get("Order", 0))
    return [{name: value for name, value in one.items() if name != "Order"} for one in others]


def last(given: Sequence[Action]) -> Action | None:
    """The action that answers; None where there is none, or more than one."""
    found = [one for one in given if one.get("Type") in FINAL]
    return found[0] if len(found) == 1 else None


def stickiness(given: Sequence[Action]) -> dict[str, Any]:
    """Whether clients stay with a target group, of an action that forwards; empty if they do not."""
    config = ((last(given) or {}).get("ForwardConfig") or {}).get(STICKINESS) or {}
    return dict(config) if config.get("Enabled") else {}


def joined(first: Sequence[Action], action: Action) -> list[dict[str, Any]]:
    """The actions of a call. Several are numbered, and a sign-in keeps the client secret that AWS does not show."""
    every = [*map(_with_secret, first), dict(action)]
    return every if len(every) == 1 else [{**one, "Order": number} for number, one in enumerate(every, start=1)]


def _with_secret(action: Action) -> dict[str, Any]:
    config = action.get("AuthenticateOidcConfig")
    if config is None or "ClientSecret" in config:
        return dict(action)
    return {**action, "AuthenticateOidcConfig": {"UseExistingClientSecret": True, **config}}


def beyond(given: Sequence[Action]) -> list[dict[str, Any]]:
    """What `given` has beyond what an action of the specs says, in the form in which `aws` says it."""
    sticky = stickiness(given)
    return [*before(given), *([{"Type": "forward", "ForwardConfig": {STICKINESS: sticky}}] if sticky else [])]


def with_beyond(action: Action, kept: Sequence[Action]) -> list[dict[str, Any]]:
    """The actions of a call: `action` as it is compiled, with `kept`, which is `beyond` of it."""
    sticky = stickiness(kept)
    if sticky and action.get("Type") == "forward":
        action = {**action, "ForwardConfig": {**(action.get("ForwardConfig") or {}), STICKINESS: sticky}}
    return joined(before(kept), action)


def listener_of(arn: str) -> str:
    """The listener of a rule, or the listener itself: of an application load balancer, a default action is a rule with
    an ARN of its own."""
    return arn if ":listener/" in arn else arn.replace(":listener-rule/", ":listener/").rpartition("/")[0]
