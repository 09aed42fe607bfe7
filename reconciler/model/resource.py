"""Resource model: addresses, AWS calls as values, desired and observed resources.

Nothing here knows AWS beyond the fact that it answers calls. It is one module because each of these values is made of
others of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from reconciler.model.requirement import Requirement

T = TypeVar("T")
S = TypeVar("S", bound="Spec")

NONE: frozenset[Any] = frozenset()
NOTHING: Mapping[Any, Any] = MappingProxyType({})
TOKEN_LENGTH = 32  # ECS allows 36 characters, EC2 64


class Address(NamedTuple):
    """A resource's name in the specs, `subnet/app-public1-a`; never an AWS id.

    A tuple, because addresses are used as keys everywhere, and a tuple is hashed in C.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        kind, slash, name = text.partition("/")
        if not (kind and slash and name):
            raise ValueError(f"not an address: {text!r} (expected kind/name)")
        return cls(kind, name)


def existing(kind: str) -> str:
    """The type of those that others own, and that are looked up."""
    return f"existing-{kind}"


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands in a spec for the id of another resource of the stack until that id is known."""

    address: Address

    def __str__(self) -> str:
        return str(self.address)


Path: TypeAlias = tuple[str, ...]
"""Where a value stands in a spec: fields, keys of mappings, and items of sets as text."""


class Keep(StrEnum):
    """What a resource keeps in a field that its document does not state; VALUE to ITEMS only if it is adopted.

    Of STATED nothing is kept: a field of the document sets the member as a whole. Those of versions speak of a resource
    that would not change otherwise (model/input_version.py), adopted or not.
    """

    VALUE = "value"  # what AWS has, whatever it is, unless a field of the document set it before
    PRESENT = "present"  # what AWS has, if it has anything there
    ITEMS = "items"  # what AWS has beyond the items that the specs name
    MEMBERS = "members"  # what AWS has beyond the members that the specs name, at any depth
    STATED = "stated"  # nothing
    VERSION = "version"  # of what tasks read at their start: a version that is the same, or is not known
    ANY_VERSION = "any version"  # the same, whichever version it is
    PINNED = "pinned"  # whichever version it is, if the reference is pinned to one


Link: TypeAlias = Ref | str
"""An id in AWS, or a reference to the resource that will have one."""


class Spec(BaseModel):
    """The declarable fields of one resource. A field that is None is not declared and keeps its value in AWS.

    `optional` are those that go back to AWS's default, which is given, once a document that stated them does not any
    more (model/members.py).

    A spec within another may be `whole`: AWS takes it as a whole, so that a field that is None is left out of it, and a
    value there is a difference.
    """

    optional: ClassVar[Mapping[Path, Any]] = NOTHING
    whole: ClassVar[bool] = False

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def written_tags(self, at: Address) -> Mapping[str, str]:
        """The tags that say what has been written of fields that AWS does not show again."""
        return NOTHING


@dataclass(frozen=True, slots=True)
class Call:
    """One AWS API call, as a value: `Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/20"})`.

    `lasting` says of a read that its answer never changes, but for its tags: an earlier one with just these will do.
    `role`: the ARN of a role to assume for it, which may be in another account; empty for the caller's own.
    """

    service: str
    operation: str
    params: dict[str, Any] = field(default_factory=dict)
    lasting: Mapping[str, str] | None = field(default=None, compare=False)
    role: str = ""

    def __str__(self) -> str:
        return f"{self.service}.{self.operation}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Several calls in parallel; answered with the list of their responses in order.

    The first refusal replaces all responses; but with `missing_ok`, for reads, a call that names something missing is
    answered with None.
    """

    calls: tuple[Call, ...]
    missing_ok: bool = False

    @classmethod
    def of(cls, calls: Iterable[Call], *, missing_ok: bool = False) -> Batch:
        return cls(tuple(calls), missing_ok)


Calls: TypeAlias = Generator[Call | Batch, Any, T]
"""A conversation with AWS: a generator that yields calls, receives responses, and returns a result."""


class ServiceApi:
    """Creates calls as boto3 names them: `ec2.create_vpc(CidrBlock=…)` is a value, and nothing is sent.

    Parameters that are None are left out, so that an undeclared field needs no `if`.
    """

    def __init__(self, name: str) -> None:
        self.service = name

    def __getattr__(self, operation: str) -> Callable[..., Call]:
        if operation.startswith("__"):
            raise AttributeError(operation)
        camel = "".join(word.capitalize() for word in operation.split("_"))

        def call(**params: Any) -> Call:
            return Call(self.service, camel, {key: value for key, value in params.items() if value is not None})

        return call


class ResourceHealth(StrEnum):
    READY = "ready"
    PROGRESSING = "progressing"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Observed(Generic[S]):
    """A resource as it is in AWS, in the form of the spec that would have created it.

    `id` is what AWS's calls take. `tags` are all tags but AWS's own. `parent` is the id of the resource that determines
    its owner, if it has no tags of its own. `unread` names fields that this pass did not read. `facts` are for other
    types and cannot be declared (a DNS name, what is running). Four of them have a fixed meaning: `arn` and `ids` are
    further identifiers that writes may name it or its parts by, `deleting` says that it is being deleted, and
    `unusable` that nothing can refer to it and it will not become ready by itself.
    """

    address: Address
    id: str
    spec: S
    tags: Mapping[str, str] = field(default_factory=dict)
    health: ResourceHealth = ResourceHealth.READY
    reason: str = ""
    parent: str | None = None
    unread: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """A rename in the specs: the address before it, and the document or part that says so.

    `name` is the name that it has now, and `where` the place of its `moved_from`.
    """

    old: Address
    name: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What is wanted in place of a spec for as long as the resource at `until` does not exist."""

    until: Address
    spec: Spec


@dataclass(frozen=True, slots=True)
class Desired(Generic[S]):
    """A resource as the specs declare it.

    `tags` are all tags of its create call. `where` is its position in the specs, and `origins` the positions of single
    fields by dotted path, if they differ. `kept` are the fields that keep their values in AWS if the resource exists:
    members of its API, and with `adopt` what holds defaults of ours; `keeps_name`: so does its `Name` tag. `if_needed`:
    it is not created for an adopted resource that keeps another one. `accept_loss` are the losses that the document
    accepts. `known_as`: the id of what it adopts, which has no unique name. `moved`: it had another name before.
    `meanwhile`: what is wanted until something else exists, of which `held_until` names what is not there yet.
    `requires` is what has to hold of what it uses and others own.
    """

    address: Address
    spec: S
    tags: Mapping[str, str] = field(default_factory=dict)
    after: frozenset[Address] = frozenset()
    adopt: bool = False
    kept: Mapping[Path, Keep] = field(default_factory=lambda: NOTHING)
    keeps_name: bool = False
    if_needed: bool = False
    accept_loss: frozenset[str] = NONE
    known_as: str = ""
    protect: bool = False
    where: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)
    moved: Move | None = None
    meanwhile: Meanwhile | None = None
    held_until: Address | None = None
    requires: tuple[Requirement, ...] = ()
    _refs: list[frozenset[Address]] = field(default_factory=list, init=False, repr=False, compare=False)
    _resolved: dict[tuple[str | None, ...], Desired[S]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def refs(self) -> frozenset[Address]:
        if not self._refs:
            may = may_refer(type(self.spec))
            self._refs.append(frozenset(ref.address for ref in refs_in(self.spec)) if may else NONE)
        return self._refs[0]

    def resolved(self, ids: Mapping[Address, str]) -> Desired[S]:
        """The same with every reference whose id is known replaced by that id.

        With equal ids it is the same object: a pass resolves everything three times.
        """
        refs = self.refs()
        if not refs:
            return self
        known = tuple(map(ids.get, refs))
        found = self._resolved.get(known)
        if found is None:
            spec = resolve(self.spec, ids)
            tags = {**self.tags, **spec.written_tags(self.address)}
            found = self if spec is self.spec else replace(self, spec=spec, tags=tags)
            self._resolved.clear()  # ids that have changed do not change back
            self._resolved[known] = found
        return found

    def token(self, *salt: str) -> str:
        """A client token that is the same for the same desired resource in every process."""
        spec = self.spec.model_dump_json(exclude_defaults=True)  # the same after an upgrade that adds a field
        text = "\x1f".join((*sorted(f"{k}={v}" for k, v in self.tags.items()), spec, *salt))
        return hashlib.sha256(text.encode()).hexdigest()[:TOKEN_LENGTH]


def refs_in(value: Any) -> Iterator[Ref]:
    """Every reference in a spec, at any depth."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, str):
        return
    elif isinstance(value, BaseModel):
        for name in may_refer(type(value)):
            item = getattr(value, name)
            if item is not None:
                yield from refs_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from refs_in(item)
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from refs_in(item)


def resolve(value: Any, ids: Mapping[Address, str]) -> Any:
    """`value` with known references replaced; the same object if there was none."""
    if isinstance(value, Ref):
        return ids.get(value.address, value)
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        changed = {}
        for name in may_refer(type(value)):
            old = getattr(value, name)
            if old is None:
                continue
            new = resolve(old, ids)
            if new is not old:
                changed[name] = new
        return _with(value, changed) if changed else value
    if isinstance(value, dict):
        resolved = {key: resolve(item, ids) for key, item in value.items()}
        return value if all(resolved[key] is value[key] for key in resolved) else resolved
    if isinstance(value, tuple | list):
        items = type(value)(resolve(item, ids) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def _with(value: BaseModel, changed: Mapping[str, Any]) -> BaseModel:
    """`value` with other fields, in its canonical form: ids sort differently than the references that they replace."""
    validators = type(value).__pydantic_decorators__
    if not (validators.field_validators or validators.model_validators):
        return value.model_copy(update=changed)  # ten times as fast
    return type(value)(**{name: changed.get(name, getattr(value, name)) for name in value.model_fields_set})


@cache
def may_refer(spec: type[BaseModel]) -> tuple[str, ...]:
    """The fields of `spec` that can hold a reference. Most cannot, and planning checks all of them."""
    return tuple(name for name, info in spec.model_fields.items() if _can_hold_ref(info.annotation, frozenset({spec})))


def _can_hold_ref(annotation: Any, inside: frozenset[type]) -> bool:
    if annotation in (Any, Ref, object):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in inside:
            return False  # recursive: already being determined
        deeper = inside | {annotation}
        return any(_can_hold_ref(info.annotation, deeper) for info in annotation.model_fields.values())
    return any(_can_hold_ref(part, inside) for part in get_args(annotation))
