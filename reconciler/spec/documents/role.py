"""Role document: an IAM role, if the generated ones do not fit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.values import ONE_OR_MANY, Flag, Text, matching, no_repeats, problem

Principal = Annotated[
    str,
    *matching(
        r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?", 128, "an AWS service such as ecs-tasks.amazonaws.com"
    ),
]
Principals = Annotated[tuple[Principal, ...], ONE_OR_MANY, AfterValidator(no_repeats), Field(min_length=1)]
Action = Annotated[
    str, *matching(r"[*?]+|[\w*?-]+:[\w*?]+", 2048, "an action has the prefix of its service, as s3:GetObject")
]
Actions = Annotated[tuple[Action, ...], ONE_OR_MANY, Field(min_length=1)]
Resource = Annotated[str, *matching(r"[*?]+|arn:.+", 2048, "a resource is an ARN, which may have wildcards, or *")]
Resources = Annotated[tuple[Resource, ...], ONE_OR_MANY, Field(min_length=1)]
Managed = Annotated[
    str, *matching(r"arn:aws[a-z-]*:iam::(?:aws|\d{12}):policy/[\w+=,.@/-]+", 2048, "the ARN of a managed policy")
]
PolicyName = Annotated[str, *matching(r"[\w+=,.@-]+", 128, "letters, digits and _+=,.@- only")]
ConditionValues = Annotated[tuple[Text, ...], ONE_OR_MANY]


class Statement(Block):
    """One statement of an inline policy."""

    effect: Literal["Allow", "Deny"] = "Allow"
    """Whether it allows or denies. Deny overrides."""
    actions: Actions
    """Actions, such as s3:GetObject."""
    resources: Resources
    """ARNs of what they apply to."""
    condition: dict[str, dict[str, ConditionValues]] = Field(default_factory=dict)
    """{operator: {key: value or list of values}}, as in IAM."""


class Policy(Block):
    """A managed policy by its ARN, or an inline one with a name and statements."""

    short_form = {"type": "string", "pattern": "^arn:"}

    arn: Managed | None = None
    """ARN of a managed policy. Instead of `name` and `statements`."""
    name: PolicyName | None = None
    """Name of an inline policy."""
    statements: tuple[Statement, ...] = ()
    """Statements of an inline policy."""

    @model_validator(mode="before")
    @classmethod
    def _managed(cls, value: Any) -> Any:
        return {"arn": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> Policy:
        if self.arn is not None:
            if self.name is not None or self.statements:
                raise problem("E1112", "a policy is either an ARN or {name, statements}, not both", at=("arn",))
        elif self.name is None or not self.statements:
            missing = "name" if self.name is None else "statements"
            raise problem("E1103", f"an inline policy needs '{missing}'")
        return self


RolePath = Annotated[
    str, *matching(r"/(?:[\x21-\x2e\x30-\x7e]+/)*", 512, "it begins and ends with '/', such as /my-team/")
]
RoleName = Annotated[str, *matching(r"[\w+=,.@-]+", 64, "letters, digits and _+=,.@- only")]


class Role(Document):
    """An IAM role. Containers refer to it as `role`; ECS can then pass it to them."""

    api = "role"

    kind: Literal["Role"] = "Role"
    name: RoleName
    aws_name: RoleName | None = None
    """Its name in AWS. Default: the document's name, with the Stack's prefix and suffix."""
    assumed_by: Principals
    """AWS services that may assume the role."""
    policies: tuple[Policy, ...] = ()
    """What the role allows: managed policies by ARN, and inline ones."""
    path: RolePath | None = None
    """Default: that of the Stack's `roles`, and below it. AWS cannot change it later without replacing the role."""
    permissions_boundary: Managed | None = None
    """ARN of the managed policy that bounds its permissions. Default: that of the Stack's `roles`. A boundary that a
    role has is only ever replaced by another, and not removed with this line."""
    allow_wildcards: Flag = False
    """Allows '*' in the policies."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateRole, by IAM's names: `Description` and `MaxSessionDuration`."""

    @property
    def name_in_aws(self) -> str:
        return self.aws_name or self._naming.of_role(self._naming.applied(self.name))
