"""What the laws need to know of a resource type: one that can be made, what it needs, and what may be changed of it.

Each `tests/resources/test_<module>.py` defines `EXAMPLE`; the laws find it by that name:

    EXAMPLE = Example(
        wish("subnet/web", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.1.0/24", public_ip_on_launch=False, …)),
        needs=(wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),),
        edits=(
            Edit({"public_ip_on_launch": True}, "public_ip_on_launch"),
            Edit({"cidr": "10.0.2.0/24"}, "cidr"),
        ),
    )

Tags are added by the laws, once as ours and once as another stack's. Every field that an edit touches must be declared
by the example itself, so that the edit can also be seen as a change from outside and be put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.resource import Address, Desired, Ref, Spec


@dataclass(frozen=True, slots=True)
class Edit:
    """Other values for some fields, and the paths, as `str(change)` writes them, at which the diff must then differ.

    Edits of immutable fields, and of those that start new tasks, are only looked at and not carried out.
    """

    fields: Mapping[str, Any]
    paths: tuple[str, ...]

    def __init__(self, fields: Mapping[str, Any], *paths: str) -> None:
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "paths", tuple(sorted(paths)))

    def of(self, spec: Spec) -> Spec:
        values = {name: getattr(spec, name) for name in type(spec).model_fields}
        return type(spec).model_validate(values | dict(self.fields))


@dataclass(frozen=True, slots=True)
class Example:
    """`desired` is the resource itself, `needs` what has to be made before it, in that order (for its edits too).

    `unique`: it has a name of its own in AWS, so creating it again must adopt what is there, and what somebody else
    made under that name must be shown. `taggable`: AWS keeps tags for it. `decoys`: a look-alike of another stack,
    last, after what it needs; by default the same once more, which only what has no unique name allows.
    """

    desired: Desired[Any]
    needs: tuple[Desired[Any], ...] = ()
    edits: tuple[Edit, ...] = ()
    unique: bool = False
    taggable: bool = True
    decoys: tuple[Desired[Any], ...] = ()


def wish(address: str, spec: Spec) -> Desired[Any]:
    """Something desired: `wish("vpc/web", VpcSpec(…))`."""
    return Desired(Address.parse(address), spec)


def ref(address: str) -> Ref:
    """Stands for the id of something in `needs`: `ref("vpc/web")`."""
    return Ref(Address.parse(address))
