"""Present version of what tasks read when they start: a secret, a parameter, or a file with variables in S3.

No value is read: DescribeSecret, DescribeParameters and ListObjectsV2 tell the versions. The id of one is the reference
that is registered, with its version (model/input_version.py). A secret is pinned to its version where nothing rotates
it; where its rotation is on, only the new credentials open new connections, so that tasks follow it. What is missing or
may not be read has no version, and is registered as the specs name it: ECS says what is wrong with it.

Only a full pass asks, and once for each of them whatever is taken from it; other passes take over what it found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.model import input_version, resource
from reconciler.model.input_version import SUFFIX, with_version
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Batch, Call, Calls, Desired, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import Depth, Scope

secretsmanager = ServiceApi("secretsmanager")  # not from _secret_value.py, whose calls read values
ssm = ServiceApi("ssm")
s3 = ServiceApi("s3")

CURRENT: Final = "AWSCURRENT"
AT_ONCE: Final = 50
"""Names that DescribeParameters takes (SSM API Reference, ParameterStringFilter)."""

Answers = Mapping[str, Any]
"""By ARN, what AWS said of it, or the error."""


class SecretVersionSpec(resource.Spec):
    reference: str
    """As ECS takes it: `ARN:key:stage:` of a secret, or the ARN of a parameter or of an object in S3."""
    pin: bool | None = None
    """Whether it is pinned. None: if it is a secret that nothing rotates."""


class SecretVersion(LookedUpType[SecretVersionSpec]):
    kind: ClassVar[str] = "secret-version"
    of_others: ClassVar[bool] = True
    id_is_value: ClassVar[bool] = True
    Spec = SecretVersionSpec
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("secretsmanager", "DescribeSecret"): Binding.READ_SECRET,
            ("ssm", "DescribeParameters"): Binding.READ_PARAMETERS,
            ("s3", "ListObjectsV2"): Binding.READ_BUCKET,
        }
    )

    def arns(self, spec: SecretVersionSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        source = _source(spec)
        _, _, _, _, account, name = source.split(":", 5)
        match _service(source):
            case "secretsmanager":
                whole = len(name.rpartition("-")[2]) == SUFFIX
                at = name if whole else f"{name}-{'?' * SUFFIX}"
                return {Binding.READ_SECRET: (("secretsmanager", at, account),)}
            case "ssm":
                return {Binding.READ_PARAMETERS: (("ssm", name, account),)}
        return {Binding.READ_BUCKET: (("s3", _object(source)[0], ""),)}

    def observe(self, scope: Scope) -> Calls[list[Observed[SecretVersionSpec]]]:
        known = {} if scope.depth is Depth.FULL else {one.address: one for one in scope.before}
        asked = [want for want in scope.wanted if not _is(known.get(want.address), want)]
        sources = sorted({_source(want.spec) for want in asked})
        answers: dict[str, Any] = {}
        for service, read in (("secretsmanager", _secrets), ("ssm", _parameters), ("s3", _objects)):
            if some := [source for source in sources if _service(source) == service and _is_here(source, scope)]:
                answers |= yield from read(some)
        found = {want.address: _look_up(want, answers.get(_source(want.spec))) for want in asked}
        return [found.get(want.address) or known[want.address] for want in scope.wanted]


def _is(one: Observed[SecretVersionSpec] | None, want: Desired[SecretVersionSpec]) -> bool:
    return one is not None and one.spec == want.spec


def _source(spec: SecretVersionSpec) -> str:
    return input_version.read(spec.reference).source


def _service(source: str) -> str:
    return source.split(":", 3)[2]


def _is_here(source: str, scope: Scope) -> bool:
    """Whether it can be asked about: secrets of other regions and parameters of other accounts cannot."""
    _, _, service, region, account = source.split(":", 5)[:5]
    return service == "s3" or (region == scope.region and (service != "ssm" or account == scope.account))


# -- what AWS says


def _each(calls: Mapping[str, Call]) -> Calls[Answers]:
    """All at once; one by one where some of them are refused."""
    try:
        answers = yield Batch.of(calls.values(), missing_ok=True)
    except (errors.Denied, errors.Gone, errors.Invalid):
        found: dict[str, Any] = {}
        for source, call in calls.items():
            try:
                found[source] = yield call
            except (errors.Denied, errors.Gone, errors.Invalid) as error:
                found[source] = error
        return found
    return dict(zip(calls, answers, strict=True))


def _secrets(sources: Sequence[str]) -> Calls[Answers]:
    return (yield from _each({source: secretsmanager.describe_secret(SecretId=source) for source in sources}))


def _objects(sources: Sequence[str]) -> Calls[Answers]:
    """An object is the first one that begins with its own key. Its ETag changes with its content."""
    places = {source: _object(source) for source in sources}
    calls = {
        source: s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1) for source, (bucket, key) in places.items()
    }
    answers = yield from _each(calls)
    found: dict[str, Any] = {}
    for source, answer in answers.items():
        items = answer.get("Contents", ()) if isinstance(answer, Mapping) else ()
        there = next((item for item in items if item["Key"] == places[source][1]), None)
        found[source] = there if isinstance(answer, Mapping) else answer
    return found


def _parameters(sources: Sequence[str]) -> Calls[Answers]:
    """An ARN leaves out the slash that a name of one part may begin with."""
    names = {source: _names(source) for source in sources}
    every = sorted({name for several in names.values() for name in several})
    found: dict[str, Any] = {}
    for start in range(0, len(every), AT_ONCE):
        values = every[start : start + AT_ONCE]
        filters = [{"Key": "Name", "Option": "Equals", "Values": values}]
        try:
            answer = yield ssm.describe_parameters(ParameterFilters=filters)
        except (errors.Denied, errors.Invalid) as error:
            return dict.fromkeys(sources, error)
        found |= {item["Name"]: item for item in answer["Parameters"]}
    return {source: next((found[one] for one in several if one in found), None) for source, several in names.items()}


def _names(source: str) -> tuple[str, ...]:
    bare = source.partition(":parameter/")[2]
    return (f"/{bare}",) if "/" in bare else (f"/{bare}", bare)


def _object(source: str) -> tuple[str, str]:
    bucket, _, key = source.rpartition(":::")[2].partition("/")
    return bucket, key


# -- what that means


def _look_up(want: Desired[SecretVersionSpec], answer: Any) -> Observed[SecretVersionSpec]:
    spec = want.spec
    asked = input_version.read(spec.reference)
    observed = Observed(want.address, spec.reference, spec)
    if isinstance(answer, errors.Denied | errors.Invalid):
        reason = f"the version of {asked.source} cannot be read, so that a new one is not noticed: {answer}"
        return _unknown(observed, reason)
    if not isinstance(answer, Mapping):
        return _unknown(observed, f"{asked.source} does not exist, and cannot be pinned" if spec.pin else "")
    match _service(asked.source):
        case "secretsmanager":
            return _of_secret(observed, asked, answer)
        case "ssm":
            version, at = str(answer["Version"]), answer.get("LastModifiedDate")
        case _:
            version, at = str(answer["ETag"]).strip('"'), answer.get("LastModified")
    by = str(answer.get("LastModifiedUser", ""))
    return replace(observed, id=with_version(spec.reference, version), facts=_facts(at, by, {}))


def _of_secret(
    observed: Observed[SecretVersionSpec], asked: input_version.Input, answer: Mapping[str, Any]
) -> Observed[SecretVersionSpec]:
    spec, stages = observed.spec, answer.get("VersionIdsToStages") or {}
    stage = asked.stage or CURRENT
    version = next((id for id, those in stages.items() if stage in those), "")
    if not version or answer.get("DeletedDate") is not None:
        what = f"has no version of the stage {stage}" if not version else "is scheduled for deletion"
        return _unknown(observed, f"{asked.source} {what}, and cannot be pinned" if spec.pin else "")
    pinned = spec.pin if spec.pin is not None else not answer.get("RotationEnabled")
    id = f"{answer['ARN']}:{asked.key}::{version}" if pinned else with_version(spec.reference, version)
    at = answer.get("LastChangedDate")
    return replace(observed, id=id, facts=_facts(at, "", stages))


def _unknown(observed: Observed[SecretVersionSpec], reason: str) -> Observed[SecretVersionSpec]:
    """What has to be pinned is refused; anything else is registered as it is named."""
    health = ResourceHealth.DEGRADED if observed.spec.pin else ResourceHealth.READY
    return replace(observed, reason=reason, health=health, facts=_facts(None, "", {}))


def _facts(at: datetime | None, by: str, stages: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """When it was changed last, by whom as far as that is known, and the versions that have labels."""
    return {"changed_at": at, "changed_by": by, "labelled": tuple(sorted(stages))}
