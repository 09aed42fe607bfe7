"""Examination: the checks, made one beside the other, and their findings in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.doctor.case import Case
from reconciler.doctor.check import NOT_CHECKED, Check, Finding, Severity, checks, not_checked

WIDTH: Final = 8  # checks at once; their threads mostly wait for AWS
ORDER: Final = tuple(Severity)


def examine(aws: AwsClient, case: Case) -> tuple[Finding, ...]:
    """All findings, the worst first, and those of each check together."""
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="doctor") as pool:
        found = [
            one for several in pool.map(lambda check: _made(aws, case, check), checks().values()) for one in several
        ]
    return tuple(sorted(found, key=lambda one: ORDER.index(one.severity)))


def examine_cheaply(aws: AwsClient, case: Case) -> tuple[Finding, ...]:
    """What would fail of that which a plan starts, found with a few calls; nothing of what cannot be read."""
    if not case.workloads:
        return ()
    found = [one for check in checks().values() if check.cheap for one in _made(aws, case, check)]
    return tuple(one for one in found if one.severity is not Severity.NOTE and one.code != NOT_CHECKED)


def _made(aws: AwsClient, case: Case, check: Check) -> list[Finding]:
    try:
        return aws.run(check.findings(case))
    except errors.AwsError as error:
        return [not_checked(check.title, error)]
