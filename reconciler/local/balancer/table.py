"""What the balancer serves, as one value: the listeners with their rules, and who answers for each target group.

The table is replaced as a whole, so a request sees either all of a change or nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.local.ports import ListenerRoutes, TargetGroupSettings, TargetState


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where a target really listens, and whether it is spoken to by TLS."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The targets that get requests now, and how they take turns; times are seconds."""

    arn: str
    endpoints: tuple[Endpoint, ...] = ()
    algorithm: str = "round_robin"
    stickiness: float = 0.0
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    listeners: tuple[ListenerRoutes, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    ports: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """Load balancer and port of a listener → its port on this machine."""


def group(settings: TargetGroupSettings, states: Iterable[TargetState]) -> Group:
    """The healthy targets; all unhealthy ones when there is no healthy one (an ALB fails open); never a draining one.

    One that is still `initial` gets nothing: nobody knows yet whether it answers at all.
    """
    listening = [state for state in states if state.target.host]
    chosen = [state for state in listening if state.state == "healthy"]
    tls = settings.protocol in ("HTTPS", "TLS")
    chosen = chosen or [state for state in listening if state.state == "unhealthy"]
    return Group(
        arn=settings.arn,
        endpoints=tuple(Endpoint(state.target.host, state.target.host_port, tls) for state in chosen),
        algorithm=settings.algorithm,
        stickiness=settings.stickiness,
        cookie=settings.cookie,
    )
