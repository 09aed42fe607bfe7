"""Unpropagated: for some seconds AWS's other services do not know what was just made, and refuse what names it.

Each service says so in its own code and words, as issues quote them. Time is the emulator's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from reconciler.local.inprocess import Laptop
from reconciler.model.resource import Call
from tests.harness.emulated_stack import InProcess
from tests.harness.strict import refusal

EC2: dict[str, tuple[str, str]] = {
    "vpc": ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "subnet": ("InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "sg": ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "igw": ("InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"),
    "rtb": ("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "nat": ("NatGatewayNotFound", "The Nat Gateway {} was not found"),
    "eipalloc": ("InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    "vpce": ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
}
ELB: dict[str, tuple[str, str]] = {
    "vpc": ("ValidationError", "The VPC ID '{}' is not found"),
    "subnet": ("SubnetNotFound", "The subnet ID '{}' does not exist"),
    "sg": (
        "InvalidSecurityGroup",
        "The security group '{}' does not exist (Service: AmazonEC2; Status Code: 400; Error Code: "
        "InvalidGroup.NotFound; Request ID: 19afdaba-4d40-42cd-bdbf-1d7e691dfe6c; Proxy: null)",
    ),
}
ECS: dict[str, tuple[str, str]] = {
    "subnet": (
        "InvalidParameterException",
        "Error retrieving subnet information for [{0}]: The subnet ID '{0}' does not exist "
        "(ErrorCode: InvalidSubnetID.NotFound)",
    ),
    "sg": (
        "InvalidParameterException",
        "Error retrieving security group information for [{0}]: The security group '{0}' does not exist "
        "(ErrorCode: InvalidGroup.NotFound)",
    ),
}
PASS_ROLE = (
    "AccessDeniedException",
    "User: arn:aws:iam::123456789012:user/deployer is not authorized to perform: iam:PassRole on resource: {} because "
    "no identity-based policy allows the iam:PassRole action",
)
ASSUME = (
    "ClientException",
    "ECS was unable to assume the role '{}' that was provided for this task. Please verify that the role being passed "
    "has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.",
)
ROLE: dict[str, tuple[str, str]] = {
    "RegisterTaskDefinition": PASS_ROLE,
    "CreateService": PASS_ROLE,
    "UpdateService": PASS_ROLE,
    "CreateTaskSet": PASS_ROLE,
    "RunTask": ASSUME,
    "CreateSchedule": (
        "ValidationException",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
    ),
    "SetRepositoryPolicy": (
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
    ),
    "CreateRole": ("MalformedPolicyDocument", 'Invalid principal in policy: "AWS":"{}"'),
    "PutRolePolicy": ("NoSuchEntity", "The role with name {} cannot be found."),
    "AttachRolePolicy": ("NoSuchEntity", "The role with name {} cannot be found."),
    "GetRole": ("NoSuchEntity", "The role with name {} cannot be found."),
}
STARTS_TASKS = frozenset({"CreateService", "UpdateService", "CreateTaskSet", "RunTask"})

_MADE = re.compile(r"^(vpc|subnet|sg|igw|rtb|nat|eipalloc|vpce)-[0-9a-f]+$")
_WORDS = re.compile(r"[\w:/.@+=-]+")


class Unpropagated(InProcess):
    """The product's transport over the emulator; what was made is unknown for `roles` or `ec2` seconds.

    `by_operation`: to each operation for so long after it has first named it, since here no two steps wait together and
    what waits for one thing makes all others old. `only`: the services that refuse. `after` is called with each call
    that was carried out.
    """

    def __init__(
        self,
        laptop: Laptop,
        *,
        roles: float = 10.0,
        ec2: float = 5.0,
        by_operation: bool = False,
        only: Collection[str] | None = None,
        after: Callable[[Call], None] | None = None,
    ) -> None:
        super().__init__(laptop)
        self.roles, self.ec2, self.by_operation, self.only, self.after = roles, ec2, by_operation, only, after
        self.known_at = float("inf")
        """From then on everything is known."""
        self.refused: Counter[str] = Counter()
        self._made: dict[str, float] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._definitions: dict[str, tuple[str, ...]] = {}

    def perform(self, call: Call) -> dict[str, Any]:
        young = min((name for name in self._named(call) if self._unknown(call, name)), default=None)
        if young is not None:
            code, text = _words_for(call, young)
            self.sent[call.operation] += 1
            self.refused[call.operation] += 1
            raise refusal(call, code, text.format(young))
        answer = super().perform(call)
        self._remember(call, answer)
        if self.after is not None:
            self.after(call)
        return answer

    def _unknown(self, call: Call, name: str) -> bool:
        if name not in self._made or (self.only is not None and call.service not in self.only):
            return False
        now = self._now()
        if now >= self.known_at:
            return False
        since = self._asked.setdefault((call.operation, name), now) if self.by_operation else self._made[name]
        return now < since + (self.ec2 if _MADE.match(name) else self.roles)

    def _now(self) -> float:
        return self.laptop.clock.monotonic()

    def _named(self, call: Call) -> Iterable[str]:
        """What the call names by id or ARN, and the roles of the task definition that it starts tasks of."""
        for word in _words({key: value for key, value in call.params.items() if key != "Filters"}):
            if call.service == "iam" or word.startswith("arn:") or _MADE.match(word):
                yield word
            if call.operation in STARTS_TASKS:
                yield from self._definitions.get(word, ())

    def _remember(self, call: Call, answer: dict[str, Any]) -> None:
        if call.operation == "CreateRole":
            self._made |= dict.fromkeys((answer["Role"]["Arn"], answer["Role"]["RoleName"]), self._now())
        elif call.operation == "RegisterTaskDefinition":
            made = answer["taskDefinition"]
            roles = (made.get("executionRoleArn"), made.get("taskRoleArn"))
            self._definitions[made["taskDefinitionArn"]] = tuple(role for role in roles if role)
        elif call.service == "ec2" and call.operation.startswith(("Create", "Allocate")):
            named = _words(call.params)
            for word in _words(answer) - named:
                if _MADE.match(word):
                    self._made.setdefault(word, self._now())


def _words_for(call: Call, name: str) -> tuple[str, str]:
    by_service = {"ec2": EC2, "elbv2": ELB, "ecs": ECS}.get(call.service, {})
    found = ROLE.get(call.operation) if _MADE.match(name) is None else by_service.get(name.partition("-")[0])
    assert found is not None, f"nobody knows what {call} answers for {name}"
    return found


def _words(value: Any) -> set[str]:
    """Every word of a call or an answer, in policies as well; only ids and ARNs are looked for among them."""
    return {word.rstrip(".:") for word in _WORDS.findall(json.dumps(value, default=str))}
