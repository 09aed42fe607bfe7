"""Deferral: which actions of a plan wait, judged from what is observed. Pure.

What exists is used by something: tasks run on subnets, listeners send requests to target groups, other resources refer
to it. A change is made in the order make, attach, prove healthy, detach, delete, over as many passes as that takes:

- What something still refers to is not deleted, nor is what tasks use, in any version.
- A listener or rule goes on sending requests where it did until those are served elsewhere (`ResourceType.retaining`),
  and a new rule takes requests that are served today once its own targets are healthy (succession.py).
- A service that leaves goes once new services are healthy and no listener sends requests to it any more.
- Fewer tasks, lower bounds of scaling, its policies and listener rules follow the release, so that a failed version
  leaves them as they were, and production is not smaller because of a version that does not serve yet. More tasks and
  higher bounds do not wait, nor does what is changed after the wanted version has failed, or what only tests pass.

Nothing is remembered between passes: an action is deferred for as long as what it waits for can be seen.

It is one class because every judgement rests on the same survey of what is in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import ordering, ownership
from reconciler.model.diff import diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Consequence, Deferred, Plan, Verb
from reconciler.model.plan import DeferralCode as Code
from reconciler.model.resource import Address, Desired, Observed, Ref, ResourceHealth
from reconciler.model.type_registry import ResourceTypes
from reconciler.model.usage import Usage
from reconciler.reconcile import engine_changes, in_flight, partial_update, read_only
from reconciler.reconcile.deferral_reasons import Reason, deferred_for
from reconciler.reconcile.expectations import UNSEEN
from reconciler.reconcile.followers import changed_alone, followers
from reconciler.reconcile.succession import begun, entries_of, listeners_for_tests, succession
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS


def deferral(
    plan: Plan,
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    kinds: ResourceTypes,
    deliveries: Iterable[RolloutSpec],
) -> Plan:
    """The plan without what has to wait; that is in its `deferred`, with the reason."""
    return _Deferral(plan, world, desired, kinds, tuple(deliveries)).plan()


class _Deferral:
    def __init__(
        self,
        plan: Plan,
        world: ObservedState,
        desired: Mapping[Address, Desired[Any]],
        kinds: ResourceTypes,
        deliveries: tuple[RolloutSpec, ...],
    ) -> None:
        self.draft, self.desired, self.kinds, self.deliveries = plan, desired, kinds, deliveries
        self.world = tuple(one for one in world if UNSEEN not in one.facts)
        self.services = tuple(one for one in self.world if one.address.kind == "service")
        users = [one for one in self.world if not kinds[one.address.kind].runs_to_completion]
        self.uses = {one.id: used for one in users if (used := kinds[one.address.kind].in_use(one))}
        self.uses |= {one.id: self.uses.get(one.id, frozenset()) for one in self.services}
        in_place = (one.id for one in self.services if one.facts.get("established", True))
        self.for_tests = listeners_for_tests(deliveries, desired, self.world)
        serving = frozenset[str]().union(*(self.uses[id] for id in in_place))
        self.entries = entries_of(self.world, kinds, serving, self.for_tests)
        self.proven = frozenset(
            group for one in self.services if one.address in desired for group in kinds["service"].serving(one)
        )
        self.read_only = read_only.unreadable(self.services)
        self.changing = tuple(engine_changes.changing(deliveries, self.services))
        self.new = sorted(self._new_services())
        self.waiting = dict(self._leaving_services())
        self.succession = succession(plan, self.entries, kinds, deliveries, self.new)
        self.usage = self._usage()

    def plan(self) -> Plan:
        kept = self._kept()
        rolling = self._rolling()
        following = {one for delivery in self.deliveries if delivery.service in rolling for one in followers(delivery)}
        left, deferred = list[Action](), list(self.draft.deferred)
        for action in self.draft.actions:
            because = self._of_engine(action) or self._succeeds(action)
            because = because or (kept.get(action.drop.id) if action.verb is Verb.DELETE else self._stops(action))
            if because is not None:
                deferred.append(deferred_for(action, because))
                continue
            follows = action.address in following and action.drop.id not in self.usage.unserved
            due, later = self._grown(action) if follows else (action, None)
            deferred += [] if later is None else [deferred_for(later, (Code.WITH_RELEASE, None))]
            now, later = self._split(due) if due is not None else (None, None)
            now, rest = begun(now, self.entries, self.kinds, self.proven) if now is not None else (None, None)
            left += [] if now is None else [now]
            deferred += [] if rest is None else [deferred_for(rest, (Code.TAKES_LATER, None))]
            deferred += [] if later is None else [deferred_for(later, self._reason(later))]
        return replace(self.draft, **self._without_dangling(left, deferred))

    # -- what is in use

    def _usage(self) -> Usage:
        services = {one.id for one in self.services}
        staying = [one for one in self.services if one.address in self.desired or one.id in self.waiting]
        tasks = [
            one
            for one in self.world
            if self.kinds[one.address.kind].runs_to_completion and one.health is ResourceHealth.PROGRESSING
        ]
        definitions = {one.parent for one in tasks}
        runs = [one for one in self.world if one.id in definitions]
        running = {name for id, names in self.uses.items() if id not in services for name in names}
        used = frozenset(name for one in staying for name in self.uses[one.id]) | running
        used |= {name for one in tasks for name in self.kinds[one.address.kind].in_use(one)}
        used |= {name for one in runs for name in ordering.links(one)}
        revised = {action.drop.id for action in self.draft.actions if action.old is not None and action.changes}
        rolls = {action.address for action in self.draft.actions if action.rolls} | self.read_only.keys()
        flying = [one for one in staying if _versions(one) > 1 or one.address in rolls or one.id in self.waiting]
        others = any(one.id in revised for one in runs) or bool(rolls - {one.address for one in flying})
        # tasks of what leaves were started for it as it was; those of what stays get what is declared now
        gone = {one.id for one in self.world if one.address not in self.desired} - services
        started = {name for id in gone & self.uses.keys() for name in self.uses[id]}
        needed = None if others else in_flight.needed(flying, self.uses, self.world, started)
        self.several = bool(flying) or others
        leave = [one.address for one in flying if one.id in self.waiting]
        rollout = others or len(leave) < len(flying)  # otherwise only services that leave have tasks of their own
        self.why: Reason = (Code.SEVERAL_VERSIONS, None) if rollout else (Code.KEPT_TOGETHER, min(leave, default=None))
        lost = used - {one.id for one in self.world} | used & {action.drop.id for action in self.draft.deletions()}
        changed = {action.drop.id for action in self.draft.actions if action.old is not None}
        named = frozenset(group for id, entry in self.entries.items() if id not in changed for group in entry.named)
        awaited, exchanged = frozenset(self.succession.awaited), self.succession.exchanged
        unserved = frozenset(id for id, entry in self.entries.items() if entry.listener in self.for_tests)
        several = self.several or bool(started)
        return Usage(used, lost, self.proven, several, needed, named, awaited, exchanged, unserved)

    def _rolling(self) -> set[Address]:
        """Services with a rollout due or in progress."""
        under_way = self._under_way()
        due = {action.address for action in self.draft.actions if action.rolls}
        found, ids = {one.address: one for one in self.services}, {one.address: one.id for one in self.world}
        alone = {
            each.service
            for each in self.deliveries
            if each.service in due & found.keys() and changed_alone(each, self.desired, ids, found[each.service])
        }
        return due - alone | under_way

    def _under_way(self) -> set[Address]:
        return {
            one.address
            for one in self.services
            if KEYS["deadline"] in one.tags or len(one.facts["task_definitions"]) > 1
        }

    # -- services that leave

    def _new_services(self) -> Iterator[Address]:
        """Services without a version that was ever in place."""
        there = {one.address for one in self.services if one.facts.get("established", True)}
        yield from (delivery.service for delivery in self.deliveries if delivery.service not in there)

    def _leaving_services(self) -> Iterator[tuple[str, Reason]]:
        """Why services that leave stay for now, by id."""
        leaving = {action.drop.id for action in self.draft.actions if action.verb is Verb.DELETE}
        for one in self.services:
            if one.id not in leaving:
                continue
            held = one.address in self.read_only
            if held or self.new:
                yield one.id, (Code.UNKNOWN_FORMAT, one.address) if held else (Code.NOT_HEALTHY, self.new[0])
                continue
            main, its_own = in_flight.lacking(one, self.services, self.desired), self.uses[one.id] - self.proven
            senders = [each.found.address for each in self.entries.values() if each.receiving & its_own]
            if main is not None or senders:
                yield one.id, (Code.SENDS_REQUESTS, senders[0]) if main is None else (Code.LACKS_TASKS, main)

    # -- listeners and rules

    def _of_engine(self, action: Action) -> Reason | None:
        """Why an action waits for a service whose engine changes."""
        service = engine_changes.held(action, self.deliveries, self.changing, self.services)
        return None if service is None else (Code.ENGINE, service)

    def _succeeds(self, action: Action) -> Reason | None:
        """Why a listener or rule waits by which all requests of a service are to come in: it begins with the weights
        of the present one, and these do not change then."""
        for delivery in self.deliveries if action.verb is Verb.CREATE else ():
            if delivery.successor == action.address and delivery.service in self._under_way():
                return Code.ROLLOUT, delivery.service
        return None

    def _stops(self, action: Action) -> Reason | None:
        """Why a listener or rule that is to send requests nowhere any more goes on as it does."""
        if action.verb is not Verb.UPDATE or self.kinds[action.address.kind].forwards(partial_update.after(action)):
            return None
        return self._needs(action.drop.id)

    def _needs(self, id: str) -> Reason | None:
        """Why a listener or rule has to go on as it does; None if it need not.

        Requests come in through it and nowhere else yet, or tasks are in a target group that it alone names: a group
        that no listener names is not checked for health, and ECS replaces the tasks in it.
        """
        entry = self.entries.get(id)
        if entry is None:
            return None
        if id in self.succession.awaited:
            return Code.TAKEN_LATER, self.succession.awaited[id]
        others = [each for each in self.entries.values() if each is not entry]
        production = {delivery.service: delivery.production for delivery in self.deliveries}
        for one in self.services:
            if one.address in self.read_only and entry.named & self.uses[one.id]:
                return Code.UNKNOWN_FORMAT, one.address
            if one.id in self.waiting and self.new and entry.receiving & self.uses[one.id]:
                return self.waiting[one.id]
            door = production.get(one.address)
            if door is not None and entry.receiving & self.uses[one.id]:
                elsewhere = (each for each in others if each.found.address == door)
                if not any(each.receiving & self.proven or entry.receiving <= each.receiving for each in elsewhere):
                    return Code.NOT_SERVED, one.address
            alone = entry.named.difference(*(each.named for each in others))
            if one.address in self.desired and alone and (alone & self.uses[one.id] or _versions(one) > 1):
                return Code.TASKS_IN_GROUP, one.address
        return None

    # -- deletions

    def _kept(self) -> dict[str, Reason]:
        """Why each resource that would be deleted is kept for now, by id."""
        leaving: dict[str, Observed[Any]] = {
            action.old.id: action.old
            for action in self.draft.actions
            if action.verb is Verb.DELETE and action.old is not None
        }
        kept = {id: because for id, because in self.waiting.items() if id in leaving}
        for id, old in leaving.items():
            if id in self.usage.used:
                kept[id] = Code.IN_USE, None
            elif self.several and self.kinds[old.address.kind].serves_tasks:
                kept[id] = self.why
            elif id not in kept and (because := self._needs(id)) is not None:
                kept[id] = because
        todo = sorted(kept.keys() & self.usage.used)
        links = {id: ordering.links(old) for id, old in leaving.items()}
        types = {id: self.kinds[old.address.kind] for id, old in leaving.items()}
        first = {id for id, kind in types.items() if kind.runs_to_completion or kind.starts_tasks}
        while todo:
            id = todo.pop()
            near = {
                other
                for other in leaving.keys() - first  # tasks are ended, and no more are started; what they use goes then
                if other in links[id] or (id in links[other] and other not in self.entries)
            }
            for other in sorted(near - kept.keys()):
                kept[other] = Code.KEPT_TOGETHER, leaving[id].address
                todo.append(other)
        return kept

    def _without_dangling(self, left: list[Action], deferred: list[Deferred]) -> dict[str, Any]:
        """Without deletions of what something of the stack would still refer to. Of what is others', AWS knows more."""
        while True:
            deletions = [action for action in left if action.verb is Verb.DELETE]
            if not deletions:
                break
            gone = {action.drop.id for action in left if action.verb in (Verb.DELETE, Verb.REPLACE)}
            after = {
                action.old.id: partial_update.after(action)
                for action in left
                if action.old is not None and action.verb in (Verb.UPDATE, Verb.ADOPT, Verb.ROLL)
            }
            users: dict[str, Address] = {}
            for one in self.world:
                ours = ownership.owner(one.tags) == self.draft.stack
                if ours and one.id not in gone and not one.facts.get("deleting"):
                    spec = after.get(one.id, one.spec)
                    used = ordering.links(replace(one, spec=spec)) | self.uses.get(one.id, frozenset())
                    users |= dict.fromkeys(used, one.address)
            blocked = [action for action in deletions if action.drop.id in users]
            if not blocked:
                break
            left = [action for action in left if action not in blocked]
            deferred = [
                *deferred,
                *(deferred_for(action, (Code.REFERRED_TO, users[action.drop.id])) for action in blocked),
            ]
        return {"actions": tuple(left), "deferred": tuple(deferred)}

    # -- changes in steps

    def _grown(self, action: Action) -> tuple[Action | None, Action | None]:
        """What of an update is done now, because it adds capacity, and what once its release is in production."""
        old, new = action.old, action.new
        if action.verb is Verb.CREATE and new is not None and (inside := self._inside(new)) is not None:
            return replace(action, new=self.kinds[action.address.kind].grown_from_nothing(inside, new)), None
        if action.verb not in (Verb.UPDATE, Verb.ROLL, Verb.ADOPT) or old is None or new is None or not action.changes:
            return action, None
        grown = self.kinds[action.address.kind].grown(old, new)
        if grown == new:
            return action, None
        now = partial_update.declared(action, diff(old, grown.spec)) if grown is not None else ()
        if grown is None or (not now and not action.tags and action.verb is Verb.UPDATE):
            return None, action
        return replace(action, new=grown, changes=now), partial_update.rest(action, now)

    def _inside(self, new: Desired[Any]) -> Observed[Any] | None:
        """The resource within which something is created, if it exists."""
        inside = self.kinds[new.address.kind].inside
        link = None if inside is None else getattr(new.spec, inside[0])
        at = link.address if isinstance(link, Ref) else link
        return next((one for one in self.world if at is not None and at in (one.address, one.id)), None)

    def _split(self, action: Action) -> tuple[Action | None, Action | None]:
        """What of an action is done now, and what once nothing needs what it takes away."""
        old, new = action.old, action.new
        if old is None or new is None:
            return action, None
        needed = old.id in self.usage.lost or self._needs(old.id) is not None
        if action.verb is Verb.REPLACE and action.create_first and needed:
            now = replace(action, verb=Verb.CREATE, changes=(), consequence=Consequence.NONE, old=None)
            going = Action(Verb.DELETE, old.address, action.because, consequence=Consequence.DESTROY, old=old)
            return now, going
        if action.verb not in (Verb.UPDATE, Verb.ADOPT):
            return action, None
        kept = self.kinds[action.address.kind].retaining(old, new, self.usage)
        if kept == new:
            return action, None
        changes = partial_update.declared(action, diff(old, kept.spec))
        if not changes and not action.tags:
            return None, action
        rest = partial_update.rest(action, changes)
        return replace(action, new=kept, changes=changes), rest if rest.changes else None

    def _reason(self, action: Action) -> Reason:
        if action.verb is Verb.REPLACE:
            assert action.old is not None
            return self._needs(action.old.id) or (Code.IN_USE, None)
        entry = self.entries.get(action.drop.id)
        if entry is not None and not entry.receiving:
            return Code.TAKES_LATER, None
        return (Code.IN_USE if self.usage.lost else Code.IN_STEPS), None


def _versions(service: Observed[Any]) -> int:
    """Number of versions with tasks; what ECS shows of a service may have more revisions than deployments, or fewer."""
    rows = (*service.facts.get("deployments", ()), *service.facts.get("sets", ()))
    alive = [one for one in rows if one.get("runningCount") or one.get("pendingCount")]
    return max(len(service.facts["task_definitions"]), len(alive))
