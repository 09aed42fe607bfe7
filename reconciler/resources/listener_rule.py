"""A rule of a listener: which requests it catches, and what happens to them.

A priority is unique to its listener, and ours are told apart by their tags, so that one can change its priority. Two
that change places do so in one call: AWS refuses a priority that is taken, even for a moment.

It is one module because its fields and words are one already (`_rule_fields.py`), and what is left is the whole type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import elb_actions, member_values, members, ownership
from reconciler.model.diff import Change
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.quota import Quota
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, Path
from reconciler.model.resource_type import Replace, ResourceType, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _conditions, _elb, _elb_actions, _gone, _sign_in, _tags
from reconciler.resources._elb import elbv2
from reconciler.resources._rule_fields import API, ListenerRuleSpec, others, read, written

__all__ = ["API", "ListenerRule", "ListenerRuleSpec"]

LOWEST, HIGHEST = 1, 50_000
"""Priorities that ELB takes."""

FREE = 3
"""How many free priorities to name where the wanted one is taken."""


def _rules_beside(listener: str) -> Calls[int]:
    """Rules of all listeners of the load balancer, without their default ones."""
    answer = yield elbv2.describe_listeners(LoadBalancerArn=_elb_actions.load_balancer_of(listener))
    count = 0
    for item in answer["Listeners"]:
        rules = yield elbv2.describe_rules(ListenerArn=item["ListenerArn"])
        count += sum(not rule.get("IsDefault") for rule in rules["Rules"])
    return count


class ListenerRule(ResourceType[ListenerRuleSpec]):
    kind: ClassVar[str] = "listener-rule"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "elasticloadbalancing",
            "Rules per Application Load Balancer",
            100,
            "L-7EED9B64",
            count=_rules_beside,
            within=lambda spec: spec.listener,
        ),
    )
    Spec = ListenerRuleSpec
    terraform: ClassVar[str] = "aws_lb_listener_rule"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ElasticLoadBalancingV2::ListenerRule", "RuleArn")
    taken_over: ClassVar[bool] = True
    creates: ClassVar[tuple[str, ...]] = ("CreateRule",)
    inside: ClassVar[tuple[str, str] | None] = ("listener", "listener")
    observe_after: ClassVar[tuple[str, ...]] = ("listener", "existing-listener", "target-group", "existing-secret")
    volatile: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(on_behalf=(_sign_in.ON_BEHALF,))
    replace: ClassVar[Replace] = Replace.CREATE_FIRST
    exchanges: ClassVar[bool] = True

    def arns(self, spec: ListenerRuleSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return _sign_in.user_pools(spec.sign_in)

    def required_properties(self, found: Observed[ListenerRuleSpec]) -> Mapping[str, Any]:
        return {
            "Priority": found.spec.priority,
            "Conditions": [*written(found.spec), *map(dict, found.facts["conditions"])],
            "Actions": [dict(action) for action in found.facts["actions"]],
        }

    def observe(self, scope: Scope) -> Calls[list[Observed[ListenerRuleSpec]]]:
        listeners = _listeners(scope)
        answers = yield from _gone.answers([elbv2.describe_rules(ListenerArn=arn) for arn in listeners])
        items = {
            item["RuleArn"]: (listener, item)
            for listener, answer in zip(listeners, answers, strict=True)
            for item in (answer or {"Rules": ()})["Rules"]
            if not item.get("IsDefault")  # the listener's own action, shown as a rule
        }
        places = {arn: (listener, int(item["Priority"])) for arn, (listener, item) in items.items()}
        held = {listener: sorted(number for of, number in places.values() if of == listener) for listener in listeners}
        wanted = {(want.spec.listener, want.spec.priority): want.address for want in scope.wanted}
        items = _elb.known(items, places, wanted, scope)

        def build(tags: _elb.Tags, _: list[Any]) -> list[Observed[ListenerRuleSpec]]:
            there = {arn: places[arn] for arn in items if arn in tags}
            found = _elb.addresses(self.kind, there, wanted, tags, scope)
            specs = {want.address: want.spec for want in scope.wanted}
            return [
                _observed(address, arn, *items[arn], tags[arn], held, specs.get(address))
                for arn, address in found.items()
            ]

        return (yield from _elb.observed(scope, items, build))

    def excludes(self, want: ListenerRuleSpec, found: ListenerRuleSpec) -> str:
        same = (want.listener, want.priority) == (found.listener, found.priority)
        return f"priority {want.priority}" if same else ""

    def instead(self, want: ListenerRuleSpec, found: Observed[ListenerRuleSpec]) -> str:
        free = _free(want.priority, found.facts["priorities"])
        return f"choose a free priority, such as {', '.join(map(str, free))}"

    def renamed_from(self, old: str, new: str) -> str:
        return _elb.renamed_part(old, new)

    def forwards(self, spec: ListenerRuleSpec) -> Mapping[Link, int]:
        """A rule that takes no requests yet sends none, whatever its weights."""
        groups = _elb_actions.forwards(spec.action or spec.initial_action)
        return dict.fromkeys(groups, 0) if _conditions.takes_none(spec) else groups

    def succeeds(
        self, old: Observed[ListenerRuleSpec] | None, new: Desired[ListenerRuleSpec], other: Observed[Any]
    ) -> bool:
        """It takes requests that the listener, or another of its rules, has now."""
        if other.id == new.spec.listener:
            theirs = new.spec.model_copy(update=dict.fromkeys(("paths", "hosts"), ()))
        elif isinstance(other.spec, ListenerRuleSpec) and other.spec.listener == new.spec.listener:
            theirs = other.spec
        else:
            return False
        present = old if old is not None and old.spec.listener == new.spec.listener else None
        if present is not None and (
            other.id == present.id or _conditions.covers(present.spec, _filled(new.spec, present.spec))
        ):
            return False
        return _conditions.overlap(theirs, new.spec)

    def waiting(self, new: Desired[ListenerRuleSpec]) -> Desired[ListenerRuleSpec]:
        others = {"aws": {**new.spec.aws, "Conditions": []}} if new.spec.aws.get("Conditions") else {}
        return replace(new, spec=new.spec.model_copy(update={**_conditions.NONE_YET, **others}))

    def claiming(
        self, old: Observed[ListenerRuleSpec], new: Desired[ListenerRuleSpec], owned: Set[str]
    ) -> Desired[ListenerRuleSpec]:
        action = _elb_actions.claimed(old.spec.action, new.spec.initial_action, owned)
        return new if action is None else replace(new, spec=new.spec.model_copy(update={"action": action}))

    def continuing(
        self,
        new: Desired[ListenerRuleSpec],
        old: Observed[ListenerRuleSpec] | None,
        world: Iterable[Observed[Any]],
        promoted: Set[str],
        serving: Set[str],
    ) -> Desired[ListenerRuleSpec]:
        at = new.spec.listener
        balancer = _elb_actions.load_balancer_of(at) if isinstance(at, str) else None
        action = _elb_actions.continued(new.spec.initial_action, at, balancer, world, promoted, serving)
        return replace(new, spec=new.spec.model_copy(update={"initial_action": action}))

    def retaining(
        self, old: Observed[ListenerRuleSpec], new: Desired[ListenerRuleSpec], usage: Usage
    ) -> Desired[ListenerRuleSpec]:
        """It catches other requests only once it sends them to the new target groups, in the same call if it can.

        Requests that another rule is to take, it takes until that one does.
        """
        action = _elb_actions.handed_over(old.spec.action, new.spec.action, usage)
        if old.id in usage.unserved:
            return replace(new, spec=new.spec.model_copy(update={"action": action}))
        kept: dict[str, Any] = {}
        if _conditions.takes_none(old.spec):
            stays = not _elb_actions.receiving(old.spec.action) <= usage.proven
        else:
            stays = _elb_actions.sent_elsewhere(action or old.spec.action, new.spec.initial_action or new.spec.action)
        if not stays and old.id in usage.awaited | usage.exchanged:
            both = _conditions.widened(old.spec, _filled(new.spec, old.spec))
            stays, kept = both is None and old.id in usage.awaited, both or {}
        if stays:
            kept = {name: getattr(old.spec, name) for name in _conditions.FIELDS}
        return replace(new, spec=new.spec.model_copy(update={"action": action, **kept}))

    def create(self, new: Desired[ListenerRuleSpec]) -> Calls[str]:
        spec = new.spec
        actions = _elb_actions.actions(spec.action, spec.initial_action, new, "Actions")
        signed = yield from _sign_in.placed(actions, None, new)
        try:
            answer = yield elbv2.create_rule(
                ListenerArn=spec.listener,
                Priority=spec.priority,
                Conditions=[*written(spec), *(_elb_actions.said_in(spec, "Conditions") or ())],
                Actions=signed,
                Transforms=spec.aws.get("Transforms"),
                Tags=_tags.pairs(new.tags),
            )
        except errors.Exists:
            holder, tags = yield from _holder(spec.listener, spec.priority)
            if not _tags.is_this(tags, new):
                raise
            return holder
        arn: str = answer["Rules"][0]["RuleArn"]
        return arn

    def update(
        self, old: Observed[ListenerRuleSpec], new: Desired[ListenerRuleSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        spec, fields = new.spec, {change.field for change in changes}
        if "priority" in fields:
            yield from _move(old, new)
        settings: dict[str, Any] = {}
        if "aws" in fields:
            settings |= members.changed(API, spec.aws, old.facts["item"], [change.path for change in changes])
        if "Conditions" in settings or not fields.isdisjoint(_conditions.FIELDS):  # what is not declared stays as it is
            said = _elb_actions.said_in(spec, "Conditions")
            more = old.facts["conditions"] if said is None else said
            settings["Conditions"] = [*written(_filled(spec, old.spec)), *more]
        if "Actions" in settings or _sign_in.FIELD in fields:
            listing = elbv2.describe_rules(RuleArns=[old.id])
            settings["Actions"] = yield from _elb_actions.rewritten(listing, "Rules", "Actions", new, spec.action)
        elif "action" in fields and spec.action is not None:
            said = _elb_actions.said_in(spec, "Actions")
            settings["Actions"] = _elb_actions.written(spec.action, old.facts["actions"], said)
        if "Actions" in settings:
            settings["Actions"] = yield from _sign_in.placed(settings["Actions"], old, new, changes)
        if settings:
            yield elbv2.modify_rule(RuleArn=old.id, **settings)

    def lost(
        self, old: Observed[ListenerRuleSpec], new: Desired[ListenerRuleSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        return _elb_actions.lost_actions(old.facts["actions"], "action", new.spec.action, changes)

    def delete(self, old: Observed[ListenerRuleSpec]) -> Calls[None]:
        yield from _gone.let_go(elbv2.delete_rule(RuleArn=old.id))

    def update_tags(self, old: Observed[ListenerRuleSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _elb.update_tags(old, put, drop)


def _listeners(scope: Scope) -> list[str]:
    """Whose rules to read: of our own listeners, those that the specs name, and those with a rule known as ours."""
    ours = {found.id for found in scope.ours("listener")}
    named = {link for want in scope.wanted if isinstance(link := want.spec.listener, str) and link.startswith("arn:")}
    rules = scope.swept_arns("elasticloadbalancing", "listener-rule/app/")
    return sorted(ours | named | {elb_actions.listener_of(arn) for arn in rules})


def _move(old: Observed[ListenerRuleSpec], new: Desired[ListenerRuleSpec]) -> Calls[None]:
    """Take the wanted priority, in exchange for the present one where another rule of the stack holds it."""
    mine = {"RuleArn": old.id, "Priority": new.spec.priority}
    try:
        yield elbv2.set_rule_priorities(RulePriorities=[mine])
    except errors.Exists:
        holder, tags = yield from _holder(old.spec.listener, new.spec.priority)
        if holder == old.id:
            return  # the other one's exchange has brought it here
        if ownership.owner(tags) != ownership.owner(new.tags):
            raise
        theirs = {"RuleArn": holder, "Priority": old.spec.priority}
        yield elbv2.set_rule_priorities(RulePriorities=[mine, theirs])


def _holder(listener: Any, priority: int) -> Calls[tuple[str, dict[str, str]]]:
    """The ARN and the tags of the rule that has a priority; neither, if it has gone in the meantime."""
    answer = yield elbv2.describe_rules(ListenerArn=listener)
    arn = next((item["RuleArn"] for item in answer["Rules"] if item["Priority"] == str(priority)), "")
    tags, _ = yield from _elb.read([arn] if arn else [])
    return arn, tags.get(arn, {})


def _filled(spec: ListenerRuleSpec, present: ListenerRuleSpec) -> ListenerRuleSpec:
    return spec.model_copy(
        update={name: getattr(present, name) for name in _conditions.FIELDS if getattr(spec, name) is None}
    )


def _observed(
    address: Address,
    arn: str,
    listener: str,
    item: Mapping[str, Any],
    tags: Mapping[str, str],
    held: Mapping[str, Sequence[int]],
    want: ListenerRuleSpec | None,
) -> Observed[ListenerRuleSpec]:
    said, sticky, sign_in = ({}, None, None) if want is None else (want.aws, want.sticky, want.sign_in)
    signed = _sign_in.stated(sign_in, tags)
    shown = {**_elb_actions.shown(item, "Actions", sticky=sticky, signed=signed), "Conditions": list(others(item))}
    left = {} if want is None else members.left(API, said, shown, tags)
    others_have = (path for path in members.unstated(API, said, shown) if path not in left)
    facts = _facts(listener, item, held) | {"item": shown, "unstated": tuple(others_have)}
    facts[members.LEFT] = {(members.FIELD, *path): value for path, value in left.items()}
    aws = members.seen(API, member_values.merged(said, members.laid(left)), shown, tags, address)
    there = _sign_in.read(item["Actions"], sign_in, tags, address)
    spec = read(listener, item).model_copy(update={"aws": aws, _sign_in.FIELD: there})
    return Observed(address, arn, spec, tags=tags, facts=facts)


def _facts(listener: str, item: Mapping[str, Any], held: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    return {
        "conditions": others(item),
        "actions": item["Actions"],
        "priorities": held[listener],
    }


def _free(priority: int, held: Sequence[int]) -> list[int]:
    """The free priorities nearest to one that is not."""
    near = range(max(LOWEST, priority - len(held) - FREE), min(HIGHEST, priority + len(held) + FREE) + 1)
    free = [number for number in near if number not in held and number != priority]
    return sorted(sorted(free, key=lambda number: (abs(number - priority), number))[:FREE])
