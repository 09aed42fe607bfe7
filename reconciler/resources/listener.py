"""A listener: a port of a load balancer, and what happens to requests there that no rule catches.

It has no name; a load balancer has one listener a port, and ours are told apart by their tags, so that one can change
its port. Where a rollout moves the traffic, the action is its own: the specs then only say what it is at first.

It is one module because it is the whole of one type; what it shares with a rule is in `_elb_actions.py` and
`_sign_in.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue, field_validator

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.other_tools import TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Operation, Permissions
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, Path, Ref
from reconciler.model.resource_type import Depth, FieldMark, OwnedBy, ResourceType, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _elb, _elb_actions, _gone, _sign_in, _tags
from reconciler.resources._elb import elbv2
from reconciler.resources._elb_actions import Action
from reconciler.resources._sign_in import SignIn

API: Final = ApiMembers(
    "elbv2",
    create="CreateListener",
    update="ModifyListener",
    described="Listener",
    words={
        "LoadBalancerArn": "the LoadBalancer document",
        "Port": "port",
        "Protocol": "protocol",
        "Certificates": "certificates",
        "SslPolicy": "ssl_policy",
        "Tags": "the document's `tags`",
        "DefaultActions.RedirectConfig": "default_action",
        "DefaultActions.FixedResponseConfig": "default_action",
        **_elb_actions.words("DefaultActions"),
    },
    owned=_elb_actions.owned("DefaultActions"),
    others=("AlpnPolicy", "DefaultActions", "MutualAuthentication.TrustStoreArn"),
)


class ListenerSpec(resource.Spec):
    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {_sign_in.PATH: SignIn()}

    load_balancer: Annotated[Link, FieldMark.IMMUTABLE]
    port: int
    protocol: str
    certificates: tuple[Link, ...] | None = None
    """ARNs. The first is the default certificate, for clients that name no host; the others are a set."""
    ssl_policy: str | None = None
    default_action: Action | None = None
    initial_action: Annotated[Action | None, OwnedBy("rollout")] = None
    sticky: Annotated[bool | None, OwnedBy("rollout")] = None
    """The rollout decides whether clients stay with a target group."""
    sign_in: SignIn | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}

    def written_tags(self, at: Address) -> Mapping[str, str]:
        return members.digests(API, self.aws, at, _sign_in.hidden(self.sign_in))

    @field_validator("certificates")
    @classmethod
    def _sort_all_but_the_first(cls, certificates: tuple[Link, ...] | None) -> tuple[Link, ...] | None:
        return None if certificates is None else _certificates(certificates)


class Listener(ResourceType[ListenerSpec]):
    kind: ClassVar[str] = "listener"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "elasticloadbalancing",
            "Listeners per Application Load Balancer",
            50,
            "L-B6DF7632",
            count=listed(elbv2.describe_listeners, "Listeners", "LoadBalancerArn"),
            within=lambda spec: spec.load_balancer,
        ),
    )
    Spec = ListenerSpec
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ElasticLoadBalancingV2::Listener", "ListenerArn")
    taken_over: ClassVar[bool] = True
    changed_by: ClassVar[tuple[Operation, ...]] = (("elbv2", "ModifyListenerAttributes"),)
    creates: ClassVar[tuple[str, ...]] = ("CreateListener",)
    inside: ClassVar[tuple[str, str] | None] = ("load_balancer", "load-balancer")
    observe_after: ClassVar[tuple[str, ...]] = ("load-balancer", "target-group", "existing-secret")
    volatile: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(on_behalf=(_sign_in.ON_BEHALF,))

    def arns(self, spec: ListenerSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return _sign_in.user_pools(spec.sign_in)

    def required_properties(self, found: Observed[ListenerSpec]) -> Mapping[str, Any]:
        return {
            "LoadBalancerArn": str(found.spec.load_balancer),
            "Port": found.spec.port,
            "Protocol": found.spec.protocol,
            "DefaultActions": [dict(action) for action in found.facts["actions"]],
            "Certificates": [{"CertificateArn": str(one)} for one in (found.spec.certificates or ())[:1]] or None,
        }

    def in_terraform(self, found: Observed[ListenerSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_lb_listener", found.id)
        for certificate in (found.spec.certificates or ())[1:]:
            part = str(certificate).rpartition("/")[2]
            yield TerraformImport("aws_lb_listener_certificate", f"{found.id}_{certificate}", part)

    def observe(self, scope: Scope) -> Calls[list[Observed[ListenerSpec]]]:
        answers = yield from _gone.answers(
            [elbv2.describe_listeners(LoadBalancerArn=arn) for arn in _load_balancers(scope)]
        )
        items = {item["ListenerArn"]: item for answer in answers if answer for item in answer["Listeners"]}
        items = _elb.known(items, _places(items), _wanted(scope), scope)
        several = _several(scope)
        secure = [arn for arn in items if items[arn].get("Certificates") and _in_depth(items[arn], several, scope)]

        def build(tags: _elb.Tags, read: list[Any]) -> list[Observed[ListenerSpec]]:
            return self._observed(scope, items, tags, dict(zip(secure, read, strict=True)))

        certificates = (elbv2.describe_listener_certificates(ListenerArn=arn) for arn in secure)
        return (yield from _elb.observed(scope, items, build, *certificates))

    def _observed(
        self, scope: Scope, items: Mapping[str, Any], tags: _elb.Tags, certificates: Mapping[str, Any]
    ) -> list[Observed[ListenerSpec]]:
        known = [arn for arn in items if arn in tags and certificates.get(arn, items) is not None]
        places = _places({arn: items[arn] for arn in known})
        addresses = _elb.addresses(self.kind, places, _wanted(scope), tags, scope)
        wanted = {want.address: want.spec for want in scope.wanted}
        found = []
        for arn, address in addresses.items():
            want = wanted.get(address)
            mine, sticky, sign_in = ({}, None, None) if want is None else (want.aws, want.sticky, want.sign_in)
            signed = _sign_in.stated(sign_in, tags[arn])
            item = _elb_actions.shown(items[arn], "DefaultActions", sticky=sticky, signed=signed)
            facts = {
                "actions": items[arn]["DefaultActions"],
                "listed": _listed_beside(certificates.get(arn)),
                "item": item,
                "unstated": members.unstated(API, mine, item),
            }
            aws = members.seen(API, mine, item, tags[arn], address) if mine else {}
            several = _several(scope)
            there = _sign_in.read(items[arn]["DefaultActions"], sign_in, tags[arn], address)
            update = {"aws": aws, _sign_in.FIELD: there}
            spec = read_listener(items[arn], certificates.get(arn)).model_copy(update=update)
            found.append(
                Observed(address, arn, spec, tags[arn], unread=_unread(items[arn], several, scope), facts=facts)
            )
        return found

    def excludes(self, want: ListenerSpec, found: ListenerSpec) -> str:
        same = (want.load_balancer, want.port) == (found.load_balancer, found.port)
        return f"port {want.port}" if same else ""

    def renamed_from(self, old: str, new: str) -> str:
        return _elb.renamed_part(old, new)

    def forwards(self, spec: ListenerSpec) -> Mapping[Link, int]:
        return _elb_actions.forwards(spec.default_action or spec.initial_action)

    def claiming(
        self, old: Observed[ListenerSpec], new: Desired[ListenerSpec], owned: Set[str]
    ) -> Desired[ListenerSpec]:
        action = _elb_actions.claimed(old.spec.default_action, new.spec.initial_action, owned)
        return new if action is None else replace(new, spec=new.spec.model_copy(update={"default_action": action}))

    def continuing(
        self,
        new: Desired[ListenerSpec],
        old: Observed[ListenerSpec] | None,
        world: Iterable[Observed[Any]],
        promoted: Set[str],
        serving: Set[str],
    ) -> Desired[ListenerSpec]:
        at, balancer = None if old is None else old.id, new.spec.load_balancer
        action = _elb_actions.continued(new.spec.initial_action, at, balancer, world, promoted, serving)
        return replace(new, spec=new.spec.model_copy(update={"initial_action": action}))

    def without(
        self, old: Observed[ListenerSpec], new: Desired[ListenerSpec], missing: Set[Address]
    ) -> Desired[ListenerSpec]:
        """It shows the certificates that are issued, and the others once they are."""
        certificates = new.spec.certificates or ()
        ready = tuple(one for one in certificates if not (isinstance(one, Ref) and one.address in missing))
        if not ready or ready == certificates:
            return new
        return replace(new, spec=new.spec.model_copy(update={"certificates": ready}))

    def retaining(self, old: Observed[ListenerSpec], new: Desired[ListenerSpec], usage: Usage) -> Desired[ListenerSpec]:
        action = _elb_actions.handed_over(old.spec.default_action, new.spec.default_action, usage)
        return replace(new, spec=new.spec.model_copy(update={"default_action": action}))

    def create(self, new: Desired[ListenerSpec]) -> Calls[str]:
        spec = new.spec
        first, others = (spec.certificates or ())[:1], (spec.certificates or ())[1:]
        actions = _elb_actions.actions(spec.default_action, spec.initial_action, new, "DefaultActions")
        signed = yield from _sign_in.placed(actions, None, new)
        try:
            answer = yield elbv2.create_listener(
                LoadBalancerArn=spec.load_balancer,
                Port=spec.port,
                Protocol=spec.protocol,
                Certificates=_listed(first) or None,
                SslPolicy=spec.ssl_policy,
                DefaultActions=signed,
                Tags=_tags.pairs(new.tags),
                **{name: value for name, value in spec.aws.items() if name != "DefaultActions"},
            )
        except errors.Exists:
            answer = yield elbv2.describe_listeners(LoadBalancerArn=spec.load_balancer)
            arns: list[str] = [item["ListenerArn"] for item in answer["Listeners"] if item["Port"] == spec.port]
            tags, _ = yield from _elb.read(arns)
            for arn in arns:
                if _tags.is_this(tags.get(arn, {}), new):
                    return arn
            raise
        made: str = answer["Listeners"][0]["ListenerArn"]
        for certificate in others:  # one a call
            yield elbv2.add_listener_certificates(ListenerArn=made, Certificates=_listed([certificate]))
        return made

    def update(
        self, old: Observed[ListenerSpec], new: Desired[ListenerSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        spec, fields = new.spec, {change.field for change in changes}
        certificates = spec.certificates or ()
        settings: dict[str, Any] = {}
        if "port" in fields:
            settings["Port"] = spec.port
        if fields & {"protocol", "certificates", "ssl_policy"}:
            # a listener cannot become secure without its certificate in the same call
            settings |= {"Protocol": spec.protocol, "SslPolicy": spec.ssl_policy}
            settings["Certificates"] = _listed(certificates[:1]) or None
        paths = [change.path for change in changes]
        if "aws" in fields:
            settings |= members.changed(API, spec.aws, old.facts["item"], paths)
        if "DefaultActions" in settings or _sign_in.FIELD in fields:
            listing = elbv2.describe_listeners(ListenerArns=[old.id])
            settings["DefaultActions"] = yield from _elb_actions.rewritten(
                listing, "Listeners", "DefaultActions", new, spec.default_action
            )
        elif "default_action" in fields and spec.default_action is not None:
            said = _elb_actions.said_in(spec, "DefaultActions")
            settings["DefaultActions"] = _elb_actions.written(spec.default_action, old.facts["actions"], said)
        if "DefaultActions" in settings:
            settings["DefaultActions"] = yield from _sign_in.placed(settings["DefaultActions"], old, new, changes)
        others = set(old.facts["listed"]) if "certificates" in fields else set(certificates[1:])
        for missing in sorted(set(certificates[1:]) - others, key=str):
            yield elbv2.add_listener_certificates(ListenerArn=old.id, Certificates=_listed([missing]))
        if settings:
            yield elbv2.modify_listener(ListenerArn=old.id, **settings)
        for spare in sorted(others - set(certificates), key=str):
            yield elbv2.remove_listener_certificates(ListenerArn=old.id, Certificates=_listed([spare]))

    def lost(
        self, old: Observed[ListenerSpec], new: Desired[ListenerSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        return _elb_actions.lost_actions(old.facts["actions"], "default_action", new.spec.default_action, changes)

    def delete(self, old: Observed[ListenerSpec]) -> Calls[None]:
        yield from _gone.let_go(elbv2.delete_listener(ListenerArn=old.id))

    def update_tags(self, old: Observed[ListenerSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _elb.update_tags(old, put, drop)


def _load_balancers(scope: Scope) -> list[str]:
    """Whose listeners to read: our own, those that the specs name by ARN, and those with a listener known as ours."""
    ours = {found.id for found in scope.ours("load-balancer")}
    named = {link for want in scope.wanted if isinstance(link := want.spec.load_balancer, str)}
    kinds = ("listener/app/", "listener/net/")
    arns = (arn for kind in kinds for arn in scope.swept_arns("elasticloadbalancing", kind))
    swept = {_elb_actions.load_balancer_of(arn) for arn in arns}
    return sorted(ours | named | swept)


def _places(items: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {arn: (item["LoadBalancerArn"], item.get("Port")) for arn, item in items.items()}


def _wanted(scope: Scope) -> dict[tuple[Any, ...], Address]:
    return {(want.spec.load_balancer, want.spec.port): want.address for want in scope.wanted}


def read_listener(item: Mapping[str, Any], answer: Mapping[str, Any] | None) -> ListenerSpec:
    default = tuple(found["CertificateArn"] for found in item.get("Certificates", ()))
    every = () if answer is None else tuple(found["CertificateArn"] for found in answer["Certificates"])
    return ListenerSpec(
        load_balancer=item["LoadBalancerArn"],
        port=item.get("Port", 0),
        protocol=item.get("Protocol", ""),
        certificates=default + every,
        ssl_policy=item.get("SslPolicy"),
        default_action=_elb_actions.read_action(item["DefaultActions"]),
    )


def _several(scope: Scope) -> frozenset[tuple[Any, ...]]:
    """Where listeners are wanted with several certificates, which may become usable at any time."""
    several = (want.spec for want in scope.wanted if len(want.spec.certificates or ()) > 1)
    return frozenset((spec.load_balancer, spec.port) for spec in several)


def _in_depth(item: Mapping[str, Any], several: Set[tuple[Any, ...]], scope: Scope) -> bool:
    """Whether all of its certificates are read; a listing says only the first."""
    due = scope.depth is Depth.MEDIUM and (item["LoadBalancerArn"], item.get("Port")) in several
    return scope.depth is Depth.FULL or due


def _unread(item: Mapping[str, Any], several: Set[tuple[Any, ...]], scope: Scope) -> frozenset[str]:
    partly = item.get("Certificates") and not _in_depth(item, several, scope)
    return frozenset({"certificates"}) if partly else frozenset()


def _listed_beside(answer: Mapping[str, Any] | None) -> frozenset[str]:
    """The certificates that were added to the default one. AWS lists one that is both twice, and keeps it when another
    becomes the default (ELB API Reference, DescribeListenerCertificates).
    """
    listed = () if answer is None else answer["Certificates"]
    return frozenset(item["CertificateArn"] for item in listed if not item.get("IsDefault"))


def _certificates(arns: tuple[Link, ...]) -> tuple[Link, ...]:
    """Canonical order. AWS lists the default certificate among the others again, and all of them in any order."""
    return arns[:1] + tuple(sorted(set(arns[1:]) - set(arns[:1]), key=str))


def _listed(arns: Iterable[Link]) -> list[dict[str, Link]]:
    return [{"CertificateArn": arn} for arn in arns]
