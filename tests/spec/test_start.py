"""What a task needs to start: its references to secrets, and the permissions of its execution role."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.input_version import plain
from reconciler.model.resource import Address, Desired, Ref
from reconciler.spec.compile import compile_specs
from tests.conftest import ACCOUNT, REGION
from tests.spec import folder

WEB = "my-app-frontend"
ROLE = Address("role", f"{WEB}-execution")
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"


def compiled(text: str, partition: str = "aws") -> dict[Address, Desired[Any]]:
    """The resources of the base folder with `text` laid over it."""
    specs = folder.lay(text)
    assert specs.diagnostics == ()
    return {want.address: want for want in compile_specs(specs, account=ACCOUNT, partition=partition)}


def service(task: str) -> str:
    """The base folder's service with `task`, in YAML's flow style, laid over its own."""
    return f"{{kind: Service, name: {WEB}, task: {task}}}"


def secret(reference: str) -> str:
    return service(f"{{containers: {{frontend: {{secrets: {{KEY: '{reference}'}}}}}}}}")


def allowed(found: dict[Address, Desired[Any]], action: str, role: Address = ROLE) -> set[str]:
    """The resources for which a role allows an action."""
    statements = found[role].spec.policies["start-tasks"]["Statement"]
    return {one for row in statements if action in row["Action"] for one in row["Resource"]}


@pytest.mark.parametrize(
    ("reference", "value", "resource"),
    [
        ("ssm:/my-app/key", f"{PARAMETER}/my-app/key", f"{PARAMETER}/my-app/key"),
        ("ssm:key", f"{PARAMETER}/key", f"{PARAMETER}/key"),
        (f"{PARAMETER}/key", f"{PARAMETER}/key", f"{PARAMETER}/key"),
        ("secretsmanager:shop/api", f"{SECRET}:shop/api", f"{SECRET}:shop/api-??????"),
        ("secretsmanager:shop/api:key", f"{SECRET}:shop/api:key::", f"{SECRET}:shop/api-??????"),
        ("secretsmanager:shop/api:key::", f"{SECRET}:shop/api:key::", f"{SECRET}:shop/api-??????"),
        ("secretsmanager:db::AWSPREVIOUS", f"{SECRET}:db::AWSPREVIOUS:", f"{SECRET}:db-??????"),
        ("secretsmanager:db:key:AWSPREVIOUS", f"{SECRET}:db:key:AWSPREVIOUS:", f"{SECRET}:db-??????"),
        (
            "secretsmanager:db:key::9d4cb84b-ad69-40c0-a0ab-cead36b30000",
            f"{SECRET}:db:key::9d4cb84b-ad69-40c0-a0ab-cead36b30000",
            f"{SECRET}:db-??????",
        ),
        (f"{SECRET}:db-AbCdEf", f"{SECRET}:db-AbCdEf", f"{SECRET}:db-AbCdEf"),
        (f"{SECRET}:shop-secret-AbCdEf", f"{SECRET}:shop-secret-AbCdEf", f"{SECRET}:shop-secret-AbCdEf"),
        (f"{SECRET}:db-AbCdEf:password", f"{SECRET}:db-AbCdEf:password::", f"{SECRET}:db-AbCdEf"),
        (f"{SECRET}:db:password", f"{SECRET}:db:password::", f"{SECRET}:db-??????"),
    ],
)
def test_a_secret_is_passed_as_ecs_reads_it(reference: str, value: str, resource: str) -> None:
    """With all places behind the secret or none, and the role allows the secret that this means, and no other.

    Source: ECS developer guide, "Pass Secrets Manager secrets through Amazon ECS environment variables".
    """
    found = compiled(secret(reference))
    definition = found[Address("task-definition", WEB)].spec
    assert {key: plain(one) for key, one in definition.containers["frontend"].secrets.items()} == {"KEY": value}
    action = "ssm:GetParameters" if ":ssm:" in value else "secretsmanager:GetSecretValue"
    assert allowed(found, action) == {resource}


@pytest.mark.parametrize(
    ("reference", "rule"),
    [
        ("secretsmanager:shop-secret", "E7009"),
        ("secretsmanager:shop-secret:key", "E7009"),
        ("secretsmanager:shop/db-AbCdEf", "E7009"),
        ("secretsmanager:db:key:AWSPREVIOUS:9d4cb84b-ad69-40c0-a0ab-cead36b30000", "E1112"),
        ("secretsmanager:db:::v1", "E7003"),
        ("secretsmanager:db:a:b:c:d", "E7003"),
        (f"{SECRET}:db-AbCdEf:a:b:c:d", "E7003"),
        (f"{SECRET}:", "E7003"),
        ("arn:aws:secretsmanager::123456789012:secret:db", "E7003"),
        (f"{PARAMETER}/key:3", "E7003"),
        ("ssm:key:3", "E7003"),
    ],
)
def test_a_secret_that_ecs_cannot_find_is_refused(reference: str, rule: str) -> None:
    """Before anything is registered: the task would not start.

    Secrets Manager takes a hyphen and six characters for the end of a whole ARN, so such a name is not found by a part
    of it (Secrets Manager user guide, troubleshooting). ECS takes a version stage or a version id, and no version of a
    parameter.
    """
    assert [found.rule for found in folder.lay(secret(reference)).diagnostics] == [rule]


PULLS = {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
OTHER = "210987654321"


@pytest.mark.parametrize("logs", ["{retention_days: 30}", "null"])
@pytest.mark.parametrize(
    ("uri", "partition", "repository"),
    [
        (f"{OTHER}.dkr.ecr.{REGION}.amazonaws.com/shared/web:v1", "aws", f"{REGION}:{OTHER}:repository/shared/web"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/web:v1", "aws", f"eu-west-1:{ACCOUNT}:repository/web"),
        (f"{OTHER}.dkr-ecr.{REGION}.on.aws/web:v1", "aws", f"{REGION}:{OTHER}:repository/web"),
        (f"{OTHER}.dkr.ecr.cn-north-1.amazonaws.com.cn/web:v1", "aws-cn", f"cn-north-1:{OTHER}:repository/web"),
        (f"{OTHER}.dkr.ecr.us-gov-west-1.amazonaws.com/a:1", "aws-us-gov", f"us-gov-west-1:{OTHER}:repository/a"),
    ],
)
def test_an_image_of_a_private_registry_may_be_pulled(uri: str, partition: str, repository: str, logs: str) -> None:
    """By its URI as well as by the name of a Registry, and whether or not the task has logs.

    Source: ECS developer guide, "Amazon ECS task execution IAM role".
    """
    found = compiled(service(f"{{logs: {logs}, containers: {{frontend: {{image: '{uri}'}}}}}}"), partition)
    assert found[Address("task-definition", WEB)].spec.execution_role == Ref(ROLE)
    assert allowed(found, "ecr:GetAuthorizationToken") == {"*"}
    for action in PULLS:
        assert allowed(found, action) == {f"arn:{partition}:ecr:{repository}"}


def test_a_public_image_takes_no_execution_role() -> None:
    """Without logs and secrets, ECS needs no permissions to start the task."""
    found = compiled(service("{logs: null, containers: {frontend: {image: 'public.ecr.aws/nginx/nginx:1.27'}}}"))
    assert ROLE not in found
    assert found[Address("task-definition", WEB)].spec.execution_role == ""


KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ELSEWHERE = f"arn:aws:kms:eu-west-1:{OTHER}:key/mrk-1234abcd12ab34cd56ef1234567890ab"


def decryption(found: dict[Address, Desired[Any]]) -> dict[str, set[str]]:
    """Key → the services through which the execution role may decrypt with it."""
    return {
        key: set(row["Condition"]["StringEquals"]["kms:ViaService"])
        for row in found[ROLE].spec.policies["start-tasks"]["Statement"]
        if "kms:Decrypt" in row["Action"]
        for key in row["Resource"]
    }


def test_a_customers_key_decrypts_what_is_under_it() -> None:
    """In its own region, through the services that the task reads from, and not for anything else.

    Sources: ECS developer guide, "Amazon ECS task execution IAM role"; KMS developer guide, kms:ViaService.
    """
    task = f"{{logs: null, kms_keys: [{KEY}, {ELSEWHERE}], containers: {{frontend: {{secrets: {{A: 'ssm:/a'}}}}}}}}"
    assert decryption(compiled(service(task))) == {
        KEY: {f"ssm.{REGION}.amazonaws.com"},
        ELSEWHERE: {"ssm.eu-west-1.amazonaws.com"},
    }
    task = f"{{kms_keys: [{KEY}], containers: {{frontend: {{secrets: {{B: 'secretsmanager:b'}}}}}}}}"
    services = ("logs", "secretsmanager")
    assert decryption(compiled(service(task))) == {KEY: {f"{one}.{REGION}.amazonaws.com" for one in services}}
    assert decryption(compiled(secret("ssm:/a"))) == {}


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        ("{kms_keys: [alias/shop]}", "E1109"),
        (f"{{kms_keys: ['arn:aws:kms:{REGION}:{ACCOUNT}:alias/shop']}}", "E1109"),
        (f"{{kms_keys: [{KEY}, {KEY}]}}", "E1113"),
        (f"{{kms_keys: [{KEY}], logs: null}}", "E1103"),
        (f"{{kms_keys: [{KEY}], execution_role: 'arn:aws:iam::{ACCOUNT}:role/start'}}", "E1112"),
    ],
)
def test_a_key_that_has_no_effect_is_refused(task: str, rule: str) -> None:
    """A policy names a key by its ARN and not by an alias; a role that is not generated is not written to."""
    assert [found.rule for found in folder.lay(service(task)).diagnostics] == [rule]


def condition(found: dict[Address, Desired[Any]], role: str) -> Any:
    (statement,) = found[Address("role", role)].spec.trust["Statement"]
    return statement["Condition"]


NIGHTLY = """
kind: Task
name: nightly
cluster: my-app-cluster
run: {schedule: rate(1 day)}
task: {cpu: 256, memory: 512, containers: {job: {image: {registry: my-app-frontend, tag: v1}}}}
placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}
exec: true
"""


def test_a_generated_role_is_assumed_for_its_own_account_only() -> None:
    """By ECS for its tasks in the region, and by EventBridge Scheduler for the schedule's own group.

    Sources: ECS developer guide, "Amazon ECS task IAM role"; EventBridge Scheduler user guide, "Confused deputy
    prevention".
    """
    found = compiled(NIGHTLY)
    for role in ("nightly-execution", "nightly-task"):
        assert condition(found, role) == {
            "StringEquals": {"aws:SourceAccount": (ACCOUNT,)},
            "ArnLike": {"aws:SourceArn": (f"arn:aws:ecs:{REGION}:{ACCOUNT}:*",)},
        }
    assert condition(found, "nightly-schedule") == {
        "StringEquals": {"aws:SourceAccount": (ACCOUNT,)},
        "ArnLike": {"aws:SourceArn": (f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/nightly",)},
    }


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
NARROWER = f"arn:aws:iam::{ACCOUNT}:policy/narrower"


def test_every_role_of_a_stack_has_its_path_and_boundary() -> None:
    """Written and generated ones, but for what a Role says itself."""
    roles = f"""
kind: Stack
name: my-app
roles: {{path: /apps/, permissions_boundary: {BOUNDARY}}}
---
{{kind: Role, name: plain, assumed_by: ecs-tasks.amazonaws.com}}
---
kind: Role
name: own
assumed_by: ecs-tasks.amazonaws.com
path: /apps/own/
permissions_boundary: {NARROWER}
---"""
    found = compiled(roles + NIGHTLY)
    said = {
        want.address.name: (want.spec.path, want.spec.permissions_boundary)
        for want in found.values()
        if want.address.kind == "role"
    }
    assert said.pop("own") == ("/apps/own/", NARROWER)
    assert said.keys() >= {"plain", "nightly-execution", "nightly-task", "nightly-schedule", f"{WEB}-execution"}
    assert set(said.values()) == {("/apps/", BOUNDARY)}


def test_a_role_without_path_and_boundary_keeps_what_it_has() -> None:
    """A boundary that an account's administrator has set is not the specs' to remove."""
    spec = compiled("")[ROLE].spec
    assert (spec.path, spec.permissions_boundary) == (None, None)


def test_generated_roles_take_further_statements() -> None:
    """Beside what starting takes, and for a task role of their own."""
    cache = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/docker-hub/*"
    bucket = "arn:aws:s3:::shop/*"
    found = compiled(
        service(
            f"{{execution_role_statements: [{{actions: [ecr:BatchImportUpstreamImage], resources: ['{cache}']}}],"
            f" role_statements: [{{actions: [s3:GetObject], resources: ['{bucket}']}}]}}"
        )
    )
    assert found[ROLE].spec.policies.keys() == {"start-tasks", "additional"}
    (statement,) = found[ROLE].spec.policies["additional"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (("ecr:BatchImportUpstreamImage",), (cache,))
    own = Address("role", f"{WEB}-task")
    assert found[Address("task-definition", WEB)].spec.task_role == Ref(own)
    assert found[own].spec.policies.keys() == {"additional"}


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        ("{role_statements: [{actions: ['s3:*'], resources: ['arn:aws:s3:::shop']}]}", "E7004"),
        ("{execution_role_statements: [{actions: [s3:GetObject], resources: '*'}]}", "E7005"),
        (
            f"{{role: 'arn:aws:iam::{ACCOUNT}:role/web',"
            " role_statements: [{actions: s3:GetObject, resources: 'arn:aws:s3:::shop/*'}]}",
            "E1112",
        ),
        (
            f"{{execution_role: 'arn:aws:iam::{ACCOUNT}:role/web',"
            " execution_role_statements: [{actions: s3:GetObject, resources: 'arn:aws:s3:::shop/*'}]}",
            "E1112",
        ),
    ],
)
def test_further_statements_are_checked_as_those_of_a_role(task: str, rule: str) -> None:
    """Wildcards are for a Role that says so; a role that is not generated takes none."""
    assert [found.rule for found in folder.lay(service(task)).diagnostics] == [rule]
