"""DeploymentStrategy document: how a new version of a service is brought into production.

It is one module because these are the blocks of one document, which are checked together.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from reconciler.model import duration
from reconciler.rollout.engine import Controller, default_engine, engines
from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.references import RoleReference
from reconciler.spec.documents.values import (
    Clock,
    Duration,
    Flag,
    Percent,
    Text,
    Whole,
    Words,
    lasting,
    matching,
    no_repeats,
    one_or_many,
    problem,
    text,
)
from reconciler.spec.documents.week import DAYS, Days, TimeZone
from reconciler.spec.messages import joined, shown
from reconciler.spec.scalar import Written

DeploymentType = Literal["rolling", "blue_green", "canary", "linear"]
Stage = Literal[
    "reconcile_service",
    "pre_scale_up",
    "post_scale_up",
    "test_traffic_shift",
    "post_test_traffic_shift",
    "pre_production_traffic_shift",
    "production_traffic_shift",
    "post_production_traffic_shift",
]
"""The lifecycle stages of an ECS deployment that call functions."""
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
    on_rotation: Literal["auto"] | None = None
    """`auto`: a release that has nothing new but versions of secrets, parameters and files is promoted once green is
    healthy and tested, whatever `mode` says. Default: like any release."""


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
    """CloudWatch alarms: Alarm documents, the standard alarms of a service, or any others, by name."""
    max_5xx: Annotated[Percent, Field(ge=0, le=100)] | None = None
    """Percent of responses."""


class Teardown(Block):
    """How long blue keeps running; until then a rollback is one write to the listener."""

    after: Annotated[Duration, lasting("0s", "14d")] = duration.parse("1h")
    """Time from promotion until blue is removed."""


def _finite(value: Any, at: tuple[str | int, ...] = ()) -> Any:
    """JSON has no infinite numbers."""
    if isinstance(value, Written) and value.value is None:
        raise problem("E1106", "the number is too large", at=at)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _finite(item, (*at, key))
    return value


class Hook(Block):
    """A Lambda function that ECS calls in stages of each deployment, and that can have the deployment rolled back."""

    function: Annotated[
        str,
        *matching(
            r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]{1,64}(?::[A-Za-z0-9$_-]{1,128})?",
            256,
            "the ARN of a Lambda function, of a version or of an alias",
        ),
    ]
    """ARN of the function, of a version or of an alias."""
    stages: Annotated[tuple[Stage, ...], one_or_many(Stage), AfterValidator(no_repeats), Field(min_length=1)]
    """When it is called; canary and linear deployments have the stages of production traffic in each step."""
    role: RoleReference | None = None
    """A Role, or an ARN, that ecs.amazonaws.com can assume to invoke the function. Default: one is generated for each
    service."""
    details: Annotated[Members, AfterValidator(_finite)] = Field(default_factory=dict)
    """What the function is given as `hookDetails`, beside what ECS says of the deployment."""
    within: Annotated[Duration, lasting("1m", "24h")] = duration.parse("24h")
    """Time limit for all calls in a stage; a function that answers IN_PROGRESS is called again."""
    on_timeout: Literal["rollback", "continue"] = "rollback"
    """What happens to the deployment when that time is over."""


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


class RollingAlarms(Block):
    """CloudWatch alarms that fail a deployment while ECS carries it out; a plain list has their names."""

    short_form = {"type": "array", "items": {"type": "string"}}

    names: Annotated[tuple[Words, ...], AfterValidator(no_repeats), Field(min_length=1, max_length=10)]
    """Alarm documents, the standard alarms of a service, or any others, by name."""
    rollback: Flag = True
    """Returns to the last working version."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"names": value} if isinstance(value, list | tuple) else value


class FailureThreshold(Block):
    """How many tasks may fail before the circuit breaker fails the deployment."""

    count: Annotated[Whole, Field(ge=1, le=100_000)] | None = None
    """Number of tasks."""
    percent: Annotated[Whole, Field(ge=1, le=10_000)] | None = None
    """Percentage of the desired count. Either this or `count`."""
    bounded: Flag = True
    """Keeps a percentage within AWS's lowest and highest number of tasks."""

    @model_validator(mode="after")
    def _one_of_both(self) -> FailureThreshold:
        if (self.count is None) == (self.percent is None):
            raise problem("E1103", "a threshold needs either 'count' or 'percent'")
        if self.count is not None and "bounded" in self.model_fields_set:
            raise problem("E1112", "'bounded' is for a threshold in percent", at=("bounded",))
        return self


MAX_PERCENT: Final = (ROLLING, "max_percent")
"""The path to it in a strategy."""


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
    reset_on_healthy_task: Flag = True
    """The circuit breaker counts failures from 0 again when a task becomes healthy."""
    failure_threshold: FailureThreshold | None = None
    """Default: half of the desired count, within AWS's limits."""
    alarms: RollingAlarms | None = None
    """CloudWatch alarms that fail the deployment."""


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
    role: RoleReference | None = None
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
    stickiness: Annotated[Duration, lasting("1s", "7d")] | None = None
    """How long a client stays with the version that answered it, while two versions receive production traffic. For
    canary and linear with `engine: task_sets`. Default: each request may go to either version."""
    verify: Verify = Field(default_factory=Verify)
    """What is monitored once traffic has shifted."""
    teardown: Teardown = Field(default_factory=Teardown)
    """When the old version is removed."""
    on_new_revision: Literal["supersede", "queue", "reject"] = "supersede"
    """What happens to a newer version that appears during a rollout."""
    windows: Annotated[tuple[Window, ...], Field(max_length=50)] = ()
    """Times in which rollouts may start and shift traffic, or may not. Default: at any time."""
    hooks: tuple[Hook, ...] = ()
    """Functions that ECS calls in each deployment; only with `engine: ecs_native`."""
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
