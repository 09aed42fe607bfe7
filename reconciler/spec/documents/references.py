"""Types of references to documents, or to something that others own: by its ARN, or by its name in AWS."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from reconciler.spec.documents.values import Reference, line, literal, no_repeats, problem
from reconciler.spec.messages import shown

NAMED: Final = "name:"
"""What a reference by `{name: …}` begins with once it is read, as one by ARN begins with `arn:`."""


def _or_arn(pattern: str, what: str) -> tuple[Any, ...]:
    """The metadata of a reference to a document, or by its ARN to one thing outside the specs: IAM takes `*` and `?`
    in a policy for any characters."""
    arn = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if literal(value, "arn:") and not arn.fullmatch(value):
            raise problem("E1109", f"{shown(value)} is not the ARN of {what}")
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": f"^(?:(?!arn:).*|{pattern})$"}
    return AfterValidator(check), WithJsonSchema(schema)


LOOKUP: Final = "lookup:"
"""What a reference by `{lookup: …}` begins with once it is read."""
SOURCE: Final = "|".join(
    (
        r"ssm:/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*",
        r"cloudformation:[A-Za-z0-9:-]{1,255}",
        r"terraform:s3://[a-z0-9.-]{3,63}/[^#\s]{1,1024}#[A-Za-z0-9_-]{1,255}",
    )
)
_SOURCE = re.compile(SOURCE, re.ASCII)
LOOKUP_SCHEMA: Final = {
    "type": "object",
    "properties": {"lookup": {"type": "string", "pattern": f"^(?:{SOURCE})$"}},
    "required": ["lookup"],
    "additionalProperties": False,
}


def looked_up(value: Any) -> Any:
    """`{lookup: ssm:/path}` as text; anything else as it is."""
    if not isinstance(value, dict) or value.keys() != {"lookup"}:
        if isinstance(value, str) and value.startswith(LOOKUP):
            raise problem("E1109", f"{shown(value)} is not a name", hint="write {lookup: …}")
        return value
    source = line(value["lookup"])
    if not _SOURCE.fullmatch(source):
        message = f"{shown(source)} is no lookup, such as ssm:/path, cloudformation:EXPORT or terraform:s3://BUCKET/KEY#OUTPUT"
        raise problem("E1109", message, at=("lookup",))
    return LOOKUP + source


def _by_name(value: Any) -> Any:
    """`{name: shared}`, the name in AWS, beside the name of a document and an ARN."""
    if isinstance(value, dict):
        if value.keys() != {"name"}:
            raise problem("E1105", "expected a name, an ARN, or {name: …} with a name in AWS")
        return NAMED + line(value["name"])
    if isinstance(value, str) and value.startswith(NAMED):
        raise problem("E1109", f"{shown(value)} is not a name", hint="write {name: …}")
    return value


def _outside(arn: str, name: str, what: str, *more: Any) -> tuple[Any, ...]:
    """The metadata of a reference to a document, or to one thing outside the specs by its ARN or its name in AWS."""
    compiled = re.compile(name, re.ASCII)
    or_arn, by_arn = _or_arn(arn, what)

    def check(value: str) -> str:
        if literal(value, NAMED) and not compiled.fullmatch(value.removeprefix(NAMED)):
            raise problem("E1109", f"{shown(value.removeprefix(NAMED))} is not the name of {what}")
        return value

    properties = {"name": {"type": "string", "pattern": f"^(?:{name})$"}}
    by_name = {"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False}
    schema = WithJsonSchema({"anyOf": [by_arn.json_schema, by_name, *([LOOKUP_SCHEMA] if more else [])]})
    return BeforeValidator(_by_name), or_arn, AfterValidator(check), *more, schema


RoleReference: TypeAlias = Annotated[
    Reference, *_or_arn(r"arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]+", "an IAM role")
]
"""The name of a Role, or the ARN of a role outside the specs."""
_CLUSTER_ARN = r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:cluster/[A-Za-z0-9_-]+"
ClusterReference: TypeAlias = Annotated[Reference, *_outside(_CLUSTER_ARN, r"[A-Za-z0-9_-]{1,255}", "a cluster")]
"""The name of a Cluster, or one that others own by its ARN or `{name: …}`."""
_OF_BALANCERS = r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}"
_BALANCER_ARN = _OF_BALANCERS + r":loadbalancer/(?:app|net)/[A-Za-z0-9-]+/[0-9a-f]+"
LISTENER_ARN: Final = _OF_BALANCERS + r":listener/(?:app|net)/[A-Za-z0-9-]+/[0-9a-f]+/[0-9a-f]+"
LoadBalancerReference: TypeAlias = Annotated[
    Reference, *_outside(_BALANCER_ARN, r"[A-Za-z0-9-]{1,32}", "a load balancer", BeforeValidator(looked_up))
]
"""The name of a LoadBalancer, or one that others own by its ARN or `{name: …}`."""
_ID_SCHEMA = {"anyOf": [{"type": "string"}, LOOKUP_SCHEMA]}
IdReference: TypeAlias = Annotated[Reference, BeforeValidator(looked_up), WithJsonSchema(_ID_SCHEMA)]
"""The name of a document or a part of one, an id in AWS, or a lookup of one."""
Ids: TypeAlias = Annotated[
    tuple[IdReference, ...], AfterValidator(no_repeats), WithJsonSchema({"type": "array", "items": _ID_SCHEMA})
]
