"""Every member of the APIs that documents compile to: what says it, and that what is said is what AWS has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from reconciler.model import elb_actions
from reconciler.model.diff import Change, diff
from reconciler.model.members import FIELD, ApiMembers
from reconciler.model.resource import Desired, Observed
from reconciler.model.service_connect import ServiceConnect
from reconciler.model.type_registry import discover
from reconciler.resources import (
    _containers,
    _definition,
    _service_fields,
    listener,
    listener_rule,
    load_balancer,
    target_group,
)
from reconciler.resources._elb_actions import Action, Forward
from reconciler.service_models import Shape
from reconciler.spec import member_faults
from reconciler.spec.documents import KINDS as KINDS_OF_DOCUMENTS
from reconciler.spec.members import api_of, places, typed
from tests.resources import test_listener, test_listener_rule, test_load_balancer, test_service, test_target_group
from tests.resources import test_task_definition as test_definition
from tests.resources.echo import Echo
from tests.resources.talk import scope, tagged

Path = tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A type with its members: one of it, what AWS shows of that, and where in its spec the members are."""

    api: ApiMembers
    desired: Desired[Any]
    plain: Mapping[str, Any] = field(default_factory=dict)
    inside: Path = ()

    def with_members(self, said: Mapping[str, Any]) -> Desired[Any]:
        """As the compiler makes it."""
        members = typed(self.api, said)
        for name in ACTIONS & members.keys():
            members[name] = elb_actions.beyond(members[name])
        spec = _laid(self.desired.spec, self.inside, members)
        return replace(self.desired, spec=spec, tags=tagged(self.desired))

    def changed(self, change: Change) -> Path:
        """The member that a change is of."""
        head = (*self.inside, FIELD)
        assert change.path[: len(head)] == head, change
        return change.path[len(head) :]


ACTIONS = {"DefaultActions", "Actions"}


def _laid(spec: Any, path: Path, said: Mapping[str, Any]) -> Any:
    if not path:
        return spec.model_copy(update={FIELD: dict(said)})
    inner = getattr(spec, path[0])
    inner = {**inner, path[1]: _laid(inner[path[1]], path[2:], said)}
    return spec.model_copy(update={path[0]: inner})


def with_spec(desired: Desired[Any], **fields: Any) -> Desired[Any]:
    return replace(desired, spec=desired.spec.model_copy(update=fields))


CONNECTED = ServiceConnect(enabled=True, namespace="arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1")
FORWARD = Action(forward=(Forward(target_group=test_listener.BLUE),))
SUBJECTS = {
    "task definition": Subject(_definition.API, test_definition.DESIRED),
    "container": Subject(_containers.API, test_definition.DESIRED, inside=("containers", "web")),
    "service": Subject(
        _service_fields.API,
        with_spec(test_service.DESIRED, service_connect=CONNECTED),
        test_service.item(),
    ),
    "target group": Subject(target_group.API, test_target_group.WANT, test_target_group.ITEM),
    "load balancer": Subject(load_balancer.API, test_load_balancer.WANT, test_load_balancer.item()),
    "listener": Subject(listener.API, with_spec(test_listener.WANT, default_action=FORWARD), test_listener.item()),
    "listener rule": Subject(
        listener_rule.API, with_spec(test_listener_rule.WANT, action=FORWARD), test_listener_rule.item()
    ),
}
SEEN = {"service": (), "load-balancer": (), "listener": (), "cluster": (), "target-group": ()}


# -- values by the model


APIS = {
    f"{api.create} {api.inside}".strip(): api
    for api in (api_of(block) for kind in KINDS_OF_DOCUMENTS.values() for _, block in places(kind))
}
"""The API behind each `aws` of the documents, by the call that creates with it."""


@cache
def leaves(name: str) -> tuple[Path, ...]:
    return tuple(APIS[name].shape.leaves())


def value(api: ApiMembers, shape: Shape, path: Path, number: int, at: Path = ()) -> Any:
    """A value with the member at `path` in it, and what it needs besides; another one for another number."""
    match shape.kind:
        case "structure" if shape.members:
            found = {
                name: value(api, shape.members[name], (), 0, (*at, name))
                for name in (() if shape.union else shape.required)
                if api.said_by((*at, name)).endswith("?") or not api.said_by((*at, name))
            }
            if path:
                found[path[0]] = value(api, shape.members[path[0]], path[1:], number, (*at, path[0]))
            return found
        case "list":
            return [value(api, shape.item, path, number, at)]
        case "map":
            return {"team": value(api, shape.item, path[1:], number, at)}
        case "boolean":
            return number == 0
        case "integer" | "long" | "float" | "double":
            least, _ = shape.limits
            return type_of(shape)((1 if least is None else least) + number)
        case _:
            return shape.choices[number % len(shape.choices)] if shape.choices else f"value-{number}"


def type_of(shape: Shape) -> type[int] | type[float]:
    return int if shape.kind in ("integer", "long") else float


KINDS = {
    "AuthenticateOidcConfig": {"Type": "authenticate-oidc"},
    "AuthenticateCognitoConfig": {"Type": "authenticate-cognito"},
    "JwtValidationConfig": {"Type": "jwt-validation"},
    "ForwardConfig": {"Type": "forward"},
    "RedirectConfig": {"Type": "redirect"},
    "FixedResponseConfig": {"Type": "fixed-response"},
    "PathPatternConfig": {"Field": "path-pattern"},
    "HostHeaderConfig": {"Field": "host-header"},
    "HttpHeaderConfig": {"Field": "http-header"},
    "HttpRequestMethodConfig": {"Field": "http-request-method"},
    "QueryStringConfig": {"Field": "query-string"},
    "SourceIpConfig": {"Field": "source-ip"},
}
"""What goes with a structure of an action or a condition."""


def said(api: ApiMembers, path: Path, number: int) -> dict[str, Any]:
    found = value(api, api.shape.members[path[0]], path[1:], number, path[:1])
    if path[0] in ("DefaultActions", "Actions", "Conditions") and len(path) > 1:
        found = [{**item, **KINDS.get(path[1], {})} for item in found]
    if path[-1] == "DurationSeconds":
        found[0]["ForwardConfig"][path[-2]]["Enabled"] = True
    return {path[0]: found}


PORTS = {"containerPort", "protocol", "appProtocol"}
OURS = {"Type", "RedirectConfig", "FixedResponseConfig", "Field", "RegexValues", "HttpHeaderConfig"}


def answers(path: Path) -> bool:
    """Whether it is part of a port, an action or a condition for which the resource has a field."""
    if path[0] == "portMappings":
        return path[1] in PORTS
    return path[0] in {*ACTIONS, "Conditions"} and path[1:2] != () and path[1] in OURS | {"HttpRequestMethodConfig"}


def sayable(api: ApiMembers, path: Path) -> bool:
    """Whether no field of ours says the member, and nobody else owns it."""
    return not api.owner(path) and not api.said_by(path).removesuffix("?")


def fielded(api: ApiMembers, path: Path) -> bool:
    """Whether the spec of the resource has a field for it."""
    return path[0] in api.fields or ".".join(path) in api.fields


# -- what says what


@pytest.mark.parametrize("name", APIS)
def test_every_member_is_said_by_a_field_or_by_aws(name: str) -> None:
    """Those of which neither is true are refused with the reason; a new botocore adds to what `aws` can say."""
    api = APIS[name]
    for path in leaves(name):
        stated = bool(api.said_by(path))
        faults = [*member_faults.faults(api, said(api, path, 0), lambda _, stated=stated: stated)]
        rules = {fault.rule for fault in faults}
        if api.owner(path):
            assert rules == {"E1117"}, path
        elif api.said_by(path):
            assert rules == {"E1116"}, path
        else:
            assert rules <= {"E1109", "E1106", "E7001"}, (path, faults)  # it is the value that is wrong, if anything
            typed(api, said(api, path, 0))


FLOORS = {
    "CreateVpc": (5, 19),
    "CreateSubnet": (8, 5),
    "CreateVpcEndpoint": (12, 8),
    "CreateRepository": (7, 2),
    "CreateCluster": (16, 3),
    "CreateHttpNamespace": (3, 1),
    "CreateLoadBalancer": (12, 4),
    "CreateListener": (42, 12),
    "CreateRule": (51, 13),
    "CreateService": (82, 30),
    "RegisterTaskDefinition": (114, 15),
    "RegisterTaskDefinition containerDefinitions": (57, 23),
    "CreateLogGroup": (2, 3),
    "CreateTargetGroup": (18, 4),
    "PutScalingPolicy": (25, 1),
    "RunTask": (17, 41),
    "CreateSchedule": (23, 18),
    "CreateDeploymentGroup": (22, 4),
    "CreateRole": (6, 2),
    "CreateTable": (4, 14),
}
"""The least that fields and `aws` say of each call. A new field makes the first number greater and the second less; a
newer botocore makes them greater."""


@pytest.mark.parametrize("name", APIS)
def test_what_the_specs_can_say_does_not_get_less(name: str) -> None:
    """Of all fields of a call, those that the document or `aws` says, and the others have a reason."""
    api, paths = APIS[name], leaves(name)
    fields = sum(bool(api.said_by(path)) for path in paths)
    others = sum(bool(api.owner(path)) and not api.said_by(path) for path in paths)
    more = sum(not api.said_by(path) and not api.owner(path) for path in paths)
    print(f"{name}: fields {fields} of {len(paths)}, `aws` {more} of {more}, neither {others}")
    assert fields + more + others == len(paths)
    least, beyond = FLOORS[name]
    assert fields >= least
    assert fields + more >= least + beyond


@pytest.mark.parametrize("name", APIS)
def test_tables_of_members_name_what_the_api_has(name: str) -> None:
    """A word, an owner or a place in an answer for a member that does not exist would be a misspelling."""
    api = APIS[name]
    for path in (*api.words, *api.owned, *api.others, *api.fields, *api.elsewhere, *api.rolls):
        steps = tuple(path.split("."))
        attribute = steps[0] in api.more
        assert attribute or api.shape.at(*steps) is not None, path


# -- what is said is what there is


def cases(name: str) -> Iterator[Path]:
    api = SUBJECTS[name].api
    for path in api.shape.leaves():
        another = said(api, path, 0) != said(api, path, 1)
        ours = fielded(api, path) or answers(path)
        if sayable(api, path) and another and not ours and api.updatable(path[:1]) and api.observed(path[:1]):
            yield path


CASES = [pytest.param(name, path, id=f"{name}-{'.'.join(path)}") for name in SUBJECTS for path in cases(name)]
SAMPLE = [case for number, case in enumerate(CASES) if number % 12 == 0]


def observed(echo: Echo, want: Desired[Any]) -> Observed[Any]:
    kind = discover()[want.address.kind]
    (found,) = echo.hold(kind.observe(scope(want, seen=SEEN)))
    return found


def holds(name: str, path: Path) -> None:
    subject = SUBJECTS[name]
    kind = discover()[subject.desired.address.kind]
    first, second = (subject.with_members(said(subject.api, path, number)) for number in (0, 1))
    echo = Echo(subject.plain, first.tags)
    echo.hold(kind.create(first))
    assert not diff(observed(echo, first), first.spec)

    old = observed(echo, second)
    changes = diff(old, second.spec)
    assert changes, "the other value is another one"
    for change in changes:
        at = subject.changed(change)
        assert all(step in (expected, "team") for step, expected in zip(at, path, strict=False)), change
    echo.hold(kind.update(old, second, changes))
    assert not diff(observed(echo, second), second.spec)


@pytest.mark.parametrize(("name", "path"), SAMPLE)
def test_some_members_are_what_the_specs_say(name: str, path: Path) -> None:
    """Created, it differs in nothing; another value shows as that member alone, and once it is written no more."""
    holds(name, path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path"), CASES)
def test_members_are_what_the_specs_say(name: str, path: Path) -> None:
    """The same of all members that AWS shows again, and can change."""
    holds(name, path)
