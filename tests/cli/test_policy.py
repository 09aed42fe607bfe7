"""The operator's policy lets through all that the operator does, and nothing that it has no business with."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from moto import mock_aws

from reconciler.aws.rate_limiter import RateLimiter
from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.clock import ManualClock
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.controller.until import has_ended
from reconciler.iam import LARGEST, Extras, calls, document, fitted, rules, size, statements
from reconciler.iam.fit import FOLDED_NAMES, FOLDED_READS, MERGED, WITHOUT_SIDS
from reconciler.model import ownership
from reconciler.model.escalation import ACCOUNT as ANYWHERE
from reconciler.model.escalation import TARGETS
from reconciler.model.planner import Consent
from reconciler.model.policy_evaluation import Request, is_allowed
from reconciler.model.resource import Address, Call, Desired, Ref
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.resources.log_group import LogGroupSpec
from reconciler.resources.role import RoleSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.rollout.engine import Phase, engines
from reconciler.rollout.requests import RequestVerb
from reconciler.source.base import Fetched, Revision
from reconciler.store.dynamodb import DynamoDb
from reconciler.store.lease import Lease
from tests.conftest import ACCOUNT, REGION
from tests.harness.cli import recorded, run
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, emulated_stack
from tests.harness.iam import lets
from tests.laws.account import Stack
from tests.laws.conftest import aws, ours
from tests.laws.example import Example
from tests.laws.test_laws import EXAMPLES, edits, make
from tests.resources.workload import definition

__all__ = ["aws", "ours"]

SEED = Path(__file__).parents[2] / "specs"
STACK = "my-app"


def printed(*arguments: object) -> dict[str, Any]:
    ran = run("iam-policy", SEED, "-o", "json", "--account", ACCOUNT, *arguments)
    folded = "--all-types" in arguments and FOLDED_READS in ran.err
    assert ran.code == 0
    assert folded or not ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


@cache
def seed() -> dict[str, Any]:
    return printed("--store", "dynamodb:leases")


def refused(policy: Mapping[str, Any], said: list[Call], stack: str = STACK) -> list[str]:
    once = {f"{call} {call.params}": call for call in said}.values()
    return sorted({f"{one.action} on {one.resource}" for call in once for one in lets(policy, call, stack)})


def test_the_whole_life_of_the_seed_stack_is_allowed() -> None:
    """Made, rolled out, promoted, put right and destroyed: every call, its tags and its roles."""
    with emulated_stack(terms=SHORT) as stage:
        said: list[Call] = []
        stage.transport.before = said.append
        stage.serving()
        stage.spec(v1="v2")
        assert not stage.apply(has_ended).went_wrong
        stage.laptop.client("logs").put_retention_policy(logGroupName=f"/ecs/{SERVICE}", retentionInDays=3)
        stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)
        stage.infrastructure()
        consent = Consent(frozenset(), delete_images=True)
        stage.desired_state = replace(stage.desired_state, leaving=True, consent=consent)
        stage.infrastructure()
        left = stage.laptop.client("ecs").list_clusters()["clusterArns"]
        assert left == []
    made = {str(call) for call in said}
    assert {"ecs.CreateTaskSet", "elbv2.ModifyListener", "iam.CreateRole", "ec2.DeleteVpc", "ecs.DeleteTaskSet"} <= made
    assert refused(seed(), said) == []
    assert {(call.service, call.operation) for call in said} <= found_in_the_source() | rules.FREE


def test_the_whole_life_of_a_stack_under_codedeploy_is_allowed() -> None:
    """Made, rolled out, stopped and destroyed; its deployments are bound to their group, and nothing of it is left."""
    steps = "type: canary\nengine: codedeploy\nsteps: [{weight: 20, pause: 1m}]"
    with emulated_stack({"type: blue_green": steps}, SHORT) as stage:
        said: list[Call] = []
        stage.transport.before = said.append
        stage.serving()
        stage.spec(v1="v2")
        assert not stage.apply(has_ended).went_wrong
        stage.spec(v2="v3", v1="v3")
        stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)
        stage.say(RequestVerb.ABORT)
        stage.follow(has_ended)
        place = StackId(STACK, ACCOUNT, REGION)
        policy = document(statements(discover(), stage.desired_state.desired, stage.desired_state.deliveries, place))
        consent = Consent(frozenset(), delete_images=True)
        stage.desired_state = replace(stage.desired_state, leaving=True, consent=consent)
        stage.infrastructure()
        client = stage.laptop.client("codedeploy")
        assert client.list_applications()["applications"] == []
        configurations = client.list_deployment_configs()["deploymentConfigsList"]
        assert not [one for one in configurations if not one.startswith("CodeDeployDefault.")]
    made = {call.operation for call in said if call.service == "codedeploy" and not is_read(call)}
    assert made == {
        "CreateApplication", "CreateDeploymentConfig", "CreateDeploymentGroup",
        "CreateDeployment", "ContinueDeployment", "StopDeployment",
        "DeleteDeploymentGroup", "DeleteDeploymentConfig", "DeleteApplication",
    }  # fmt: skip
    assert refused(policy, said) == []
    (passing,) = (one for one in policy["Statement"] if one["Sid"] == "PassToCodedeploy")
    assert passing["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/{SERVICE}-codedeploy"]


def test_what_ecs_shifts_traffic_with_is_in_the_policy() -> None:
    """Each call of a canary by ECS itself, up to the end of the stack, is allowed; ECS is given the roles to shift
    traffic and to call functions with.
    """
    steps = "type: canary\nengine: ecs_native\nsteps: [{weight: 20, pause: 1m}]\nhooks:\n"
    function, mine = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function", f"arn:aws:iam::{ACCOUNT}:role/mine"
    steps += f"  - {{function: '{function}:check', stages: post_scale_up}}\n"
    steps += f"  - {{function: '{function}:look', stages: post_scale_up, role: '{mine}'}}\n"
    with emulated_stack({"type: blue_green": steps}, SHORT) as stage:
        stage.laptop.aws.world.lambda_hook = lambda arn, payload: "SUCCEEDED"
        assumed = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [assumed]})
        stage.laptop.client("iam").create_role(RoleName="mine", AssumeRolePolicyDocument=trust)
        said: list[Call] = []
        stage.transport.before = said.append
        stage.serving()
        stage.spec(v1="v2")
        assert not stage.apply(has_ended).went_wrong
        stage.spec(v2="v3", v1="v3")
        newer = Phase.AWAITING_PROMOTION
        stage.apply(lambda result: result.step is not None and result.step.phase is newer, patience=86_400.0)
        stage.say(RequestVerb.ABORT)
        stage.follow(has_ended)
        place = StackId(STACK, ACCOUNT, REGION)
        policy = document(statements(discover(), stage.desired_state.desired, stage.desired_state.deliveries, place))
        consent = Consent(frozenset(), delete_images=True)
        stage.desired_state = replace(stage.desired_state, leaving=True, consent=consent)
        stage.infrastructure()
    made = {call.operation for call in said if "ServiceDeployment" in call.operation and not is_read(call)}
    assert made == {"ContinueServiceDeployment", "StopServiceDeployment"}
    assert refused(policy, said) == []
    (passing,) = (one for one in policy["Statement"] if one["Sid"] == "PassToEcs")
    generated = [f"arn:aws:iam::{ACCOUNT}:role/{SERVICE}-{name}" for name in ("hooks", "infrastructure")]
    assert passing["Resource"] == sorted([*generated, mine])
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}}


def found_in_the_source() -> frozenset[tuple[str, str]]:
    found = calls.of_loop() | calls.of_store()
    for kind in discover().values():
        found |= calls.of_kind(kind)
    for engine in engines().values():
        found |= calls.of_engine(engine)
    return found


@dataclass(slots=True)
class Hurried:
    """Whoever waits has waited."""

    passed: float = 0.0
    speed: float = 1.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.passed += seconds or 0.0
        return event.is_set()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_life_of_every_type_is_allowed(kind: str, ours: Stack) -> None:
    """Created, changed in every way, looked at and deleted, by a policy for just those specs."""
    example: Example = EXAMPLES[kind]
    ours.aws.clock = clock = Hurried()
    ours.aws.pace = RateLimiter(clock)
    make(ours, example)
    wished = list(ours.wants.values())
    for _, new, changes in edits(ours, example):
        wished.append(new)
        ours.update(ours.the(new), new.resolved(ours.ids), changes)
    ours.delete(ours.the(example.desired))
    policy = document(statements(discover(), wished, (), StackId("ours", ACCOUNT, REGION)))
    path = getattr(example.desired.spec, "path", None) or "/"
    found = [one for call in ours.calls for one in lets(policy, call, "ours", path=path)]
    assert [f"{one.action} on {one.resource}" for one in found] == []


def test_everything_that_was_found_in_the_source_is_an_operation() -> None:
    """Each exists in AWS's own description of the service."""
    session = botocore.session.get_session()
    found = found_in_the_source()
    for service, operation in found:
        assert operation in session.get_service_model(service).operation_names, f"{service}.{operation}"
    assert len(found) > 150


def test_no_action_is_a_wildcard_and_no_write_is_unbound() -> None:
    """Nothing of `*:*` or `iam:*`; `*` as a resource stands with a condition, or for what IAM cannot bind. Reads of all
    types are too many for IAM's limit, and are folded by their verbs; the ids of the statements are left out then."""
    cannot_be_bound = {
        "ecs:DeregisterTaskDefinition", "iam:GetAccountAuthorizationDetails", "iam:GetInstanceProfile", "iam:GetRole",
        "iam:ListInstanceProfiles", "route53:AssociateVPCWithHostedZone",
    }  # fmt: skip
    for statement in (*seed()["Statement"], *printed("--all-types")["Statement"]):
        assert statement["Effect"] == "Allow"
        wild = [action for action in statement["Action"] if "*" in action]
        assert not wild or all(re.match(r"[\w-]+:(Batch|Describe|Get|List)", one) for one in statement["Action"]), wild
        if statement["Resource"] == "*" and "Condition" not in statement:
            assert set(statement["Action"]) <= cannot_be_bound
        if statement["Action"] == ["iam:PassRole"]:
            assert statement["Condition"]["StringEquals"]["iam:PassedToService"].endswith(".amazonaws.com")
            assert all(":role/my-app-" in arn for arn in statement["Resource"])


def tags(stack: str) -> list[dict[str, str]]:
    return [{"key": ownership.STACK, "value": stack}]


ROLE = f"arn:aws:iam::{ACCOUNT}:role/my-app-frontend-execution"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
UPPER = [{"Key": ownership.STACK, "Value": STACK}]


@pytest.mark.parametrize(
    ("call", "stack"),
    [
        (Call("ecs", "CreateCluster", {"clusterName": "x"}), STACK),
        (Call("ecs", "CreateCluster", {"clusterName": "x", "tags": tags("other")}), STACK),
        (Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}), STACK),
        (Call("ec2", "DeleteVpc", {"VpcId": "vpc-1"}), "other"),
        (Call("ecs", "UpdateService", {"service": "theirs"}), "other"),
        (Call("elbv2", "ModifyListener", {"ListenerArn": "arn"}), "other"),
        (Call("iam", "PutRolePolicy", {"RoleName": "admin"}), "other"),
        (Call("iam", "CreateRole", {"RoleName": "another", "Tags": UPPER}), STACK),
        (Call("iam", "TagRole", {"RoleName": "admin", "Tags": UPPER}), "other"),
        (Call("ecr", "TagResource", {"resourceArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/x"}), "other"),
        (Call("iam", "DeleteRolePermissionsBoundary", {"RoleName": "my-app-frontend-execution"}), STACK),
        (Call("iam", "AttachRolePolicy", {"RoleName": "my-app-frontend-execution", "PolicyArn": "arn:admin"}), STACK),
        (Call("ecs", "RegisterTaskDefinition", {"tags": tags(STACK), "taskRoleArn": ADMIN}), STACK),
        (Call("ecs", "CreateTaskSet", {"cluster": "theirs", "tags": tags(STACK)}), STACK),
        (Call("logs", "GetLogEvents", {"logGroupName": "/theirs", "logStreamName": "x"}), STACK),
        (Call("dynamodb", "PutItem", {"TableName": "orders", "Item": {"pk": {"S": "1"}}}), STACK),
        (Call("dynamodb", "PutItem", {"TableName": "leases", "Item": {"pk": {"S": "other.1.r#lease"}}}), STACK),
        (Call("dynamodb", "Scan", {"TableName": "leases"}), STACK),
        (Call("s3", "ListBuckets"), STACK),
        (Call("ec2", "RunInstances"), STACK),
    ],
    ids=lambda value: str(value) if isinstance(value, Call) else "",
)
def test_what_is_none_of_its_business_is_refused(call: Call, stack: str) -> None:
    """Without our tag, of another stack, under another name, as another role: refused."""
    assert lets(seed(), call, stack)


def test_the_console_reads_what_its_pages_show() -> None:
    """What scaling did is no part of operating a stack, and is allowed only where the console is served."""

    def actions(policy: dict[str, Any]) -> set[str]:
        return {one for statement in policy["Statement"] for one in statement["Action"]}

    with_console = actions(printed("--console"))
    assert actions(printed()) < with_console
    added = with_console - actions(printed())
    assert "cloudwatch:GetMetricData" in with_console
    assert added == {"application-autoscaling:DescribeScalingActivities"}
    assert run("iam-policy", SEED, "--for", "status", "--console").code == Exit.USAGE


def test_instances_start_from_launch_templates_of_the_stack_only() -> None:
    """EC2 decides about the template and about everything that is started from it: both have to be allowed."""
    policy = document(statements(discover(), (), (), StackId(STACK, ACCOUNT, REGION), Extras(all_types=True)))
    place = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    template = f"{place}:launch-template/lt-1"

    started_from: dict[str, list[str]] = {"ec2:LaunchTemplate": [template]}

    def allowed(resource: str, context: Mapping[str, list[str]]) -> bool:
        return is_allowed(Request("ec2:RunInstances", resource, context), (policy,))

    for owner, may in {STACK: True, "other": False}.items():
        tagged = {f"aws:ResourceTag/{ownership.STACK}": [owner]}
        assert allowed(template, {**started_from, **tagged}) is may
    assert not allowed(template, started_from)
    touched = [f"{place}:{kind}/x" for kind in ("instance", "subnet", "volume", "network-interface", "security-group")]
    touched += [f"arn:aws:ec2:{REGION}::image/ami-1", f"arn:aws:ec2:{REGION}::snapshot/snap-1"]
    assert all(allowed(one, started_from) for one in touched)
    assert not any(allowed(one, {}) for one in touched)


def test_a_role_that_the_specs_name_may_be_passed_to_tasks_only() -> None:
    """The roles are those of the specs, and whoever gets one is ECS's tasks."""
    register = Call("ecs", "RegisterTaskDefinition", {"tags": tags(STACK), "executionRoleArn": ROLE})
    assert not lets(seed(), register, STACK)
    schedule = Call("scheduler", "CreateSchedule", {"GroupName": "x", "Name": "x", "Target": {"RoleArn": ROLE}})
    assert "iam:PassRole" in {one.action for one in lets(seed(), schedule, STACK)}


class Leases:
    """A store that answers as an empty table would."""

    def __init__(self) -> None:
        self.said: list[Call] = []

    def perform(self, call: Call) -> dict[str, Any]:
        self.said.append(call)
        return {"Item": None}


def test_the_lease_may_be_held_and_the_revision_stored() -> None:
    """The store's own calls to its own keys."""
    leases = Leases()
    store = DynamoDb(leases, "leases", f"{STACK}.{ACCOUNT}.{REGION}")
    assert Lease(store.records, "one", ManualClock()).acquire()
    assert {call.operation for call in leases.said} == {"PutItem", "GetItem"}
    accepted = AcceptedRevision(store.copies)
    assert accepted.read() is None
    accepted.write(Fetched(Revision("one"), (), (), "."), follows="")
    assert len({call.params.get("Item", {}).get("pk", {}).get("S") for call in leases.said} - {None}) == 2
    assert refused(seed(), leases.said) == []


def test_where_it_gets_its_specs_and_whom_it_tells_take_what_they_take() -> None:
    """A topic, and a CodeCommit repository; a host that is not AWS's takes nothing."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:deployments"
    url = f"https://git-codecommit.{REGION}.amazonaws.com/v1/repos/shop#main:specs"
    found = {one["Sid"]: one for one in printed("--notify", f"sns:{topic}", "--source", url)["Statement"]}
    assert (found["Tell"]["Action"], found["Tell"]["Resource"]) == (["sns:Publish"], [topic])
    assert found["FetchSpecs"]["Resource"] == [f"arn:aws:codecommit:{REGION}:{ACCOUNT}:shop"]
    plain = printed("--notify", "slack:https://example.com/x", "--source", "https://example.com/shop#main")
    assert {one["Sid"] for one in plain["Statement"]}.isdisjoint({"Tell", "FetchSpecs", "HoldTheLease"})


def test_nothing_is_asked_of_aws_and_people_can_read_it() -> None:
    """Text is for people: what binds each sort of action stands below it."""
    with recorded() as said:
        ran = run("iam-policy", SEED)
    assert (ran.code, said) == (0, [])
    assert f"if aws:ResourceTag/{ownership.STACK} is my-app" in ran.out


def many(count: int) -> list[Desired[Any]]:
    trust = {"Version": "2012-10-17", "Statement": []}
    found: list[Desired[Any]] = []
    for number in range(count):
        name = f"shop-{number:03}"
        role = Address("role", f"{name}-execution")
        found += [
            Desired(role, RoleSpec(name=role.name, trust=trust)),
            Desired(Address("log-group", name), LogGroupSpec(name=f"/ecs/{name}", retention_days=30)),
            Desired(
                Address("task-definition", name),
                TaskDefinitionSpec(family=name, cpu=256, memory=512, execution_role=Ref(role), containers={}),
            ),
        ]
    return found


def test_a_policy_for_a_hundred_services_fits_into_a_role() -> None:
    """Names fold by how they begin before anything else does; few names are never folded."""
    place = StackId("shop", ACCOUNT, REGION)
    few = statements(discover(), many(3), (), place, Extras("leases"))
    assert fitted(few) == (few, ())
    full = statements(discover(), many(100), (), place, Extras("leases", all_types=True))
    assert size(full) > LARGEST
    found, how = fitted(full)
    assert size(found) <= LARGEST
    ways = (FOLDED_NAMES, FOLDED_READS, WITHOUT_SIDS, MERGED)
    assert how == ways[: len(how)]
    policy = document(found)
    (passing,) = [one for one in found if one.sid == "PassToEcsTasks"]
    assert passing.resources == (f"arn:aws:iam::{ACCOUNT}:role/shop-0*-execution",)
    for role, fine in (("shop-042-execution", True), ("shop-admin", False), ("admin", False)):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        call = Call("ecs", "RegisterTaskDefinition", {"tags": tags("shop"), "executionRoleArn": arn})
        assert (not lets(policy, call, "shop")) is fine
    writes = {action for one in found if one.sid != "Look" for action in one.actions}
    assert not [action for action in writes if "*" in action]


def test_reading_is_free_and_in_one_region() -> None:
    """Every type is looked for, since what nobody wants any more has to be found, too."""
    (look,) = [one for one in seed()["Statement"] if one["Sid"] == "Look"]
    assert look["Condition"] == {"StringEquals": {"aws:RequestedRegion": REGION}}
    assert {"scheduler:GetSchedule", "ec2:DescribeNatGateways", "tag:GetResources"} <= set(look["Action"])
    assert all(is_read(Call("", action.partition(":")[2])) for action in look["Action"])


def test_a_type_of_nobody_brings_no_write() -> None:
    """Without schedules in the specs nothing can be scheduled; with --all-types it can."""
    actions = {action for one in seed()["Statement"] for action in one["Action"]}
    more = {action for one in printed("--all-types")["Statement"] for action in one["Action"]}
    assert "ec2:CreateNatGateway" not in actions
    assert "ec2:CreateNatGateway" in more
    for one in calls.of_kind(discover()["nat-gateway"]):
        assert any(fnmatchcase(rules.action(one), allowed) for allowed in more), one


def test_certificates_named_by_domain_may_be_looked_up() -> None:
    """The policy allows ACM's listing, the one call of the lookup."""
    assert "acm:ListCertificates" in {action for one in seed()["Statement"] for action in one["Action"]}


def test_a_role_that_is_only_mentioned_may_not_be_passed() -> None:
    """Such as in an environment variable: what may be passed is what tasks and schedules are given."""
    mentions = definition("web", environment={"ADMIN": ADMIN})
    wanted = [replace(mentions, spec=mentions.spec.model_copy(update={"task_role": ROLE}))]
    found = statements(discover(), wanted, (), StackId(STACK, ACCOUNT, REGION))
    assert [one.resources for one in found if "iam:PassRole" in one.actions] == [(ROLE,)]


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"


def test_where_the_stack_names_a_boundary_no_role_is_written_to_without_it() -> None:
    """So that whoever writes the specs cannot get beyond it; without one in the Stack, nothing is asked for."""
    name = "my-app-data"
    managed = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    spec = RoleSpec(name=name, trust={}, permissions_boundary=BOUNDARY, managed=(managed,))
    wanted, place = [Desired(Address("role", name), spec)], StackId(STACK, ACCOUNT, REGION)
    free = document(statements(discover(), wanted, (), place))
    bounded = document(statements(discover(), wanted, (), place, Extras(boundary=BOUNDARY)))
    create = {"RoleName": name, "Tags": UPPER}
    calls_ = [
        Call("iam", "CreateRole", create),
        Call("iam", "PutRolePolicy", {"RoleName": name}),
        Call("iam", "AttachRolePolicy", {"RoleName": name, "PolicyArn": managed}),
    ]
    for call in calls_:
        within = Call(call.service, call.operation, {**call.params, "PermissionsBoundary": BOUNDARY})
        beyond = Call(call.service, call.operation, {**call.params, "PermissionsBoundary": ADMIN})
        assert not lets(free, call, STACK)
        assert not lets(bounded, within, STACK)
        assert lets(bounded, call, STACK)
        assert lets(bounded, beyond, STACK)


@pytest.mark.parametrize("action", sorted({action for actions in TARGETS.values() for action in actions}))
def test_the_policy_gives_no_way_to_more_permissions(action: str) -> None:
    """On a role, user or function that is not the stack's; as no service, and as every service that roles are for."""
    policy = seed()
    for target in (one.replace(ANYWHERE, ACCOUNT).replace("any-region-1", REGION) for one in TARGETS):
        for service in ("ecs-tasks.amazonaws.com", "scheduler.amazonaws.com", "ec2.amazonaws.com"):
            context = {"iam:PassedToService": (service,), "aws:RequestedRegion": (REGION,)}
            assert not is_allowed(Request(action, target, context), (policy,))


@pytest.mark.slow
def test_roles_below_a_path_are_read_without_those_of_others(tmp_path: Path) -> None:
    """Made, looked at, changed and destroyed under the policy of such a stack, which has no right to the account's."""
    specs = Path(shutil.copytree(SEED, tmp_path / "specs"))
    stack = specs / "stack.yaml"
    stack.write_text(stack.read_text(encoding="utf-8") + "roles: {path: /my-team/}\n", encoding="utf-8")
    role = specs / "role.yaml"
    text = (
        "kind: Role\nname: my-app-data\nassumed_by: ecs-tasks.amazonaws.com\npath: /my-team/data/\npolicies:\n"
        "  - name: read\n    statements: [{actions: [s3:GetObject], resources: 'arn:aws:s3:::my-app-data/*'}]\n"
        "  - arn: arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess\n"
    )
    role.write_text(text, encoding="utf-8")
    policies = []
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}), recorded() as said:
        iam = boto3.client("iam", region_name=REGION)
        iam.create_role(RoleName="another", Path="/", AssumeRolePolicyDocument="{}")
        for change in (("s3:GetObject", "s3:GetObject"), ("s3:GetObject", "s3:ListBucket")):
            role.write_text(role.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
            policies.append(json.loads(run("iam-policy", specs, "-o", "json", "--account", ACCOUNT).out))
            ran = run("apply", specs, "-y")
            assert ran.code == 0, ran.err
            assert run("diff", specs).code == 0
        paths = {one["RoleName"]: one["Path"] for one in iam.list_roles()["Roles"]}
        assert (paths["my-app-data"], paths["another"], paths["my-app-frontend-execution"]) == (
            "/my-team/data/",
            "/",
            "/my-team/",
        )
        assert run("destroy", specs, "-y", "--delete-images").code == 0
        left = {one["RoleName"]: one["Path"] for one in iam.list_roles()["Roles"]}
        assert [name for name, path in left.items() if not path.startswith("/aws-service-role/")] == ["another"]
    of_roles = [call for call in said if call.service == "iam"]
    assert {call.operation for call in of_roles} >= {"ListRoles", "GetRolePolicy", "PutRolePolicy", "DeleteRole"}
    assert "GetAccountAuthorizationDetails" not in {call.operation for call in of_roles}
    assert "another" not in {call.params.get("RoleName") for call in of_roles}
    policy = policies[-1]
    assert not [
        one for call in said for one in lets(policy, call, STACK, path=paths.get(call.params.get("RoleName"), "/"))
    ]
    others = [Call("iam", "GetRolePolicy", {"RoleName": "another", "PolicyName": "p"}), *of_roles[:1]]
    assert [bool(lets(policy, call, STACK)) for call in others] == [True, False]
