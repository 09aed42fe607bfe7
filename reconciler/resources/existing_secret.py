"""A secret that others own, looked up without its value: in Secrets Manager, or a SecureString in Parameter Store.

Its id names the secret with its present version, so that a new version is a difference wherever the secret is used.
The value is read by `_secret_value.py`, by whoever writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Call, Calls, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources._secret_value import id_of, secretsmanager, ssm

CURRENT: Final = "AWSCURRENT"
SUFFIX: Final = 6
"""Characters that Secrets Manager adds to a name, after a hyphen."""


class ExistingSecretSpec(resource.Spec):
    service: str
    """`ssm` or `secretsmanager`."""
    name: str
    """Its name, or its ARN."""
    key: str = ""
    """The key in a value that is JSON."""
    stage: str = ""
    version: str = ""


class ExistingSecret(LookedUpType[ExistingSecretSpec]):
    kind: ClassVar[str] = "existing-secret"
    of_others: ClassVar[bool] = True
    id_is_value: ClassVar[bool] = True
    Spec = ExistingSecretSpec
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("secretsmanager", "DescribeSecret"): Binding.READ_SECRET,
            ("secretsmanager", "GetSecretValue"): Binding.READ_SECRET_VALUE,
            ("ssm", "GetParameter"): Binding.READ_PARAMETER,
        }
    )

    def arns(self, spec: ExistingSecretSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.READ_SECRET_VALUE: (_arn(spec),)}

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingSecretSpec]]]:
        """One call for each secret, whatever is taken from it."""
        calls: dict[tuple[str, str], Call] = {}
        for want in scope.wanted:
            calls.setdefault((want.spec.service, want.spec.name), _call(want.spec))
        answers: dict[tuple[str, str], dict[str, Any] | errors.AwsError] = {}
        for place, call in calls.items():
            try:
                answers[place] = yield call
            except (errors.Gone, errors.Denied) as error:
                answers[place] = error
        return [_look_up(want, answers[want.spec.service, want.spec.name]) for want in scope.wanted]


def _call(spec: ExistingSecretSpec) -> Call:
    if spec.service == "ssm":
        return ssm.get_parameter(Name=spec.name)  # without its decryption
    return secretsmanager.describe_secret(SecretId=spec.name)


def _arn(spec: ExistingSecretSpec) -> NamedArn:
    if spec.service == "ssm":
        return "ssm", f"parameter/{spec.name.lstrip('/')}"
    if not spec.name.startswith("arn:"):
        return "secretsmanager", f"secret:{spec.name}-{'?' * SUFFIX}"
    _, _, _, _, account, name = spec.name.split(":", 5)
    whole = len(name.rpartition("-")[2]) == SUFFIX
    return "secretsmanager", name if whole else f"{name}-{'?' * SUFFIX}", account


def _look_up(
    want: Desired[ExistingSecretSpec], answer: Mapping[str, Any] | errors.AwsError
) -> Observed[ExistingSecretSpec]:
    spec, arn = want.spec, ""
    if isinstance(answer, errors.AwsError):
        missing = "does not exist in this account and region"
        version, because = "", missing if isinstance(answer, errors.Gone) else f"may not be read: {answer}"
    elif spec.service == "ssm":
        version, because = _of_parameter(answer["Parameter"])
    else:
        arn = str(answer["ARN"])
        version, because = _of_secret(spec, answer)
    if because:
        what = "parameter" if spec.service == "ssm" else "secret"
        reason = f"the {what} {spec.name} {because}"
        return Observed(want.address, str(want.address), spec, health=ResourceHealth.DEGRADED, reason=reason)
    return Observed(want.address, id_of(arn or spec.name, spec.key, version), spec)


def _of_parameter(parameter: Mapping[str, Any]) -> tuple[str, str]:
    if parameter["Type"] != "SecureString":
        return "", f"is a {parameter['Type']}, which is not encrypted; store it as a SecureString"
    return str(parameter["Version"]), ""


def _of_secret(spec: ExistingSecretSpec, answer: Mapping[str, Any]) -> tuple[str, str]:
    """One that is named by its id need not have a stage."""
    if answer.get("DeletedDate") is not None:
        return "", "is scheduled for deletion"
    if spec.version:
        return spec.version, ""
    stage, stages = spec.stage or CURRENT, answer.get("VersionIdsToStages") or {}
    found = next((version for version, those in stages.items() if stage in those), "")
    return found, "" if found else f"has no value of the stage {stage}"
