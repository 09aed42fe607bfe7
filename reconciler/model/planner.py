"""Planner: desired and observed resources in, plan out. Pure and deterministic.

It is one class because each decision reads what was decided before. What is a matter of its own has a module of its
own: the diff, ownership, adoption, moves, obstacles and the order of the steps.

Resources are decided one after the other, each after those it refers to, because a reference to a resource that this
plan creates, replaces or revises has no id yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from reconciler.model import adoption, moves, obstacles, ordering, ownership, unusable
from reconciler.model.adoption import adopted, immutable_changes
from reconciler.model.diff import Change, declared, diff, value_at
from reconciler.model.lookups import Lookups
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import TagChange, tag_changes
from reconciler.model.plan import Action, Consequence, Note, Plan, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref, ResourceHealth
from reconciler.model.resource_type import Replace
from reconciler.model.type_registry import ResourceTypes


@dataclass(frozen=True, slots=True)
class Consent:
    """What the user has allowed in advance."""

    replace: frozenset[Address] = frozenset()
    delete_images: bool = False


def draft(
    stack: str,
    desired: Sequence[Desired[Any]],
    world: ObservedState,
    kinds: ResourceTypes,
    *,
    consent: Consent | None = None,
    serving: Mapping[Address, Set[str]] | None = None,
) -> Plan:
    """The plan from `world` to `desired`, for resources that `stack` owns or may adopt.

    Its actions have no order yet: filters may still remove some. `serving`: what the tasks of a service are in, by the
    listeners and rules of its requests. Raises `errors.SpecInvalid` for circular references.
    """
    return _Planner(stack, desired, world, kinds, consent or Consent(), serving or {}).plan()


class _Planner:
    def __init__(
        self,
        stack: str,
        desired: Sequence[Desired[Any]],
        world: ObservedState,
        kinds: ResourceTypes,
        consent: Consent,
        serving: Mapping[Address, Set[str]],
    ) -> None:
        self.stack, self.world, self.kinds, self.consent, self.serving = stack, world, kinds, consent, serving
        self.promoted = frozenset(group for one in world for group in kinds[one.address.kind].in_production(one))
        self.desired = {want.address: want for want in desired}
        self.needs: dict[Address, frozenset[Address]] = {}
        self.owned = frozenset(found.id for found in world if self._ours(found))
        self.found: dict[Address, Observed[Any]] = {}
        self.extra: list[Observed[Any]] = []
        self.doubtful: set[Address] = set()  # unowned, and there are several of them
        self.ids: dict[Address, str] = {}  # known now, and still true once this plan is done
        self.lookups = Lookups(self.desired, self.found, kinds, self.ids)
        self.held: set[Address] = set()  # will have no id that can be relied on when this plan is done
        self.actions: list[Action] = []
        self.refusals: list[Refusal] = []
        self.warnings: list[Note] = []
        self.waiting: list[Note] = []
        self.unsettled: list[Note] = []
        self.failed: list[Note] = []
        self.unchanged = 0

    def plan(self) -> Plan:
        self._sort_out()
        for kind, error in sorted(self.world.unreadable.items()):
            self.refusals.append(Refusal(RefusalCode.READ_FAILED, None, f"{kind} could not be read: {error}"))
        self.needs = {address: self._refs(want) | want.after for address, want in self.desired.items()}
        needed = frozenset[Address]().union(*self.needs.values())
        for address in [one for one, want in self.desired.items() if want.if_needed and one not in needed]:
            if address not in self.found:
                del self.desired[address], self.needs[address]
        needs = {address: [need for need in those if need in self.desired] for address, those in self.needs.items()}
        for address in ordering.static_order(needs):
            self._decide(self.desired[address])
        self._delete_what_is_no_longer_wanted()
        owned = {address: one for address, one in self.found.items() if self._ours(one)}
        self.warnings += moves.finished(self.desired.values(), owned, self.kinds, self.world.unreadable)
        return Plan(
            self.stack,
            tuple(self.actions),
            refusals=tuple(self.refusals),
            warnings=tuple(self.warnings),
            waiting=tuple(self.waiting),
            unsettled=tuple(self.unsettled),
            failed=tuple(self.failed),
            names=self.lookups.names(),
            unchanged=self.unchanged,
        )

    # -- matching

    def _sort_out(self) -> None:
        """One observed resource for each address. Owned ones first; of two owned ones, the referenced one is kept."""
        referred = {link for found in self.world for link in ordering.links(found)}
        groups: dict[Address, list[Observed[Any]]] = defaultdict(list)
        for found in self.world:
            groups[found.address].append(found)
        for address, group in sorted(groups.items()):
            want = self.desired.get(address)
            first, *others = sorted(
                group,
                key=lambda one: (
                    not self._ours(one),
                    bool(one.facts.get("deleting")),
                    len(group) > 1 and want is not None and immutable_changes(one, want),
                    one.id not in referred,
                    one.id,
                ),
            )
            self.found[address] = first
            self.doubtful |= {address} if len(others) > 0 and ownership.owner(first.tags) is None else set()
            self.extra += [one for one in others if self._ours(one)]
            if self._ours(first) or self.kinds[address.kind].lookup or (want is not None and want.adopt):
                self.ids[address] = first.id

    def _ours(self, found: Observed[Any]) -> bool:
        return ownership.owner(found.tags) == self.stack

    def _refs(self, want: Desired[Any]) -> frozenset[Address]:
        found = self.found.get(want.address)
        return want.refs() if found is None else adopted(want, found).refs()

    # -- one resource

    def _decide(self, raw: Desired[Any]) -> None:
        address, kind = raw.address, self.kinds[raw.address.kind]
        found, needs = self.found.get(address), self.needs[address]
        if found is not None and not needs.isdisjoint(self.held):
            raw, left, notes = unusable.without(kind, found, raw, self.held)
            needs, self.waiting = needs - left, [*self.waiting, *notes]
        stuck = next((need for need in sorted(needs) if need in self.held), None)
        if address.kind in self.world.unreadable:
            self._hold(address)
            return
        if stuck is not None:
            self._wait(address, f"needs {stuck} first")
            return
        want = raw.resolved(self.ids)
        if found is None:
            found = self._in_its_place(want)
        want = kind.continuing(want, found, self.world, self.promoted, self.serving.get(address, frozenset()))
        if kind.lookup:
            self._look_up(want, found)
        elif found is None:
            self._act(Action(Verb.CREATE, address, "it does not exist", new=want), new_id=True)
        elif found.facts.get("deleting"):
            self._wait(address, found.reason or "an earlier resource of that name is still being deleted")
        elif self._ours(found) or (ownership.owner(found.tags) is None and want.adopt):
            self._compare(raw, adopted(want, found), found)
        else:
            self._conflict(want, found)
        if found is not None and address not in self.held and unusable.is_unusable(kind, found):
            self._hold(address)
        if raw.held_until is not None:
            self.waiting.append(Note(address, f"its requests stay where they are until {raw.held_until} exists"))

    def _in_its_place(self, want: Desired[Any]) -> Observed[Any] | None:
        """What leaves the specs and has the place of `want`, which only one can have: it is renamed, not replaced."""
        kind = self.kinds[want.address.kind]
        if not kind.taken_over:
            return None
        for address, found in sorted(self.found.items()):
            leaves = address.kind == kind.kind and address not in self.desired and self._ours(found)
            kept = found.facts.get("deleting") or ownership.protected(found.tags)
            if leaves and not kept and kind.excludes(want.spec, found.spec):
                self.found[want.address] = replace(self.found.pop(address), address=want.address)
                self.ids[want.address] = found.id
                return self.found[want.address]
        return None

    def _look_up(self, want: Desired[Any], found: Observed[Any] | None) -> None:
        if found is None:
            self._refuse(RefusalCode.MISSING, want, "it does not exist")
        elif found.reason and not self.lookups.follows(want.address):
            self.warnings.append(Note(want.address, found.reason))

    def _conflict(self, want: Desired[Any], found: Observed[Any]) -> None:
        kind, owner = self.kinds[want.address.kind], ownership.owner(found.tags)
        what = kind.excludes(want.spec, found.spec) or "that name"
        theirs = owner or self.lookups.among_others(want.address)
        hints = ["" if theirs else kind.adopted_by, kind.instead(want.spec, found)]
        because = f"{found.id} already has {what} and {obstacles.foreign(found.tags)}"
        self._refuse(RefusalCode.CONFLICT, want, because, ", or ".join(filter(None, hints)))

    def _compare(self, raw: Desired[Any], want: Desired[Any], found: Observed[Any]) -> None:
        kind = self.kinds[want.address.kind]
        want = kind.claiming(found, want, self.owned - self.serving.get(want.address, frozenset()))
        differing = diff(found, want.spec)
        rolled_out = kind.rolled_out(found, want, differing)
        changes = tuple(self._of_release(raw, change) for change in rolled_out)
        tags = tag_changes(found.tags, want.tags) if found.parent is None else TagChange({}, ())
        self.warnings += adoption.kept_notes(raw, want, found)
        rolls, old = any(change.rolls for change in changes), moves.former_address(want, found)
        if found.facts.get("unusable") and want.address in self.consent.replace:
            self._replace(want, found, ())
            return
        if found.health is not ResourceHealth.READY and found.reason:
            ended = kind.runs_to_completion and found.health is ResourceHealth.DEGRADED
            (self.failed if ended else self.unsettled).append(Note(want.address, found.reason))
        if any(change.immutable for change in changes):
            self._replace(want, found, changes)
            return
        if want.adopt:
            lost = adoption.losses(raw, want, found, changes) | dict(kind.lost(found, want, changes))
            because, hint = adoption.refused(want, lost)
            if because:  # its id stays, so that the losses of what refers to it are found, too
                self.refusals.append(Refusal(RefusalCode.LOSS, want.address, because, hint, want.where))
                return
            changes = adoption.with_losses(changes, lost)
        if not self._ours(found):
            verb, because = Verb.ADOPT, "its document sets `adopt: true`"
        elif rolls:
            verb, because = Verb.ROLL, "a new version is declared" if rolled_out == differing else "changes in steps"
        elif changes and all(change.event for change in changes):
            verb, because = Verb.UPDATE, "it has ended, or was requested again"
        elif changes and kind.revisions:
            verb, because = Verb.UPDATE, "a new revision is needed"
        elif old is not None and not changes:
            verb, because = Verb.UPDATE, f"moved from {old} (tags only)"
        elif changes or tags:
            verb, because = Verb.UPDATE, "it differs from the specs"
        else:
            self.unchanged += 1
            return
        consequence = Consequence.NEW_TASKS if rolls else Consequence.IN_PLACE if changes else Consequence.NONE
        same = len(set(declared(want.spec)) - {change.field for change in changes})
        action = Action(
            verb, want.address, because, changes, tags, consequence, found, want, unchanged=same, moved_from=old
        )
        self._act(action, new_id=kind.revisions and bool(changes))

    def _of_release(self, raw: Desired[Any], change: Change) -> Change:
        named = value_at(raw.spec, change.path)
        kind = self.kinds[named.address.kind] if isinstance(named, Ref) else None
        if kind is None or not (kind.lookup or kind.revisions):
            return change
        return replace(change, release=True, origin=str(named) if kind.id_is_value else "")

    def _replace(self, want: Desired[Any], found: Observed[Any], changes: tuple[Change, ...]) -> None:
        kind, address = self.kinds[want.address.kind], want.address
        how = kind.replace
        if (refused := moves.renaming(kind, want, found, changes, allowed=address in self.consent.replace)) is not None:
            # its id stays, so that all names that are refused are shown at once
            self.refusals.append(Refusal(RefusalCode.IMMUTABLE, address, *refused, want.where))
            return
        immutable = ", ".join(str(change) for change in changes if change.immutable)
        gone = [str(one.new) for one in changes if isinstance(one.new, Ref) and one.new.address not in self.found]
        because = f"AWS cannot change {immutable} in place" if changes else found.reason
        because += f", and {', '.join(gone)} does not exist any more" if gone else ""
        if how is not Replace.CREATE_FIRST and address not in self.consent.replace:
            hint = "give it another `name`, or restore the field"
            if how is Replace.DELETE_FIRST:
                hint = f"`--allow-replace {address}` deletes and re-creates it"
            self._refuse(RefusalCode.IMMUTABLE, want, because, hint)
        elif how is Replace.NEVER:
            self._refuse(RefusalCode.IMMUTABLE, want, because, "give it another `name`, or restore the field")
        elif ownership.protected(found.tags):
            self._refuse(RefusalCode.PROTECTED, want, f"{because}, and the resource is protected")
        else:
            first, replaced = how is Replace.CREATE_FIRST, Consequence.REPLACE
            action = Action(
                Verb.REPLACE, address, because, changes, consequence=replaced, old=found, new=want, create_first=first
            )
            self._act(action, new_id=True)

    def _act(self, action: Action, *, new_id: bool) -> None:
        """Add the action, unless it would only fail later: AWS will refuse it, or something that it uses is missing."""
        refusal = self.lookups.refusal(self.desired[action.address])
        refusal = refusal or obstacles.obstacle(action, self.kinds, self.world, self.desired, self.ids, self.stack)
        if refusal is not None:
            self.refusals += [] if refusal in self.refusals else [refusal]
            self._hold(action.address)
            return
        self.actions.append(action)
        if new_id:
            self.ids.pop(action.address, None)

    def _refuse(self, code: RefusalCode, want: Desired[Any], because: str, hint: str = "") -> None:
        self.refusals.append(Refusal(code, want.address, because, hint, want.where))
        self._hold(want.address)

    def _wait(self, address: Address, because: str) -> None:
        self.waiting.append(Note(address, because))
        self._hold(address)

    def _hold(self, address: Address) -> None:
        self.held.add(address)
        self.ids.pop(address, None)

    # -- deletions

    def _delete_what_is_no_longer_wanted(self) -> None:
        going = [found for found in self.world if found.facts.get("deleting")]
        users = {link: found.address for found in going for link in ordering.links(found)}
        for found in going:
            stands_on = self.kinds[found.address.kind].depends_on
            users |= {one.id: found.address for one in self.world if one.address.kind in stands_on}
        for address, found in sorted(self.found.items()):
            if address not in self.desired and self._ours(found) and not self._kept_with_its_parent(found):
                self._delete(found, "it is no longer in the specs", users)
        for found in self.extra:
            self._delete(found, f"it is a duplicate: {found.address} is {self.found[found.address].id}", users)

    def _kept_with_its_parent(self, found: Observed[Any]) -> bool:
        """Of an adopted resource, what has no owner of its own and is not in its document: its autoscaling, say."""
        holder = next((one.address for one in self.found.values() if one.id == found.parent), None)
        want = None if holder is None else self.desired.get(holder)
        if want is None or not want.adopt or adoption.consent_of(want, found.address).covers(()):
            return False
        self.warnings.append(Note(found.address, f"not in the specs, and kept with {holder}, which is adopted"))
        return True

    def _delete(self, found: Observed[Any], because: str, users: Mapping[str, Address]) -> None:
        if self.kinds[found.address.kind].lookup:
            return
        if found.facts.get("deleting"):
            self.waiting.append(Note(found.address, found.reason or "it is being deleted"))
        elif ownership.protected(found.tags):
            hint = "set `protect: false` and apply before removing it"
            because = f"{because}, but it is protected"
            self.refusals.append(Refusal(RefusalCode.PROTECTED, found.address, because, hint))
        elif found.id in users:
            self.waiting.append(Note(found.address, f"{users[found.id]} still uses it and is being deleted"))
        else:
            found = replace(found, facts={**found.facts, "force": True}) if self.consent.delete_images else found
            self.actions.append(Action(Verb.DELETE, found.address, because, consequence=Consequence.DESTROY, old=found))
