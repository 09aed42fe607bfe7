"""A value that others publish, looked up when a plan is made: a parameter of SSM, an export of CloudFormation, or an
output of Terraform in its state in S3.

Its id is the value, which takes the place of the reference. A SecureString or a sensitive output is refused: what a
plan, a task definition or a log shows is no place for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, ClassVar, Final, TypeAlias

from reconciler import errors
from reconciler.model import resource
from reconciler.model.aws_event import AwsEvent
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.named_by_events import EventType
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Calls, Desired, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import Scope

ssm = ServiceApi("ssm")
cloudformation = ServiceApi("cloudformation")
s3 = ServiceApi("s3")

AT_ONCE = 10
"""Parameters that GetParameters takes (SSM API Reference)."""

Values: TypeAlias = Mapping[str, tuple[str, str]]
"""Name → its value, and why it cannot be used."""


class LookupSpec(resource.Spec):
    source: str
    """`ssm:`, `cloudformation:` or `terraform:`, and the name there."""


class Lookup(LookedUpType[LookupSpec]):
    kind: ClassVar[str] = "lookup"
    of_others: ClassVar[bool] = True
    id_is_value: ClassVar[bool] = True
    event_types: ClassVar[tuple[EventType, ...]] = (EventType("aws.ssm", "Parameter Store Change"),)
    Spec = LookupSpec
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("ssm", "GetParameters"): Binding.READ_BY_NAME, ("s3", "GetObject"): Binding.READ_BY_NAME}
    )

    def arns(self, spec: LookupSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        service, _, name = spec.source.partition(":")
        match service:
            case "ssm":
                return {Binding.READ_BY_NAME: (("ssm", f"parameter/{name.lstrip('/')}"),)}
            case "terraform":
                return {Binding.READ_BY_NAME: (("s3", "/".join(_place(name)[:2]), ""),)}
        return {}

    def named_in(self, event: AwsEvent) -> Set[str]:
        return {f"ssm:{event.detail.get('name')}"}

    def event_names(self, found: Observed[LookupSpec]) -> Set[str]:
        return {found.spec.source}

    def observe(self, scope: Scope) -> Calls[list[Observed[LookupSpec]]]:
        names: dict[str, list[str]] = {service: [] for service, _ in _READS}
        for source in sorted({want.spec.source for want in scope.wanted}):
            service, _, name = source.partition(":")
            names[service].append(name)
        found: dict[str, tuple[str, str]] = {}
        for service, read in _READS:
            if names[service]:
                values = yield from _allowed(read, names[service])
                found |= {f"{service}:{name}": value for name, value in values.items()}
        return [_look_up(want, *found[want.spec.source]) for want in scope.wanted]


def _look_up(want: Desired[LookupSpec], value: str, because: str) -> Observed[LookupSpec]:
    if because:
        reason = f"the lookup {want.spec.source} {because}"
        return Observed(want.address, str(want.address), want.spec, health=ResourceHealth.DEGRADED, reason=reason)
    return Observed(want.address, value, want.spec)


def _allowed(read: Callable[[Sequence[str]], Calls[Values]], names: Sequence[str]) -> Calls[Values]:
    """What can be read. Where that is denied or not served, the place that asks for it is refused."""
    try:
        return (yield from read(names))
    except (errors.Denied, errors.Unserved) as error:
        return dict.fromkeys(names, ("", f"may not be read: {error}"))


def _parameters(names: Sequence[str]) -> Calls[Values]:
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(names), AT_ONCE):
        answer = yield ssm.get_parameters(Names=list(names[start : start + AT_ONCE]))
        found |= {item["Name"]: _of_parameter(item) for item in answer["Parameters"]}
    return {name: found.get(name, ("", "names a parameter that does not exist")) for name in names}


def _of_parameter(item: Mapping[str, Any]) -> tuple[str, str]:
    match item["Type"]:
        case "SecureString":
            return "", "names a SecureString, which would be shown in plain text; use `secrets` of the container"
        case "StringList":
            return "", "names a StringList, and one value is needed"
        case _:
            return str(item["Value"]), ""


def _exports(names: Sequence[str]) -> Calls[Values]:
    answer = yield cloudformation.list_exports()
    found = {item["Name"]: (str(item["Value"]), "") for item in answer["Exports"]}
    return {name: found.get(name, ("", "names an export that no stack has")) for name in names}


def _outputs(names: Sequence[str]) -> Calls[Values]:
    """State of Terraform is read once for all of its outputs."""
    states: dict[tuple[str, str], Mapping[str, Any] | str] = {}
    for bucket, key, _ in map(_place, names):
        if (bucket, key) not in states:
            states[bucket, key] = yield from _state(bucket, key)
    return {name: _of_output(states[_place(name)[:2]], _place(name)[2]) for name in names}


def _state(bucket: str, key: str) -> Calls[Mapping[str, Any] | str]:
    """The outputs of a state, or why there are none. Nothing else of it is kept."""
    try:
        answer = yield s3.get_object(Bucket=bucket, Key=key)
    except errors.Gone:
        return "names a state that does not exist"
    try:
        outputs = json.loads(answer["Body"])["outputs"]
    except (ValueError, KeyError, TypeError):
        outputs = None
    return outputs if isinstance(outputs, dict) else "names an object that is no state of Terraform"


def _of_output(state: Mapping[str, Any] | str, name: str) -> tuple[str, str]:
    if isinstance(state, str):
        return "", state
    output = state.get(name)
    if not isinstance(output, dict):
        return "", "names an output that the state does not have"
    if output.get("sensitive"):
        return "", "names a sensitive output, which would be shown in plain text; use `secrets` of the container"
    value = output.get("value")
    if isinstance(value, bool):
        return str(value).lower(), ""
    if not isinstance(value, str | int | float):
        return "", "names an output that is no single value"
    return str(value), ""


def _place(name: str) -> tuple[str, str, str]:
    """Bucket, key and output of `s3://bucket/key#output`."""
    where, _, output = name.removeprefix("s3://").rpartition("#")
    bucket, _, key = where.partition("/")
    return bucket, key, output


_READS: Final = (("ssm", _parameters), ("cloudformation", _exports), ("terraform", _outputs))
