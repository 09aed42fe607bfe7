"""Stack document: account and region of the specs, quotas, the deletion guard and drift rules."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from reconciler.spec.documents.base import Block, Document
from reconciler.spec.documents.role import Managed, RolePath
from reconciler.spec.documents.values import Line, Whole, matching
from reconciler.spec.naming import Naming

AccountNumber = Annotated[str, *matching(r"\d{12}", 12, "an account number has twelve digits", 12)]

Quota = Annotated[Whole, Field(ge=1, le=1_000_000)]


MOST_DRIFT_RULES = 100
LONGEST_PATTERN = 256


class Guard(Block):
    """How much one apply may delete without confirmation."""

    max_delete: Annotated[Whole, Field(ge=0, le=10_000)] = 5
    """Number of resources."""
    max_delete_percent: Annotated[Whole, Field(ge=0, le=100)] = 30
    """Percent of the resources that the stack owns."""


class Quotas(Block):
    """AWS quotas that were raised for your account. A load balancer that exceeds them is refused by `validate`."""

    listeners_per_load_balancer: Quota = 50
    """Listeners that one load balancer may have."""
    rules_per_load_balancer: Quota = 100
    """Default actions of listeners do not count. A service with `match` has a rule on each of its two listeners."""
    target_groups_per_load_balancer: Quota = 100
    """A blue/green service has two."""
    targets_per_load_balancer: Quota = 1_000
    """During a rollout every task counts twice."""


NamePrefix = Annotated[
    str,
    *matching(
        r"(?:[A-Za-z0-9][A-Za-z0-9._-]*)?",
        64,
        "letters, digits, '.', '_' and '-' only, not beginning with one of these signs",
        0,
    ),
]
NameSuffix = Annotated[
    str,
    *matching(
        r"(?:[A-Za-z0-9._-]*[A-Za-z0-9])?",
        64,
        "letters, digits, '.', '_' and '-' only, not ending with one of these signs",
        0,
    ),
]


class RoleDefaults(Block):
    """Path, names and permissions boundary of the stack's IAM roles, those that are generated among them."""

    path: RolePath | None = None
    """Such as /my-team/. Default: /. AWS cannot change it later without replacing the roles. If it is set, only roles
    below it are read."""
    permissions_boundary: Managed | None = None
    """ARN of the managed policy that bounds their permissions, for accounts that create no role without one."""
    name_suffix: NameSuffix = ""
    """What the names of roles and instance profiles in AWS end with, such as "-{region}": IAM is in no region, and the
    same stack in two regions of one account needs roles of its own in each."""


class DriftRule(Block):
    """How drift is handled; the first matching rule decides."""

    match: Annotated[
        str,
        *matching(
            r"[A-Za-z0-9*?./_:-]+",
            LONGEST_PATTERN,
            "a pattern over addresses such as service/api or security-group-rules/*",
        ),
    ]
    """The resources that the rule is about."""
    path: Annotated[
        str, *matching(r"[\x21-\x7e]+", LONGEST_PATTERN, "a pattern over fields such as desired_count or tags.*")
    ] = "*"
    """Includes everything below it."""
    mode: Literal["enforce", "warn", "ignore"]
    """`enforce` corrects it, `warn` only reports it, `ignore` never writes the field."""
    reason: Line
    """Shown wherever the rule is applied."""


EventQueueName = Annotated[str, *matching(r"[A-Za-z0-9_-]+", 64, "letters, digits, '_' and '-' only")]


class Events(Block):
    """The controller is told of changes by events of AWS and reads what they name at once, and the rest less often."""

    queue: EventQueueName | None = None
    """Name in AWS of the SQS queue and of the EventBridge rule; the queue for messages that cannot be read has `-dead`
    behind it. Default: the name of the stack with `-events` behind it."""


_REGION: Final = r"[a-z]{2,4}(-[a-z]+){1,3}-\d"
_LONGEST_REGION: Final = 32


def is_region(text: str) -> bool:
    """Whether `text` is spelled like an AWS region."""
    return len(text) <= _LONGEST_REGION and re.fullmatch(_REGION, text, re.ASCII) is not None


class Stack(Document):
    """The one Stack of a specs folder; its name is in the tag `reconciler:stack` of everything the stack owns."""

    kind: Literal["Stack"] = "Stack"
    name: Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", 64, "letters, digits, '.', '_' and '-' only")]
    region: Annotated[str, *matching(_REGION, _LONGEST_REGION, "an AWS region such as us-west-2")]
    """The AWS region of everything in the stack."""
    name_prefix: NamePrefix = ""
    """What names in AWS begin with, such as "{environment}-", so that several environments have room in one account.
    Documents refer to each other without it, and an `aws_name` is taken as it is."""
    name_suffix: NameSuffix = ""
    """What names in AWS end with. Names that are derived have it before their own ending: api-staging-execution."""
    account: AccountNumber | None = None
    """The only account that these specs may be applied to. Any other is refused before the first write."""
    guard: Guard = Field(default_factory=Guard)
    """Limits of what one plan may delete or replace."""
    quotas: Quotas = Field(default_factory=Quotas)
    """Quotas of the account that differ from AWS's defaults."""
    roles: RoleDefaults = Field(default_factory=RoleDefaults)
    """What all roles of the stack have in common."""
    events: Events | None = None
    """A queue of AWS's events for the controller (`reconciler run`). Without it, all changes are found by reading."""
    drift: Annotated[tuple[DriftRule, ...], Field(max_length=MOST_DRIFT_RULES)] = ()
    """For the controller (`reconciler run`). Without a rule, drift is corrected."""

    @property
    def naming(self) -> Naming:
        return Naming(self.name_prefix, self.name_suffix, self.roles.name_suffix)
