"""DeploymentStrategy document: how a new version of a service is brought into production."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from reconciler.model import duration
from reconciler.rollout.engine import Controller, default_engine, engines
from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.values import (
    Clock,
    Duration,
    Flag,
    Percent,
    Reference,
    Text,
    Whole,
    Words,
    lasting,
    matching,
    no_repeats,
    problem,
    text,
)
from reconciler.spec.documents.week import DAYS, Days, TimeZone
from reconciler.spec.messages import joined, shown

DeploymentType = Literal["rolling", "blue_green", "canary", "linear"]
ROLLING: Final = "rolling"
"""The type, and the block of its name."""


def _implemented(name: str) -> str:
    if name not in engines():
        raise problem("E1107", f"there is no engine {shown(name)}", hint=f"the engines are {joined(engines(), 'and')}")
    return name


class _Engines:
    """The choices of an editor: what is discovered, when somebody asks for the schema."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(engines())}


EngineName = Annotated[str, BeforeValidator(text), AfterValidator(_implemented), _Engines()]


class Green(Block):
    """The new version, before it receives production traffic."""

    healthy_within: Annotated[Duration, lasting("1m", "24h")] = duration.parse("15m")
    """Time limit for green to become healthy; after it the rollout fails and green is removed."""
    scale: Annotated[Whole, Field(ge=1, le=100)] = 100
    """Percent of the desired count until promotion; green is scaled to 100 before traffic shifts."""
    max_failed_tasks: Annotated[Whole, Field(ge=1, le=1000)] = 3
    """Number of stopped tasks that fails the rollout."""


class Expect(Block):
    """The expected response."""

    status: Annotated[Whole, Field(ge=100, le=599)] = 200
    """The status code."""
    body: Text | None = None
    """Text that the response must contain."""


class SmokeTest(Block):
    """A request to green through the test listener."""

    http: Annotated[
        str, *matching(r"/[\x21-\x7e]*", 1024, "a path on the load balancer's test listener, beginning with /")
    ]
    """Path of the request."""
    expect: Expect = Field(default_factory=Expect)
    """What the response has to be."""
    times: Annotated[Whole, Field(ge=1, le=100)] = 1
    """Number of successful responses in a row."""
    within: Annotated[Duration, lasting("1s", "1h")] = duration.parse("1m")
    """Time limit for all of them; after it the test has failed."""


class Promotion(Block):
    """When green is promoted: automatically, on request, or on request or by timer, whichever comes first."""

    mode: Literal["auto", "manual", "timed"] = "auto"
    """`auto`: once green is healthy and tested. `manual`: on `reconciler promote`. `timed`: on request, or by the time.
    """
    after: Annotated[Duration, lasting("1s", "14d")] | None = None
    """Only with `timed`; counted from when green is healthy and tested."""


class Step(Block):
    """A share of production traffic for green, and how long it is monitored there."""

    weight: Annotated[Whole, Field(ge=1, le=99)]
    """Percent."""
    pause: Annotated[Duration, lasting("1s", "24h")]
    """Time for which green is monitored at this weight."""


class Verify(Block):
    """What is monitored after traffic has shifted; a failure rolls back to blue."""

    period: Annotated[Duration, lasting("0s", "24h")] = Field(default=duration.parse("5m"), alias="for")
    """How long it is monitored."""
    alarms: Annotated[tuple[Words, ...], AfterValidator(no_repeats), Field(max_length=100)] = ()
    """CloudWatch alarms, by name."""
    max_5xx: Annotated[Percent, Field(ge=0, le=100)] | None = None
    """Percent of responses."""


class Teardown(Block):
    """How long blue keeps running; until then a rollback is one write to the listener."""

    after: Annotated[Duration, lasting("0s", "14d")] = duration.parse("1h")
    """Time from promotion until blue is removed."""


class Window(Block):
    """When rollouts may start and shift traffic. Deny overrides allow; rollbacks are always allowed."""

    mode: Literal["allow", "deny"] = "allow"
    """Whether rollouts may proceed in it, or may not."""
    days: Days = DAYS
    """Days on which it begins."""
    start: Clock = Field(alias="from")
    """Time of day at which it begins."""
    end: Clock = Field(alias="to")
    """If it is earlier than `from`, it is on the next day."""
    time_zone: TimeZone = "UTC"
    """The time zone of both times, such as Asia/Tokyo."""


class Rolling(Block):
    """ECS's rolling deployment."""

    min_percent: Annotated[Whole, Field(ge=0, le=100)] = 100
    """Minimum share of the desired count that stays healthy."""
    max_percent: Annotated[Whole, Field(ge=100, le=1000)] = 200
    """Maximum share of the desired count that runs. At 100, ECS does not rebalance tasks across Availability Zones."""
    circuit_breaker: Flag = True
    """Fails the deployment if tasks keep failing."""
    rollback: Flag = True
    """Returns to the last working version if the circuit breaker fails the deployment."""


class DeploymentStrategy(Document):
    """How a new version of a service is deployed.

    `rolling` takes only the blocks `rolling` and `verify`; the other types take every other block.
    """

    api = "_codedeploy_fields"

    kind: Literal["DeploymentStrategy"] = "DeploymentStrategy"
    name: Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9_-]*", 100, "letters, digits, '_' and '-' only")]
    type: DeploymentType
    """`rolling` replaces tasks one after the other. The others start the new version beside the old one: `blue_green`
    moves all traffic at once, `canary` and `linear` in `steps`."""
    engine: EngineName | None = None
    """Default: `rolling` for rolling, otherwise `task_sets`, where reconciler itself shifts traffic. With `codedeploy`,
    AWS CodeDeploy shifts it; with `ecs_native`, ECS does."""
    role: Reference | None = None
    """The IAM role that CodeDeploy or ECS shifts traffic with; only with `engine: codedeploy` or `ecs_native`. Default:
    one is generated for each service."""
    rolling: Rolling = Field(default_factory=Rolling)
    """Limits of a rolling deployment."""
    green: Green = Field(default_factory=Green)
    """The new version before it receives traffic."""
    test: tuple[SmokeTest, ...] = ()
    """Tests on the test listener that must pass before promotion."""
    promotion: Promotion = Field(default_factory=Promotion)
    """What has to happen before traffic shifts."""
    steps: Annotated[tuple[Step, ...], Field(max_length=100)] = ()
    """For canary and linear; the last step to 100 percent is implied."""
    verify: Verify = Field(default_factory=Verify)
    """What is monitored once traffic has shifted."""
    teardown: Teardown = Field(default_factory=Teardown)
    """When the old version is removed."""
    on_new_revision: Literal["supersede", "queue", "reject"] = "supersede"
    """What happens to a newer version that appears during a rollout."""
    windows: Annotated[tuple[Window, ...], Field(max_length=50)] = ()
    """Times in which rollouts may start and shift traffic, or may not. Default: at any time."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateDeploymentGroup, by CodeDeploy's names, such as `triggerConfigurations`. Only with
    `engine: codedeploy`."""

    @model_validator(mode="after")
    def _members_of_codedeploy(self) -> DeploymentStrategy:
        if self.aws and engines()[self.driver].controller is not Controller.CODE_DEPLOY:
            raise problem("E1112", f"the engine {self.driver} has no deployment group in CodeDeploy", at=("aws",))
        return self

    @property
    def driver(self) -> str:
        """The engine, chosen or by default."""
        return self.engine or default_engine(self.type)
