"""A role that others own, looked up by its ARN: what tasks, volumes, hooks or deployments run as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.permissions import Binding, NamedArn
from reconciler.model.resource import Calls, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone
from reconciler.resources._roles import iam


class ExistingRoleSpec(resource.Spec):
    arn: str


class ExistingRole(LookedUpType[ExistingRoleSpec]):
    kind: ClassVar[str] = "existing-role"
    of_others: ClassVar[bool] = True
    Spec = ExistingRoleSpec

    def arns(self, spec: ExistingRoleSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        """It may be outside the path of the stack's roles, below which they are read."""
        return {Binding.READ_ROLE: (("iam", spec.arn.split(":", 5)[5]),)}

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingRoleSpec]]]:
        """IAM finds a role by its name alone, which is unique in the account."""
        calls = [iam.get_role(RoleName=want.spec.arn.rpartition("/")[2]) for want in scope.wanted]
        answers = yield from _gone.answers(calls)
        return [_look_up(want, answer) for want, answer in zip(scope.wanted, answers, strict=True)]


def _look_up(want: Desired[ExistingRoleSpec], answer: Mapping[str, Any] | None) -> Observed[ExistingRoleSpec]:
    arn = want.spec.arn
    if answer is not None and answer["Role"]["Arn"] == arn:
        return Observed(want.address, arn, want.spec)
    other = "" if answer is None else f"; the role of that name is {answer['Role']['Arn']}"
    reason = f"the role {arn} does not exist{other}"
    return Observed(want.address, arn, want.spec, health=ResourceHealth.DEGRADED, reason=reason)
