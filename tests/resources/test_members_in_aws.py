"""API members of resources that are more than one call: created, read back, changed and read back in the emulator."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from reconciler.aws.client import AwsClient
from reconciler.local.inprocess import laptop_session
from reconciler.model.diff import diff
from reconciler.model.members import FIELD, ApiMembers, digests, with_fields
from reconciler.model.resource import Desired
from reconciler.resources import _schedule_fields
from reconciler.spec.members import typed
from tests.harness.emulated_stack import InProcess
from tests.laws.account import Stack
from tests.laws.example import Example
from tests.resources.test_members import fielded, said, sayable

Path = tuple[str, ...]

TYPES = (
    *("vpc", "subnet", "vpc_endpoint", "cluster", "namespace", "role", "repository"),
    *("table", "log_group", "schedule"),
)
KEY = "arn:aws:kms:us-west-2:123456789012:key/0000000{}"
TOPIC = "arn:aws:sns:us-west-2:123456789012:topic-{}"
VALUES: dict[str, tuple[Any, Any]] = {
    "schedule.StartDate": ("2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"),
    "schedule.EndDate": ("2032-01-01T00:00:00Z", "2033-01-01T00:00:00Z"),
    "table.WarmThroughput.ReadUnitsPerSecond": (12_000, 13_000),
    "table.WarmThroughput.WriteUnitsPerSecond": (4_000, 5_000),
    "log_group.kmsKeyId": (KEY.format(1), KEY.format(2)),
    "table.SSESpecification.KMSMasterKeyId": (KEY.format(1), KEY.format(2)),
    "subnet.OutpostArn": ("arn:aws:outposts:us-west-2:123456789012:outpost/op-1", "arn:aws:outposts:other"),
}
"""Where the service, or the emulator, does not take any text."""

BESIDE: dict[str, dict[str, Any]] = {
    "table.ProvisionedThroughput": {"BillingMode": "PROVISIONED"},
    "table.StreamSpecification.StreamViewType": {"StreamSpecification": {"StreamEnabled": True}},
    "table.SSESpecification.SSEType": {"SSESpecification": {"Enabled": True}},
    "table.SSESpecification.KMSMasterKeyId": {"SSESpecification": {"Enabled": True, "SSEType": "KMS"}},
    "repository": {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "x"}]},
    "schedule.FlexibleTimeWindow": {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}},
}
"""What has to be said with it."""

FREE = {"cluster": {"exec_logging": None}, "schedule": {"enabled": None}}
"""Fields of an example that no document has, and that say the same as a member."""

NEITHER = {
    "table.BillingMode": "it comes with the throughput, see below",
    "table.StreamSpecification.StreamEnabled": "a stream has to be off before it can be another one",
    "table.StreamSpecification.StreamViewType": "the same",
    "schedule.FlexibleTimeWindow.Mode": "OFF takes no minutes",
}
"""Members that no other value can be tried of by itself."""


@dataclass(frozen=True)
class Case:
    module: str
    path: Path

    @property
    def name(self) -> str:
        return ".".join((self.module, *self.path))

    @property
    def api(self) -> ApiMembers:
        found: ApiMembers = vars(importlib.import_module(f"reconciler.resources.{self.module}"))["API"]
        return found

    @property
    def example(self) -> Example:
        found: Example = vars(importlib.import_module(f"tests.resources.test_{self.module}"))["EXAMPLE"]
        return found

    def members(self, number: int) -> dict[str, Any]:
        values = said(self.api, self.path, number)
        if self.name in VALUES:
            values = _laid({}, self.path, VALUES[self.name][number])
        for at, beside in BESIDE.items():
            if self.name == at or self.name.startswith(f"{at}."):
                values = _merged(beside, values)
        return values

    def desired(self, number: int) -> Desired[Any]:
        """As the compiler makes it."""
        want = self.example.desired
        aws, fields = with_fields(self.api, typed(self.api, self.members(number)))
        return replace(
            want,
            spec=want.spec.model_copy(update={**FREE.get(self.module, {}), FIELD: aws, **fields}),
            tags={**want.tags, **digests(self.api, aws, want.address)},
        )


def _laid(into: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    return {**into, path[0]: _laid({}, path[1:], value) if len(path) > 1 else value}


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for key, value in other.items():
        found[key] = _merged(one[key], value) if isinstance(value, dict) and isinstance(one.get(key), dict) else value
    return found


def cases() -> Iterator[Case]:
    for module in TYPES:
        api = Case(module, ()).api
        for path in api.shape.leaves():
            case = Case(module, path)
            shown = api.observed(path[:1]) and sayable(api, path) and case.name not in NEITHER
            if shown and case.members(0) != case.members(1) and ".".join(path) not in ("PolicyDocument",):
                yield case


CASES = {case.name: case for case in cases()}
SAMPLE = {case.module: case for case in reversed(CASES.values())}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with laptop_session() as laptop:
        client = AwsClient(InProcess(laptop))
        yield Stack(client, "ours")
        client.close()


def holds(stack: Stack, case: Case) -> None:
    first, second = case.desired(0), case.desired(1)
    stack.make(*case.example.needs, first)
    assert not diff(stack.the(first), stack.wish(first).spec), "what was said is what there is"

    new = stack.wish(second)
    old = stack.the(second)
    changes = diff(old, new.spec)
    assert changes, "the other value is another one"
    if fielded(case.api, case.path):
        assert {change.field for change in changes} <= {*case.api.fields.values()}
    else:
        assert all(change.path[0] == FIELD and _on(change.path[1:], case.path) for change in changes), changes
    replaced = any(change.immutable for change in changes)
    assert replaced != (case.api.updatable(case.path[:1]) or case.path[0] in case.api.changeable)
    if not replaced:
        stack.update(old, new, changes)
        assert not diff(stack.the(second), new.spec), "and only it was changed"


def _on(changed: Path, path: Path) -> bool:
    """Whether a change is of the member at `path`, of one that contains it, or of what is in it."""
    steps = [expected for expected in path if expected != "*"]
    return all(one == other for one, other in zip(changed, steps, strict=False))


@pytest.mark.parametrize("name", SAMPLE)
def test_one_member_of_each_type_is_what_the_specs_say(stack: Stack, name: str) -> None:
    """Created, it differs in nothing; another value shows as that member alone, and once it is written no more."""
    holds(stack, SAMPLE[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_members_are_what_the_specs_say(stack: Stack, name: str) -> None:
    """The same of all members that AWS shows."""
    holds(stack, CASES[name])


def test_a_table_goes_from_one_way_of_paying_to_the_other(stack: Stack) -> None:
    """DynamoDB takes neither the mode nor the throughput without the other."""
    case = Case("table", ("BillingMode",))
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    for members in (
        {"BillingMode": "PAY_PER_REQUEST"},
        {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput},
    ):
        spec = case.example.desired.spec.model_copy(update={FIELD: members})
        new = stack.wish(replace(case.example.desired, spec=spec))
        if members["BillingMode"] == "PROVISIONED":
            old = stack.the(new)
            assert {change.path[1] for change in diff(old, new.spec)} == {"BillingMode", "ProvisionedThroughput"}
            stack.update(old, new, diff(old, new.spec))
        else:
            stack.make(new)
        assert not diff(stack.the(new), new.spec)


def test_a_policy_of_scaling_keeps_what_only_aws_has_a_name_for(stack: Stack) -> None:
    """It is said for the policies; and where it is not said any more, a put sends it as it is."""
    example = vars(importlib.import_module("tests.resources.test_scaling"))["EXAMPLE"]
    cpu = example.desired.spec.policies["cpu"]

    def wish(target: float, aws: dict[str, Any]) -> Desired[Any]:
        policy = cpu.model_copy(update={"target": target, FIELD: aws})
        return stack.wish(
            replace(example.desired, spec=example.desired.spec.model_copy(update={"policies": {"cpu": policy}}))
        )

    stack.make(*example.needs, wish(50.0, {}))
    new = wish(50.0, {"TargetTrackingScalingPolicyConfiguration": {"DisableScaleIn": True}})
    changes = diff(stack.the(new), new.spec)
    assert [str(change) for change in changes] == [
        "policies.cpu.aws.TargetTrackingScalingPolicyConfiguration.DisableScaleIn"
    ]
    stack.update(stack.the(new), new, changes)
    assert not diff(stack.the(new), new.spec)

    new = wish(60.0, {})
    old = stack.the(new)
    assert old.facts["unstated"] == (("policies", "cpu", "TargetTrackingScalingPolicyConfiguration", "DisableScaleIn"),)
    stack.update(old, new, diff(old, new.spec))
    found = stack.the(wish(60.0, {"TargetTrackingScalingPolicyConfiguration": {"DisableScaleIn": True}}))
    assert not diff(found, stack.wants[found.address].spec)


def test_a_moment_is_told_by_what_it_is() -> None:
    """AWS answers a moment, and the specs have a text of it."""
    at = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
    shown = _schedule_fields.moment(at, "2030-01-01T01:00:00+01:00")
    assert shown == "2030-01-01T01:00:00+01:00"
