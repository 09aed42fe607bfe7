"""What is desired, before and after the ids are known that it refers to."""

from __future__ import annotations

from reconciler.model.resource import Address, Desired, Link, Ref, Spec

VPC, GROUP = Address("vpc", "app"), Address("security-group", "tasks")


class Inner(Spec):
    groups: tuple[Link, ...] = ()


class Outer(Spec):
    name: str = "app"
    vpc: Link | None = None
    inner: Inner | None = None


def outer() -> Desired[Outer]:
    spec = Outer(vpc=Ref(VPC), inner=Inner(groups=(Ref(GROUP), "sg-theirs")))
    return Desired(Address("subnet", "a"), spec, {"team": "web"})


def test_references_become_ids_as_far_as_they_are_known() -> None:
    """However deep they stand; what nobody knows yet stays a reference."""
    want = outer()
    assert want.refs() == {VPC, GROUP}
    half = want.resolved({VPC: "vpc-1", Address("vpc", "other"): "vpc-2"})
    assert (half.spec.vpc, half.spec.inner) == ("vpc-1", want.spec.inner)
    assert half.refs() == {GROUP}
    whole = half.resolved({GROUP: "sg-1"})
    assert whole.spec == Outer(vpc="vpc-1", inner=Inner(groups=("sg-1", "sg-theirs")))
    assert (whole.refs(), whole.tags) == (frozenset(), {"team": "web"})
    assert want == outer()


def test_the_same_ids_give_the_very_same_object_and_others_another() -> None:
    """A pass resolves everything several times; an id that changes in between is seen."""
    want = outer()
    first = want.resolved({VPC: "vpc-1", GROUP: "sg-1"})
    assert want.resolved({GROUP: "sg-1", VPC: "vpc-1", Address("vpc", "x"): "vpc-9"}) is first
    second = want.resolved({VPC: "vpc-2", GROUP: "sg-1"})
    assert second.spec.vpc == "vpc-2"
    assert want.resolved({GROUP: "sg-1"}).spec.vpc == Ref(VPC)
    assert want.resolved({VPC: "vpc-1", GROUP: "sg-1"}) == first
    assert want.resolved({}) == want


def test_what_refers_to_nothing_is_resolved_already() -> None:
    """Nothing is copied."""
    want = Desired(Address("cluster", "apps"), Outer(vpc="vpc-1"))
    assert want.resolved({VPC: "vpc-1"}) is want


def test_an_address_is_read_as_it_is_written() -> None:
    """It sorts by kind and then by name."""
    assert Address.parse("subnet/app/a") == Address("subnet", "app/a")
    assert str(Address("subnet", "app/a")) == "subnet/app/a"
    assert sorted([Address("vpc", "a"), Address("subnet", "b"), Address("subnet", "a")])[0] == Address("subnet", "a")
