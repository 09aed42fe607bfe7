"""IAM permissions of a resource type or an engine, beyond the names of the calls that it makes.

The calls are found in the source. How IAM can bind each of them follows from its name and from what stands here.
Source: Service Authorization Reference, the pages of each service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

Operation = tuple[str, str]
"""Service and operation, as in `Call`."""

NamedArn = tuple[str, str] | tuple[str, str, str]
"""Service and resource part of an ARN, whose partition, region and account are the stack's; or with its account."""


class Binding(Enum):
    """What IAM can bind an action to."""

    READ = auto()  # the stack's region
    READ_GLOBAL = auto()  # nothing: the service is in no region
    READ_ACCOUNT = auto()  # nothing; left out where the stack's roles have a path of their own
    READ_PATH = auto()  # nothing; left out where they have none
    READ_BELOW_PATH = auto()  # that path; left out where they have none
    READ_ROLE = auto()  # that path; nothing where they have none
    READ_ZONES = auto()  # nothing: the service is in no region; left out without domains
    READ_EVENTS = auto()  # the stack's region, and the one with the events of services that are in none
    READ_OUTPUT = auto()  # names: what applications say is nobody else's business
    READ_SECRET = auto()  # names: secrets that the specs name
    READ_PARAMETER = auto()  # names: parameters whose values are written to an API
    READ_PARAMETERS = auto()  # the stack's region; left out where the specs name no parameters
    READ_SECRET_VALUE = auto()  # names: secrets whose values are written to an API, for whoever writes them
    USER_POOLS = auto()  # names: the user pools of sign-ins
    READ_BY_NAME = auto()  # names: values that others publish, of which the specs name some
    RECEIVE = auto()  # names: the queues of events, which the controller itself receives from
    READ_BUCKET = auto()  # names: buckets with files that the specs name, whose objects are listed
    MAKE = auto()  # the stack's tag in the request
    MAKE_BY_NAME = auto()  # names that the specs give, and the tag in the request
    MAKE_IN_EC2 = auto()  # the tag, for each thing that the creation touches
    CHANGE = auto()  # the stack's tag on what is written to
    ATTACH = auto()  # the tag, and the managed policies that the specs name
    BOUND = auto()  # the tag, and the permissions boundaries that the specs name
    TASK_SETS = auto()  # the cluster
    SERVICE_DEPLOYMENTS = auto()  # names: they carry no tags, and are known by cluster and service
    SCHEDULES = auto()  # names: they lie in a group of their own, and carry no tags
    DEPLOYMENTS = auto()  # names: deployments and their configurations carry no tags
    RECORDS = auto()  # the hosted zone, and the names of the records
    AUTOSCALING = auto()  # the namespace of what is scaled
    UNBOUND = auto()  # nothing
    NEVER = auto()  # a person's business: left out of the policy


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """Actions that AWS takes in the caller's name. `why` finishes the sentence "it may, because …".

    `public`: its ARNs are those of something that AWS has made for everybody, which belongs to no account. `ours`: what
    it names has to carry the stack's tag. `here`: in the stack's region only. `named`: it is bound to the names that
    the specs give of that, and left out where they give none.
    """

    sid: str
    why: str
    actions: tuple[str, ...]
    arns: tuple[NamedArn, ...] = ()
    public: bool = False
    ours: bool = False
    here: bool = False
    named: Binding | None = None
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Permissions:
    """`bindings` are the operations that are bound in another way than their names suggest.

    `tagging` is the operation that tags, of what is made by name: IAM cannot tell it from any other tagging, so it is
    bound by name as well. `ec2` is EC2's name for what is made, `made_inside` for what must be there: EC2 decides about
    each of them. `linked_role` is the service whose service-linked role AWS makes in the caller's name where the
    account has none yet. `passes` maps the fields of a spec that name roles, by their paths, to the service that is
    given them.
    `within_boundary` are the operations that IAM can bind to the permissions boundary of the role they write to.
    """

    bindings: Mapping[Operation, Binding] = field(default_factory=dict)
    tagging: str = ""
    ec2: str = ""
    made_inside: tuple[str, ...] = ()
    linked_role: str = ""
    passes: Mapping[str, str] = field(default_factory=dict)
    within_boundary: frozenset[Operation] = frozenset()
    on_behalf: tuple[OnBehalf, ...] = ()
