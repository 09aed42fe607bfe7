"""Check: the interface of one subject that the doctor looks into, and its findings.

A check is a leaf: one file in `reconciler/doctor/checks/`, found by `checks`, in no list. It yields `Call`s and never
performs them, as resource types do.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from reconciler import errors
from reconciler.model.resource import Batch, Call, Calls

if TYPE_CHECKING:
    from reconciler.doctor.case import Case
from reconciler.iam.rules import action

NOT_CHECKED: Final = "not-checked"


class Severity(StrEnum):
    ERROR = "error"  # the apply or a rollout would fail
    WARNING = "warning"  # it may fail, or could not be checked
    NOTE = "note"  # nothing fails because of it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `code` for programs; for people its `cause`, and in `fix` what to do or to type.

    `about` is an address, or the name of what it concerns. `where` is its place in the specs. `policy` is an IAM policy
    that the fix refers to.
    """

    severity: Severity
    code: str
    about: str
    cause: str
    fix: str
    where: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)


class Check(ABC):
    """One subject; `title` is a noun phrase for it."""

    title: ClassVar[str]

    cheap: ClassVar[bool] = False
    """A few calls are enough, and none where the plan starts nothing: `diff` and `apply` make it as well."""

    on_request: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    """Operations that it uses only with an option of the command, because they read what is secret."""

    @abstractmethod
    def findings(self, case: Case) -> Calls[list[Finding]]:
        """What is wrong. Raises `errors.AwsError` if AWS cannot be read: then it could not be checked."""


@cache
def checks() -> Mapping[str, Check]:
    """Every check in reconciler/doctor/checks by the name of its module, one class each."""
    package = "reconciler.doctor.checks"
    found: dict[str, Check] = {}
    for name in sorted(info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)):
        module = f"{package}.{name}"
        for member in vars(importlib.import_module(module)).values():
            if isinstance(member, type) and issubclass(member, Check) and member.__module__ == module:
                found[name.replace("_", "-")] = member()
    return found


def asked(call: Call) -> Calls[dict[str, Any] | errors.AwsError]:
    """The answer to a call, or AWS's refusal as a value, where a check goes on without it."""
    try:
        answer: dict[str, Any] = yield call
    except errors.AwsError as error:
        return error
    return answer


def asked_all(calls: Sequence[Call]) -> Calls[list[dict[str, Any] | errors.AwsError | None]]:
    """The answers to reads, in parallel; None where something does not exist, and AWS's refusal where it refuses."""
    try:
        answers: list[dict[str, Any] | errors.AwsError | None] = yield Batch.of(calls, missing_ok=True)
    except errors.AwsError:
        answers = []
        for call in calls:
            answer = yield from asked(call)
            answers.append(None if isinstance(answer, errors.Gone) else answer)
    return answers


def not_checked(what: str, error: errors.AwsError) -> Finding:
    """That something could not be read, and what has to be allowed for it."""
    service, _, operation = error.call.partition(".")
    fix = "try again later"
    if isinstance(error, errors.Denied):
        fix = f"allow {action((service, operation))}; `reconciler iam-policy --doctor` prints the policy"
    return Finding(Severity.WARNING, NOT_CHECKED, what, f"it could not be checked: {error}", fix)
