"""Secrets: whether they exist and have what containers ask for. Values are read with `--read-secrets` alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity, asked, asked_all, not_checked
from reconciler.doctor.secret_uses import SUFFIX, SecretUse, secrets_of, spellings, whole_arn
from reconciler.model.resource import Calls, ServiceApi

secretsmanager = ServiceApi("secretsmanager")
ssm = ServiceApi("ssm")

CURRENT = "AWSCURRENT"
NAMES_AT_ONCE = 50


class Secrets(Check):
    title: ClassVar[str] = "secrets"
    cheap: ClassVar[bool] = True
    on_request: ClassVar[frozenset[tuple[str, str]]] = frozenset({("secretsmanager", "GetSecretValue")})

    def findings(self, case: Case) -> Calls[list[Finding]]:
        secrets: dict[str, list[SecretUse]] = defaultdict(list)
        parameters: list[SecretUse] = []
        found: list[Finding] = []
        for workload in case.workloads:
            for use in secrets_of(workload, case.place.region):
                if use.region != case.place.region:
                    cause = f"{use.arn} is not checked: it is in {use.region}"
                    found.append(_finding(use, "secret-not-checked", cause, "see for yourself", Severity.NOTE))
                elif use.service == "ssm":
                    parameters.append(use)
                else:
                    secrets[use.name].append(use)
        answers = yield from asked_all([secretsmanager.describe_secret(SecretId=name) for name in secrets])
        for (name, uses), answer in zip(secrets.items(), answers, strict=True):
            found += yield from _secret(case, name, uses, answer)
        if parameters:
            found += yield from _parameters(parameters)
        return found


def _finding(use: SecretUse, code: str, cause: str, fix: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(severity, code, str(use.workload.address), cause, fix, use.where)


def _secret(
    case: Case, name: str, uses: list[SecretUse], answer: dict[str, Any] | errors.AwsError | None
) -> Calls[list[Finding]]:
    short = name.partition(":secret:")[2] or name
    if answer is None:
        fix = f"create it: reconciler secret put secretsmanager:{short}"
        if whole_arn(name):
            by_name = f"secretsmanager:{short[: -SUFFIX - 1]}"
            fix = f"correct its ARN, or write its name, {by_name}, which `reconciler secret put` creates"
        return [_finding(use, "secret-missing", f"the secret {short} does not exist", fix) for use in uses]
    if isinstance(answer, errors.AwsError):
        return [not_checked(f"secret {short}", answer)]
    if answer.get("DeletedDate") is not None:
        fix = f"restore it: aws secretsmanager restore-secret --secret-id {short}"
        return [_finding(use, "secret-deleted", f"the secret {short} is scheduled for deletion", fix) for use in uses]
    found = [one for use in uses for one in _version(use, short, answer.get("VersionIdsToStages") or {})]
    keyed = [use for use in uses if use.key]
    if keyed and not found:
        found += yield from _keys(case, short, keyed)
    return found


def _version(use: SecretUse, short: str, versions: Mapping[str, list[str]]) -> Iterable[Finding]:
    stages = {stage for several in versions.values() for stage in several}
    if use.version and use.version not in versions:
        cause = f"the secret {short} has no version {use.version}"
        fix = f"leave it out, or choose one: aws secretsmanager list-secret-version-ids --secret-id {short}"
        yield _finding(use, "secret-version", cause, fix)
    elif (stage := use.stage or CURRENT) not in stages and not use.version:
        fix = f"store one: aws secretsmanager put-secret-value --secret-id {short} --secret-string file://…"
        yield _finding(use, "secret-version", f"the secret {short} has no value of the stage {stage}", fix)


def _keys(case: Case, short: str, uses: list[SecretUse]) -> Calls[list[Finding]]:
    """Of values that are JSON; nothing but whether they have a key leaves this function."""
    if not case.read_secrets:
        names = ", ".join(sorted({use.key for use in uses}))
        cause = f"whether the secret {short} has the key {names} is not checked, because its value is not read"
        fix = "pass --read-secrets to have it checked"
        return [_finding(uses[0], "secret-key-not-checked", cause, fix, Severity.NOTE)]
    found: list[Finding] = []
    for use in uses:
        call = secretsmanager.get_secret_value(
            SecretId=use.name, VersionStage=use.stage or None, VersionId=use.version or None
        )
        answer = yield from asked(call)
        if isinstance(answer, errors.AwsError):
            found.append(not_checked(f"secret {short}", answer))
        elif not _has(answer, use.key):
            fix = f"add it: aws secretsmanager put-secret-value --secret-id {short} --secret-string file://…"
            found.append(_finding(use, "secret-key", f"the secret {short} has no JSON key {use.key!r}", fix))
    return found


def _has(answer: Mapping[str, Any], key: str) -> bool:
    try:
        value = json.loads(answer.get("SecretString") or "")
    except ValueError:
        return False
    return isinstance(value, dict) and key in value


def _parameters(uses: list[SecretUse]) -> Calls[list[Finding]]:
    wanted = sorted({name for use in uses for name in spellings(use.name)})
    there: set[str] = set()
    for start in range(0, len(wanted), NAMES_AT_ONCE):
        names = wanted[start : start + NAMES_AT_ONCE]
        answer = yield ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": names}])
        there |= {item["Name"] for item in answer["Parameters"]}
    return [
        _finding(
            use,
            "parameter-missing",
            f"the parameter {spellings(use.name)[0]} does not exist",
            f"create it: reconciler secret put ssm:{spellings(use.name)[0]}",
        )
        for use in uses
        if there.isdisjoint(spellings(use.name))
    ]
