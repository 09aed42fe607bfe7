"""Whatever a task of the specs names, ECS can start it, and its execution role is good for nothing else."""

from __future__ import annotations

import re
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.input_version import plain
from reconciler.model.policy_evaluation import Request, is_allowed, is_trusted
from reconciler.model.resource import Address
from reconciler.spec.compile import compile_specs
from tests.conftest import ACCOUNT, REGION
from tests.spec import folder

OTHER = "210987654321"
SUFFIX = "AbC9eF"
"""What Secrets Manager adds to the names of secrets in these worlds."""
VERSION = "9d4cb84b-ad69-40c0-a0ab-cead36b30000"
NAMES = ("shop", "shop/api", "shop-secret", "a", "web.key")
KEYS = (
    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    f"arn:aws:kms:{REGION}:{OTHER}:key/mrk-1234abcd12ab34cd56ef1234567890ab",
)
IMAGES = {
    "public.ecr.aws/nginx/nginx:1.27": "",
    f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web:v1": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web",
    f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com/shared/web:v1": f"arn:aws:ecr:eu-west-1:{OTHER}:repository/shared/web",
    f"{OTHER}.dkr-ecr.{REGION}.on.aws/web:v1": f"arn:aws:ecr:{REGION}:{OTHER}:repository/web",
    "registry": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/my-app-frontend",
}
PULLS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
WRITES = ("logs:CreateLogStream", "logs:PutLogEvents")
SECRET = "secretsmanager:GetSecretValue"
PARAMETER = "ssm:GetParameters"
VALUE = re.compile(
    r"arn:aws:(?:ssm:[a-z0-9-]+:\d{12}:parameter/[\w./-]+"
    r"|secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+(?::[^:]*:[^:]*:[^:]*)?)",
    re.ASCII,
)
"""ECS's grammar of valueFrom: all places behind a secret, or none."""


def parameter(name: str) -> str:
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}"


def secret(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{SUFFIX}"


places = st.sampled_from(("", ":key", ":key:", ":key::", "::AWSPREVIOUS", ":key:AWSPREVIOUS", f":::{VERSION}"))
references = st.one_of(
    st.sampled_from(NAMES).map(lambda name: (f"ssm:{name}", parameter(name))),
    st.sampled_from(NAMES).map(lambda name: (parameter(name), parameter(name))),
    st.tuples(st.sampled_from([name for name in NAMES if name != "shop-secret"]), places).map(
        lambda one: (f"secretsmanager:{one[0]}{one[1]}", secret(one[0]))
    ),
    st.tuples(st.sampled_from(NAMES), places).map(lambda one: (f"{secret(one[0])}{one[1]}", secret(one[0]))),
)


@settings(max_examples=40, deadline=None)
@given(
    images=st.lists(st.sampled_from(sorted(IMAGES)), min_size=1, max_size=3),
    secrets=st.lists(references, max_size=4),
    group=st.sampled_from((None, "/ecs/my-app-frontend", "shop")),
    keys=st.lists(st.sampled_from(KEYS), unique=True),
)
def test_the_execution_role_allows_exactly_what_starting_takes(
    images: list[str], secrets: list[tuple[str, str]], group: str | None, keys: list[str]
) -> None:
    """Every value is as ECS reads it, and of all actions on everything around, those that ECS takes are allowed."""
    used = keys if secrets or group else []
    containers: dict[str, Any] = {
        f"c{number}": {"image": {"registry": "my-app-frontend", "tag": "v1"} if image == "registry" else image}
        for number, image in enumerate(images)
    }
    containers["c0"]["secrets"] = {f"S{number}": reference for number, (reference, _) in enumerate(secrets)}
    containers["c0"]["port"] = 80
    document = {
        "kind": "Service",
        "name": "my-app-frontend",
        "traffic": {"container": "c0"},
        "task": {
            "containers": {"frontend": None, **containers},
            "logs": None if group is None else {"group": group},
            **({"kms_keys": used} if used else {}),
        },
    }
    specs = folder.lay(yaml.safe_dump(document))
    assert specs.diagnostics == ()
    found = {want.address: want.spec for want in compile_specs(specs, account=ACCOUNT)}
    definition = found[Address("task-definition", "my-app-frontend")]
    for value in definition.containers["c0"].secrets.values():
        assert VALUE.fullmatch(plain(value)), value

    repositories = {IMAGES[image] for image in images} - {""}
    needed = {("ecr:GetAuthorizationToken", "*", "")} if repositories else set()
    needed |= {(action, repository, "") for action in PULLS for repository in repositories}
    streams = {f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{one}:log-stream:x" for one in (group,) if one}
    needed |= {(action, stream, "") for action in WRITES for stream in streams}
    needed |= {(PARAMETER if ":ssm:" in arn else SECRET, arn, "") for _, arn in secrets}
    services = {"ssm" if ":ssm:" in arn else "secretsmanager" for _, arn in secrets} | ({"logs"} if group else set())
    needed |= {("kms:Decrypt", key, f"{service}.{REGION}.amazonaws.com") for key in used for service in services}

    role = found.get(Address("role", "my-app-frontend-execution"))
    assert (role is not None) is bool(needed)
    if role is None:
        return
    asked = {request for request in everything() if permitted(role, *request)}
    assert asked == needed


def everything() -> set[tuple[str, str, str]]:
    """Each action of an execution role on each thing of these worlds, and some that it has no business with."""
    groups = ("/ecs/my-app-frontend", "shop", "shop-2")
    things = {
        *(one for one in IMAGES.values() if one),
        *(parameter(name) for name in NAMES),
        *(secret(name) for name in NAMES),
        *(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:x" for group in groups),
        *KEYS,
        "*",
    }
    vias = ("", *(f"{service}.{REGION}.amazonaws.com" for service in ("ssm", "secretsmanager", "logs", "s3")))
    actions = ("ecr:GetAuthorizationToken", "ecr:PutImage", *PULLS, *WRITES, "logs:DeleteLogStream", PARAMETER, SECRET)
    plain = {(action, thing, "") for action in actions for thing in things}
    plain -= {one for one in plain if one[0] == "ecr:GetAuthorizationToken" and one[1] != "*"}
    return plain | {("kms:Decrypt", thing, via) for thing in things for via in vias}


def permitted(role: Any, action: str, resource: str, via: str) -> bool:
    context = {"kms:ViaService": (via,)} if via else {}
    return is_allowed(Request(action, resource, context), role.policies.values())


def test_generated_roles_are_assumed_by_their_service_for_the_account() -> None:
    """And neither by another service nor for somebody else's tasks."""
    found = {want.address: want.spec for want in compile_specs(folder.lay(""), account=ACCOUNT)}
    trust = found[Address("role", "my-app-frontend-execution")].trust
    for service, account, trusted in (
        ("ecs-tasks.amazonaws.com", ACCOUNT, True),
        ("ecs-tasks.amazonaws.com", OTHER, False),
        ("scheduler.amazonaws.com", ACCOUNT, False),
    ):
        context = {
            "aws:SourceAccount": (account,),
            "aws:SourceArn": (f"arn:aws:ecs:{REGION}:{account}:task/my-app-cluster/0123",),
        }
        assert is_trusted(Request("sts:AssumeRole", context=context, principal=("Service", service)), trust) is trusted
