"""Roles of tasks: whether they exist, ECS may assume them, and the execution role may read what a start takes.

Only roles that the plan does not write to are looked into: of the others the specs say what they are allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity, asked, not_checked
from reconciler.doctor.secret_uses import secrets_of, spellings, whole_arn
from reconciler.doctor.simulation import simulated
from reconciler.doctor.workloads import Workload
from reconciler.iam import Statement
from reconciler.model.ecr_image import ecr_image
from reconciler.model.policy_evaluation import Request, is_trusted
from reconciler.model.resource import Calls, Ref, ServiceApi

iam = ServiceApi("iam")
secretsmanager = ServiceApi("secretsmanager")

TASKS: Final = ("Service", "ecs-tasks.amazonaws.com")
PULLS: Final = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")


class TaskRoles(Check):
    title: ClassVar[str] = "roles of tasks"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        written = {action.address for action in case.actions}
        found: list[Finding] = []
        seen: dict[str, bool] = {}
        for workload in case.workloads:
            declared = case.wanted[workload.definition.address].spec
            for field in ("execution_role", "task_role"):
                link, role = getattr(declared, field), case.id_of(getattr(declared, field))
                if not role or (isinstance(link, Ref) and link.address in written):
                    continue
                if role not in seen:
                    broken = yield from _broken(case, workload, role)
                    found += broken
                    seen[role] = not broken
                if field == "execution_role" and seen[role]:
                    found += yield from _refused(case, workload, role, isinstance(link, Ref))
        return found


def _broken(case: Case, workload: Workload, role: str) -> Calls[list[Finding]]:
    """Of a role that the specs only name."""
    address, name = str(workload.address), role.rpartition("/")[2]
    answer = yield from asked(iam.get_role(RoleName=name))
    if isinstance(answer, errors.Gone):
        cause, fix = f"the role {name} does not exist", "create it, or declare it as a Role in the specs"
        return [Finding(Severity.ERROR, "role-missing", address, cause, fix, workload.definition.where)]
    if isinstance(answer, errors.AwsError):
        return [not_checked(f"role {name}", answer)]
    context = {
        "aws:SourceAccount": [case.place.account],
        "aws:SourceArn": [f"arn:{case.place.partition}:ecs:{case.place.region}:{case.place.account}:*"],
    }
    request = Request("sts:AssumeRole", context=context, principal=TASKS)
    try:
        trusted = is_trusted(request, answer["Role"]["AssumeRolePolicyDocument"])
    except errors.Undecidable as error:
        cause, fix = f"the trust policy of the role {name} cannot be evaluated: {error}", "see for yourself"
        return [Finding(Severity.NOTE, "role-not-checked", address, cause, fix, workload.definition.where)]
    if trusted:
        return []
    cause = f"the trust policy of the role {name} does not let {TASKS[1]} assume it"
    fix = f"allow sts:AssumeRole to the service {TASKS[1]}: aws iam update-assume-role-policy --role-name {name} …"
    return [Finding(Severity.ERROR, "role-not-trusted", address, cause, fix, workload.definition.where)]


def _refused(case: Case, workload: Workload, role: str, ours: bool) -> Calls[list[Finding]]:
    needed = yield from _keys(case, workload)
    if not ours or _bounded(case, role):
        needed += _needs(case, workload)  # else the role has the permissions that the specs derive, and nothing less
    arn = role if role.startswith("arn:") else f"arn:{case.place.partition}:iam::{case.place.account}:role/{role}"
    found = []
    for statement, where in needed:
        try:
            denied = yield from simulated(arn, statement, case.place.region)
        except errors.AwsError as error:
            return [not_checked(f"role {arn.rpartition('/')[2]}", error)]
        for one in denied:
            cause = f"the execution role {arn.rpartition('/')[2]} may not {one.action} on {one.resources[0]}: {one.by}"
            key = one.action == "kms:Decrypt"
            fix = _fix(ours, key)
            worst = Severity.WARNING if key else Severity.ERROR  # the policy of a key may allow it alone
            found.append(Finding(worst, "execution-role", str(workload.address), cause, fix, where))
    return found


def _bounded(case: Case, role: str) -> bool:
    return any(one.id == role and getattr(one.spec, "permissions_boundary", "") for one in case.found.values())


def _fix(ours: bool, key: bool) -> str:
    if key and ours:
        return "name the key in `kms_keys` of the task; unless the policy of the key names the role"
    if key:
        return "allow it in the role, unless the policy of the key names the role"
    return "restore the role with `reconciler apply`, or look at its permissions boundary" if ours else "allow it there"


def _needs(case: Case, workload: Workload) -> Iterator[tuple[Statement, str]]:
    """What ECS does in the name of the execution role before a task starts, and where the specs ask for it."""
    place = f"{case.place.region}:{case.place.account}"
    for name, container in workload.definition.spec.containers.items():
        image = ecr_image(str(container.image))
        where = workload.place(f"containers.{name}.image")
        if image is not None:
            arn = f"arn:{case.place.partition}:ecr:{image.region}:{image.account}:repository/{image.repository}"
            yield Statement("Pull", "", PULLS, (arn,)), where
            yield Statement("SignIn", "", ("ecr:GetAuthorizationToken",)), where
        group = case.id_of(container.log_group)
        if group:
            arn = f"arn:{case.place.partition}:logs:{place}:log-group:{group}:log-stream:any"
            yield Statement("Write", "", LOGS, (arn,)), workload.definition.where
    for use in secrets_of(workload, case.place.region):
        if use.service == "ssm":
            name = spellings(use.name)[0].lstrip("/")
            arn = use.arn or f"arn:{case.place.partition}:ssm:{place}:parameter/{name}"
            yield Statement("Read", "", ("ssm:GetParameters",), (arn,)), use.where
        else:
            yield Statement("Read", "", ("secretsmanager:GetSecretValue",), (_whole(use.arn),)), use.where


def _whole(arn: str) -> str:
    """As policies spell it: Secrets Manager adds a hyphen and six characters to a name."""
    return arn if whole_arn(arn) else f"{arn}-AbCdEf"


def _keys(case: Case, workload: Workload) -> Calls[list[tuple[Statement, str]]]:
    """Decryption of the secrets that have a key of the customer's."""
    found: dict[str, tuple[Statement, str]] = {}
    for use in secrets_of(workload, case.place.region):
        if use.service != "secretsmanager" or use.region != case.place.region:
            continue
        answer = yield from asked(secretsmanager.describe_secret(SecretId=use.name))
        key: Any = None if isinstance(answer, errors.AwsError) else answer.get("KmsKeyId")
        if key and "alias/aws/" not in key:
            arn = key
            if not key.startswith("arn:"):
                arn = f"arn:{case.place.partition}:kms:{use.region}:{case.place.account}:key/{key.removeprefix('key/')}"
            via = {"StringEquals": {"kms:ViaService": f"secretsmanager.{use.region}.amazonaws.com"}}
            found.setdefault(arn, (Statement("Decrypt", "", ("kms:Decrypt",), (arn,), via), use.where))
    return list(found.values())
