"""The laptop's AWS account in one region: everything our services know, and what they need to act.

State is mutable and only ever touched under the one lock of `LaptopAws`. Nothing in here takes time: `now` moves in
`Timers`, what is due later is put there, and a service that may have something to do is marked with `touch`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.local.cloudtrail.state import History
from reconciler.local.cloudwatch.state import CloudWatchState
from reconciler.local.codedeploy.state import CodeDeployState
from reconciler.local.ecs.state import EcsState, Service, ServiceKey
from reconciler.local.elb.state import ElbState
from reconciler.local.eventbridge.state import EventBridgeState
from reconciler.local.faults import Faults
from reconciler.local.ids import Ids
from reconciler.local.network import Network
from reconciler.local.ports import ListenerRoutes, LoadBalancing, TargetProbe, TaskRunner
from reconciler.local.rest import Rest
from reconciler.local.sqs.state import SqsState
from reconciler.local.timers import Timers
from reconciler.local.timings import Timings

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""
Operation = Callable[["World", Params], Params]


@dataclass(frozen=True, slots=True)
class Checks:
    """What the local AWS emulator looks into before it believes it. Both hold on AWS; a small test may want neither."""

    roles: bool = True
    """Roles that are named must exist, and trust the service that is to assume them."""
    network: bool = True
    """A task's subnet must have a way to the registry: an internet gateway and a public address, NAT, or endpoints."""


@dataclass(slots=True)
class World:
    region: str
    account: str
    timings: Timings
    timers: Timers
    faults: Faults
    rest: Rest
    network: Network
    runner: TaskRunner
    probe: TargetProbe
    balancing: LoadBalancing
    region_named: Callable[[str], World | None]  # None: there is no region of that name
    checks: Checks = field(default_factory=Checks)
    speed: float = 1.0  # seconds of the clock in one of the machine's
    ids: Ids = field(default_factory=Ids)
    ecs: EcsState = field(default_factory=EcsState)
    elb: ElbState = field(default_factory=ElbState)
    codedeploy: CodeDeployState = field(default_factory=CodeDeployState)
    cloudwatch: CloudWatchState = field(default_factory=CloudWatchState)
    events: EventBridgeState = field(default_factory=EventBridgeState)
    sqs: SqsState = field(default_factory=SqsState)
    history: History = field(default_factory=History)  # the calls of the account; all regions'
    scaling: dict[str, Any] = field(default_factory=dict)  # application auto scaling: kind → key → item
    roles_since: dict[str, datetime] = field(default_factory=dict)  # role name → when it was created; all regions'
    listeners: dict[str, tuple[ListenerRoutes, ...]] = field(default_factory=dict)  # region → its table; all regions'
    # the function that a lifecycle hook names, and what it is told: SUCCEEDED | FAILED | IN_PROGRESS, which is to be
    # asked again (ECS) or to report later (CodeDeploy); of ECS also a whole answer, {"hookStatus": …}
    lambda_hook: Callable[[str, Params], str | Params] | None = None
    functions: dict[str, str] = field(
        default_factory=dict
    )  # Lambda function → what it answers every time; all regions'
    strict_tokens: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)  # operation, client token
    members: dict[tuple[str, str], dict[Any, Any]] = field(default_factory=dict)  # kind, id → what moto does not show
    quotas: dict[tuple[str, str], float] = field(default_factory=dict)  # service and code → what was asked for
    tag_listings: dict[str, list[Any]] = field(default_factory=dict)  # filters → what GetResources pages through
    touched: dict[ServiceKey, None] = field(default_factory=dict)  # in order, each once

    @property
    def now(self) -> datetime:
        return self.timers.now

    def invoke(self, function_arn: str, payload: Params) -> str | Params | None:
        """The answer of whatever stands in for a Lambda function; None if nothing does."""
        if self.lambda_hook is not None:
            return self.lambda_hook(function_arn, payload)
        return self.functions.get(function_arn.rpartition(":function:")[2].partition(":")[0])

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.timers.after(seconds, action)

    def touch(self, service: Service) -> None:
        """The scheduler is to look at this service before anybody sees it again."""
        self.touched[service.key] = None

    def touch_after(self, seconds: float, service: Service) -> None:
        self.after(seconds, lambda: self.touch(service))
