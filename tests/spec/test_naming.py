"""Names in AWS with the Stack's prefix and suffix, and what stays without them."""

from __future__ import annotations

from typing import Any

from reconciler.model.resource import Address, Desired
from reconciler.model.type_registry import discover
from reconciler.spec import queries
from reconciler.spec.compile import compile_specs
from reconciler.spec.documents import Service
from reconciler.spec.load import Specs
from tests.spec import folder

ACCOUNT = "123456789012"
STACK = "kind: Stack\nname: my-app\nname_prefix: d-\nname_suffix: -x\nroles: {name_suffix: '-{region}'}\n---\n"
OTHERS = """\
{kind: Store, name: locks}
---
{kind: Role, name: reader, assumed_by: ecs-tasks.amazonaws.com}
---
kind: Alarm
name: queue
metric: {namespace: AWS/SQS, name: Depth, dimensions: {QueueName: q}}
above: 1
---
kind: Cluster
name: my-app-cluster
namespace: shop
ec2_capacity:
  - name: arm
    instance_types: [m7g.large]
    max: 2
    subnets: [app-public1-a]
    security_groups: [my-app-task-sg]
    public_ip: true
---
kind: Task
name: nightly
cluster: my-app-cluster
run: {schedule: rate(1 day)}
capacity_providers: [arm]
task: {cpu: 256, memory: 512, containers: {main: {image: nginx}}, logs: {}}
placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg]}
---
kind: Service
name: my-app-frontend
exec: true
alarms: {}
scaling: {min: 1, max: 3, cpu: 50}
"""


def laid(text: str) -> Specs:
    specs = folder.lay(text)
    assert [str(found) for found in specs.diagnostics if found.rule.startswith("E")] == []
    return specs


def compiled(specs: Specs) -> dict[Address, Desired[Any]]:
    return {want.address: want for want in compile_specs(specs, account=ACCOUNT)}


def named(wants: dict[Address, Desired[Any]]) -> dict[str, str]:
    """What is known by a name in AWS, by its address."""
    kinds = discover()
    fields = {address: kinds[address.kind].named_by for address in wants}
    return {str(address): str(getattr(wants[address].spec, field)) for address, field in fields.items() if field}


PLAIN, PREFIXED = compiled(laid(OTHERS)), compiled(laid(STACK + OTHERS))


def test_every_name_in_aws_has_them_and_no_address_does() -> None:
    """Of every type that is known by a name, derived names included."""
    plain, prefixed = named(PLAIN), named(PREFIXED)
    assert PLAIN.keys() == PREFIXED.keys()
    assert {name for address, name in plain.items() if prefixed[address] == name} == set()
    assert prefixed == {
        "alarm/my-app-frontend-5xx-my-app-frontend-tg-1": "d-my-app-frontend-x-5xx-my-app-frontend-tg-1",
        "alarm/my-app-frontend-5xx-my-app-frontend-tg-2": "d-my-app-frontend-x-5xx-my-app-frontend-tg-2",
        "alarm/my-app-frontend-cpu": "d-my-app-frontend-x-cpu",
        "alarm/my-app-frontend-memory": "d-my-app-frontend-x-memory",
        "alarm/my-app-frontend-unhealthy-my-app-frontend-tg-1": "d-my-app-frontend-x-unhealthy-my-app-frontend-tg-1",
        "alarm/my-app-frontend-unhealthy-my-app-frontend-tg-2": "d-my-app-frontend-x-unhealthy-my-app-frontend-tg-2",
        "alarm/queue": "d-queue-x",
        "auto-scaling-group/arm": "d-arm-x",
        "capacity-provider/arm": "d-arm-x",
        "cluster/my-app-cluster": "d-my-app-cluster-x",
        "instance-profile/arm-instance": "d-arm-x-instance-us-west-2",
        "launch-template/arm": "d-arm-x",
        "load-balancer/my-app-alb": "d-my-app-alb-x",
        "log-group/ecs/my-app-frontend": "/ecs/d-my-app-frontend-x",
        "log-group/ecs/nightly": "/ecs/d-nightly-x",
        "namespace/shop": "d-shop-x",
        "repository/my-app-frontend": "d-my-app-frontend-x",
        "role/arm-instance": "d-arm-x-instance-us-west-2",
        "role/my-app-frontend-execution": "d-my-app-frontend-x-execution-us-west-2",
        "role/my-app-frontend-task": "d-my-app-frontend-x-task-us-west-2",
        "role/nightly-execution": "d-nightly-x-execution-us-west-2",
        "role/nightly-schedule": "d-nightly-x-schedule-us-west-2",
        "role/reader": "d-reader-x-us-west-2",
        "scaling/my-app-frontend": "service/d-my-app-cluster-x/d-my-app-frontend-x",
        "schedule/nightly": "d-nightly-x",
        "security-group/my-app-lb-sg": "d-my-app-lb-sg-x",
        "security-group/my-app-task-sg": "d-my-app-task-sg-x",
        "service/my-app-frontend": "d-my-app-frontend-x",
        "table/locks": "d-locks-x",
        "target-group/my-app-frontend-tg-1": "d-my-app-frontend-tg-1-x",
        "target-group/my-app-frontend-tg-2": "d-my-app-frontend-tg-2-x",
        "task-definition/my-app-frontend": "d-my-app-frontend-x",
        "task-definition/nightly": "d-nightly-x",
    }


def test_what_names_them_in_a_policy_or_a_member_has_the_same_name() -> None:
    """No name without the prefix is left in what AWS is sent, but in the names of documents' own containers."""
    vpc = PREFIXED[Address("vpc", "my-workspace")]
    assert vpc.tags["Name"] == "d-my-workspace-x-vpc"
    schedule = PREFIXED[Address("schedule", "nightly")].spec
    assert [share.provider for share in schedule.capacity_provider_strategy] == ["d-arm-x"]
    image = PREFIXED[Address("image", "my-app-frontend:v1")].spec
    assert image.uri == f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/d-my-app-frontend-x:v1"
    for address, text in (
        (Address("role", "nightly-execution"), "log-group:/ecs/d-nightly-x:*"),
        (Address("role", "nightly-schedule"), "task-definition/d-nightly-x:*"),
        (Address("role", "my-app-frontend-execution"), "repository/d-my-app-frontend-x"),
    ):
        assert text in str(PREFIXED[address].spec.policies), address


def test_stacks_and_their_tags_are_those_of_the_environment() -> None:
    """The tag by which everything of a stack is found."""
    assert {want.tags["reconciler:stack"] for want in PREFIXED.values()} == {"my-app@case"}
    assert {want.tags["reconciler:address"] for want in PREFIXED.values()} == {str(address) for address in PLAIN}


def test_an_aws_name_is_taken_as_it_is() -> None:
    """And what is derived from it follows it: the way of a live stack to a prefix."""
    text = f"{STACK}{OTHERS}".replace("kind: Service\n", "kind: Service\naws_name: my-app-frontend\n")
    names = named(compiled(laid(text)))
    plain = named(PLAIN)
    of_service = {address for address in plain if "/my-app-frontend" in address} - {
        "repository/my-app-frontend",
        "scaling/my-app-frontend",
        "target-group/my-app-frontend-tg-1",
        "target-group/my-app-frontend-tg-2",
    }
    assert {address: names[address] for address in of_service} == {address: plain[address] for address in of_service}


def test_a_renamed_document_keeps_the_name_that_the_prefix_gave_it() -> None:
    """The error shows the line to add, with the prefix in it; with that line nothing in AWS changes."""
    renamed = f"{STACK}{{kind: Store, name: leases, moved_from: locks}}\n"
    (found,) = folder.lay(renamed).diagnostics
    assert (found.rule, found.hint) == ("E2009", "add aws_name: d-locks-x (or the aws_name that it had)")
    moved = compiled(laid(renamed.replace("moved_from", "aws_name: d-locks-x, moved_from")))
    want = moved[Address("table", "leases")]
    assert (want.spec.name, want.moved is not None and want.moved.old) == ("d-locks-x", Address("table", "locks"))


def test_log_groups_that_specs_name_are_taken_as_they_are() -> None:
    """With placeholders, where environments need one each."""
    text = f"{STACK}kind: Service\nname: my-app-frontend\ntask: {{logs: {{group: '/shop/{{environment}}'}}}}\n"
    specs = laid(text)
    service = specs.get(Service, "my-app-frontend")
    assert service is not None
    assert queries.log_group(service) == "/shop/case"
    assert Address("log-group", "shop/case") in compiled(specs)
