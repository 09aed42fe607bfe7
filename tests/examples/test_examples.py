"""The stacks in examples/: each is valid without a warning, comes to rest, changes where it is changed, and goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import settings

from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.spec.load import load
from tests.cli.cli_runner import onstage
from tests.harness.account_snapshot import difference, everything
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

EXAMPLES = Path(__file__).parents[2] / "examples"
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Example:
    """A change of the specs, the `actions` of its plan, and what is different in the account once it is in place."""

    change: tuple[str, str]
    actions: tuple[str, ...]
    different: tuple[str, ...]
    prepare: Callable[[EmulatedStack], None] = lambda _: None
    """What has to exist before the first apply, and is not of the stack."""
    registries: tuple[str, ...] = ()


def certificate(domain: str) -> Callable[[EmulatedStack], None]:
    def issued(stage: EmulatedStack) -> None:
        acm = stage.laptop.client("acm")
        arn = acm.request_certificate(DomainName=domain)["CertificateArn"]
        assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"

    return issued


def shop(stage: EmulatedStack) -> None:
    certificate("shop.example.com")(stage)
    stage.laptop.client("ssm").put_parameter(Name="/shop/api/database-url", Value="x", Type="SecureString")


def ledger(stage: EmulatedStack) -> None:
    secrets = stage.laptop.client("secretsmanager")
    secrets.create_secret(Name="ledger/database", SecretString='{"password": "x"}')


def queue(name: str) -> Callable[[EmulatedStack], None]:
    def created(stage: EmulatedStack) -> None:
        stage.laptop.client("sqs").create_queue(QueueName=name)

    return created


def image(name: str, registry: str = "") -> tuple[str, str]:
    """The change of an image: the one that is in the examples, or the tag `v1` of a registry."""
    return (f"registry: {registry or name}, tag: v1", f"registry: {registry or name}, tag: v2")


def released(name: str) -> tuple[str, ...]:
    return (f"update task-definition/{name}", f"roll service/{name}")


STACKS = {
    "web-and-api": Example(
        image("shop-api"),
        released("shop-api"),
        ("listener-rule", "service/shop-api", "task", "task-definition/shop-api"),
        shop,
        ("shop-web", "shop-api"),
    ),
    "private-network": Example(
        image("ledger"),
        released("ledger"),
        ("listener", "listener-rule", "service/ledger", "task", "task-definition/ledger"),
        ledger,
        ("ledger",),
    ),
    "queue-worker": Example(
        ("per_task: 100}", "per_task: 50}"),
        ("update scaling/encode-worker",),
        ("alarm", "scaling-policy/encode-worker-backlog"),  # the two alarms of the policy, which AWS keeps
        queue("encode"),
    ),
    "scheduled-jobs": Example(
        ("cron(30 2 * * ? *)", "cron(0 4 * * ? *)"),
        ("update schedule/reports-nightly",),
        ("schedule/reports-nightly",),
        queue("reports-not-started"),
    ),
    "grpc": Example(
        image("prices"),
        released("prices"),
        ("listener", "listener-rule", "service/prices", "task", "task-definition/prices"),
        certificate("prices.example.com"),
        ("prices",),
    ),
    "log-router": Example(
        ("nginx:1.27", "nginx:1.28"),
        released("clicks"),
        ("listener", "listener-rule", "service/clicks", "task", "task-definition/clicks"),
    ),
    "shared-files": Example(
        ("desired_count: 2", "desired_count: 3"),
        ("update service/cms",),
        ("service/cms", "task"),
    ),
    "ec2-capacity": Example(
        ("retention_days: 14", "retention_days: 30"),
        ("update log-group/ecs/search",),
        ("log-group/ecs/search",),
    ),
    "arm-on-spot": Example(
        image("thumbs"),
        released("thumbs"),
        ("service/thumbs", "task", "task-definition/thumbs"),
        registries=("thumbs",),
    ),
    "service-connect": Example(
        ("request: 30s", "request: 45s"),
        ("roll service/cinema-api",),
        ("service/cinema-api", "task"),
    ),
}
QUICK = frozenset({"queue-worker", "scheduled-jobs", "service-connect"})
NAMES = {"service": "serviceName", "schedule": "Name", "scaling-policy": "PolicyName", "log-group": "logGroupName"}


@pytest.fixture(autouse=True)
def certificates_are_issued_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's own delay is a minute of the machine's clock."""
    monkeypatch.setattr(settings, "ACM_VALIDATION_WAIT", -1)


def test_every_example_is_listed() -> None:
    """Here and in the guide."""
    assert {one.name for one in EXAMPLES.iterdir() if one.is_dir()} == set(STACKS)
    guide = (EXAMPLES.parent / "docs" / "guides" / "examples.md").read_text(encoding="utf-8")
    assert [name for name in STACKS if f"| `{name}` |" not in guide] == []


@pytest.mark.parametrize("name", STACKS)
def test_an_example_is_valid(name: str) -> None:
    """Without errors and without warnings."""
    assert load(EXAMPLES / name).diagnostics == ()


@pytest.mark.parametrize("name", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in STACKS])
def test_an_example_lives(name: str) -> None:
    """apply → at rest → one change, and nothing else → destroy, on the local AWS; the account is then as before."""
    example = STACKS[name]
    with emulated_stack(folder=EXAMPLES / name) as stage, onstage(stage) as typed:
        example.prepare(stage)
        empty = everything(stage.transport.perform)
        created(stage, example)
        at_rest(stage)
        before = everything(stage.transport.perform)

        stage.change(dict([example.change]))
        _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
        assert tuple(f"{action.verb} {action.address}" for action in plan.actions) == example.actions
        applied(stage)
        at_rest(stage)
        assert different(before, everything(stage.transport.perform)) == sorted(example.different)

        destroyed = typed("destroy", "-y", "--delete-images")
        assert destroyed.code == Exit.DONE, destroyed.err
        assert difference(empty, everything(stage.transport.perform)) == {}


def created(stage: EmulatedStack, example: Example) -> None:
    if example.registries:
        stage.infrastructure()
    for registry in example.registries:
        for tag in ("v1", "v2"):
            stage.push(tag, registry)
    applied(stage)


def applied(stage: EmulatedStack) -> None:
    """In place, with every rollout at its end, and whatever was to be removed later is gone."""
    summary = stage.apply(has_ended, patience=DAY)
    assert not summary.went_wrong, summary.went_wrong
    stage.laptop.advance(7200)
    stage.apply(has_ended, patience=DAY)


def at_rest(stage: EmulatedStack) -> None:
    """A new process plans nothing and writes nothing."""
    written: list[Call] = []
    stage.restart()
    stage.transport.before = lambda call: None if is_read(call) else written.append(call)
    _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    assert (plan.actions, plan.refusals, plan.deferred, plan.waiting) == ((), (), (), ())
    stage.apply(has_ended)
    stage.transport.before = None
    assert written == []


def different(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """What is not as it was, each by its type and, where it has one, its name."""
    return sorted(
        {
            _label(kind, json.loads(item))
            for kind, sides in difference(before, after).items()
            for side in sides
            for item in side
        }
    )


def _label(kind: str, item: Any) -> str:
    if kind == "task-definition":
        return f"{kind}/{item.rpartition('/')[2].partition(':')[0]}"
    return f"{kind}/{str(item[NAMES[kind]]).lstrip('/')}" if kind in NAMES else kind


def test_the_share_of_spot_is_what_the_example_says() -> None:
    """Two tasks on Fargate, and of the two others the larger part on Spot."""
    with emulated_stack(folder=EXAMPLES / "arm-on-spot") as stage:
        created(stage, STACKS["arm-on-spot"])
        ecs = stage.laptop.client("ecs")
        tasks = ecs.describe_tasks(cluster="thumbs", tasks=ecs.list_tasks(cluster="thumbs")["taskArns"])["tasks"]
        assert sorted(one["capacityProviderName"] for one in tasks) == ["FARGATE", "FARGATE", "FARGATE", "FARGATE_SPOT"]
