"""View of a plan and of drift, of the same values as `diff`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from reconciler.cli.output import plan_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.output.values import flat, path, show, sides
from reconciler.console.snapshot import Drift, FieldChange, Notice, Plan, PlanRow, Tone
from reconciler.model.diff import Change, declared
from reconciler.model.plan import Action, Verb
from reconciler.model.plan import Plan as PlanOfPass
from reconciler.model.resource import Address
from reconciler.reconcile.drift import Drift as Drifted
from reconciler.reconcile.drift import DriftMode
from reconciler.rollout.outlook import RolloutPreview

LOOK = Look()
MODES = {
    DriftMode.ENFORCE: ("corrected", Tone.BUSY),
    DriftMode.WARN: ("reported, not corrected", Tone.WAIT),
    DriftMode.IGNORE: ("left alone", Tone.QUIET),
}


def plan_view(plan: PlanOfPass, previews: Sequence[RolloutPreview]) -> Plan:
    remaining = {preview.address: preview for preview in previews}
    rows = [_row(action, plan, remaining.pop(action.address, None)) for action in plan.actions]
    rows += [_preview(preview) for preview in remaining.values() if preview.shown]
    explained = {preview.address for preview in previews if preview.shown}
    notes = [Notice(Tone.WAIT, f"{note.address} waiting: {note.because}") for note in plan.waiting]
    notes += [Notice(Tone.BAD, f"{note.address} {note.because}") for note in plan.failed]
    unsettled = (note for note in plan.unsettled if note.address not in explained)
    notes += [Notice(Tone.WAIT, f"{note.address} {note.because}") for note in (*unsettled, *plan.warnings)]
    return Plan(
        summary=plan_text.counts(plan, LOOK, previews).partition("   digest")[0],
        rows=tuple(rows),
        deferred=tuple(_row(entry.action, plan, None, entry.because) for entry in plan.deferred),
        notes=tuple(notes),
        refusals=tuple(
            Notice(Tone.BAD, " ".join(line.strip() for line in plan_text.refusal_lines(refusal, LOOK)))
            for refusal in plan.refusals
        ),
        digest=plan.digest,
    )


def _row(action: Action, plan: PlanOfPass, preview: RolloutPreview | None, because: str = "") -> PlanRow:
    shown = preview if preview is not None and preview.shown else None
    note = plan_text.headline(shown) if action.rolls and shown is not None else plan_text.remark(action)
    return PlanRow(
        plan_text.sign(action, LOOK),
        action.verb.value,
        str(action.address),
        because or note,
        action.where,
        tuple(_fields(action, plan)),
        "" if shown is None else f"then: {shown.then}" if shown.then else shown.because,
    )


def _preview(preview: RolloutPreview) -> PlanRow:
    """A rollout without an action in the plan."""
    then = f"then: {preview.then}" if preview.then else preview.because
    return PlanRow("↷", Verb.ROLL.value, str(preview.address), plan_text.headline(preview), preview.where, (), then)


def _fields(action: Action, plan: PlanOfPass) -> Iterator[FieldChange]:
    if action.verb is Verb.CREATE and action.new is not None:
        for name, value in flat(declared(action.new.spec)):
            yield FieldChange("+", name, new=show(value, plan.names))
    for change in action.changes:
        yield field_change(change, plan.names)
    for key, value in sorted(action.tags.put.items()):
        old = action.old.tags.get(key) if action.old is not None else None
        yield FieldChange("+" if old is None else "~", f"tags.{key}", old or "", value)
    for key in action.tags.drop:
        yield FieldChange("-", f"tags.{key}")


def field_change(change: Change, names: Mapping[str, Address]) -> FieldChange:
    old, new = sides(change, names)
    mark = "+" if old is None else "-" if new is None else "~"
    remark = "forces replacement" if change.immutable else "lost, as its document accepts" if change.loss else ""
    return FieldChange(mark, path(change, names), old or "", new or "", remark)


def drift_view(drift: Drifted, since: datetime) -> Drift:
    mode, tone = MODES[drift.mode]
    if drift.contested:
        mode, tone = "not corrected any more: the correction keeps being reverted", Tone.BAD
    reason = "" if drift.contested else drift.reason
    return Drift(str(drift.address), drift.paths, mode, tone, reason, drift.where, since)
