"""Types of references to documents, or to something that others own: by its ARN, or by its name in AWS."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from reconciler.spec.documents.values import Reference, line, literal, problem
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


def _by_name(value: Any) -> Any:
    """`{name: shared}`, the name in AWS, beside the name of a document and an ARN."""
    if isinstance(value, dict):
        if value.keys() != {"name"}:
            raise problem("E1105", "expected a name, an ARN, or {name: …} with a name in AWS")
        return NAMED + line(value["name"])
    if isinstance(value, str) and value.startswith(NAMED):
        raise problem("E1109", f"{shown(value)} is not a name", hint="write {name: …}")
    return value


def _outside(arn: str, name: str, what: str) -> tuple[Any, ...]:
    """The metadata of a reference to a document, or to one thing outside the specs by its ARN or its name in AWS."""
    compiled = re.compile(name, re.ASCII)
    or_arn, by_arn = _or_arn(arn, what)

    def check(value: str) -> str:
        if literal(value, NAMED) and not compiled.fullmatch(value.removeprefix(NAMED)):
            raise problem("E1109", f"{shown(value.removeprefix(NAMED))} is not the name of {what}")
        return value

    properties = {"name": {"type": "string", "pattern": f"^(?:{name})$"}}
    by_name = {"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False}
    schema = WithJsonSchema({"anyOf": [by_arn.json_schema, by_name]})
    return BeforeValidator(_by_name), or_arn, AfterValidator(check), schema


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
    Reference, *_outside(_BALANCER_ARN, r"[A-Za-z0-9-]{1,32}", "a load balancer")
]
"""The name of a LoadBalancer, or one that others own by its ARN or `{name: …}`."""
