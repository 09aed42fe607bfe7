"""A plan as a JSON document. `format_version` changes with every incompatible change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from reconciler.cli.output.values import SENSITIVE
from reconciler.model.diff import ABSENT, Change, declared
from reconciler.model.plan import Action, Deferred, Note, Plan, Refusal, Verb
from reconciler.model.resource import Ref
from reconciler.rollout.outlook import RolloutPreview

if TYPE_CHECKING:
    from reconciler.reconcile.origins import Origins

FORMAT_VERSION = 1


def plan_document(plan: Plan, **about: Any) -> dict[str, Any]:
    """The plan, with `about` what it was made from; secrets are redacted."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": plan.stack,
        **about,
        "digest": plan.digest,
        "changes": bool(plan.actions),
        "blocked": bool(plan.refusals),
        "summary": {verb.value: plan.count(verb) for verb in Verb} | {"unchanged": plan.unchanged},
        "actions": [action_document(action) for action in plan.actions],
        "waves": [[str(step) for step in wave] for wave in plan.waves()],
        "new_attempts": [str(address) for address in plan.new_attempts],
        "waiting": [_note(note) for note in plan.waiting],
        "deferred": [deferred_document(entry) for entry in plan.deferred],
        "unsettled": [_note(note) for note in plan.unsettled],
        "failed": [_note(note) for note in plan.failed],
        "warnings": [_note(note) for note in plan.warnings],
        "left_out": [{"verb": one.verb.value, "address": str(one.address)} for one in plan.left_out],
        "refusals": [refusal_document(refusal) for refusal in plan.refusals],
    }


def rollouts_document(previews: Iterable[RolloutPreview]) -> list[dict[str, Any]]:
    """Previews of the rollouts."""
    from reconciler.cli.output.forecast_text import forecast_document

    return [
        {
            "address": str(preview.address),
            "outlook": preview.outlook.value,
            "phase": None if preview.step is None else preview.step.phase.value,
            "release": None if preview.step is None else preview.step.release,
            "because": preview.because,
            "then": preview.then or None,
            "forecast": None if preview.forecast is None else forecast_document(preview.forecast),
            "pending": preview.pending,
            "where": preview.where or None,
        }
        for preview in previews
    ]


def origins_document(origins: Origins | None) -> dict[str, Any] | None:
    """Why the plan has each change, by the specs that were applied last; None if those are not known."""
    if origins is None:
        return None
    return {
        "applied": {"commit": origins.applied.commit, "subject": origins.applied.subject},
        "actions": [
            {"address": str(address), "origins": sorted(of), "drifted": list(origins.drifted.get(address, ()))}
            for address, of in sorted(origins.of.items())
        ],
    }


def dumps(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=_other).decode()


def json_line(document: Any) -> str:
    """For `-o jsonl`."""
    return orjson.dumps(document).decode()


def action_document(action: Action) -> dict[str, Any]:
    return {
        "verb": action.verb.value,
        "address": str(action.address),
        "id": action.old.id if action.old is not None else None,
        "because": action.because,
        "moved_from": None if action.moved_from is None else str(action.moved_from),
        "consequence": action.consequence.value,
        "where": action.where or None,
        "changes": [_change(change) for change in action.changes],
        "tags": {"put": dict(action.tags.put), "drop": list(action.tags.drop)},
        "spec": declared(action.new.spec) if action.new is not None and action.verb is Verb.CREATE else None,
    }


def _change(change: Change) -> dict[str, Any]:
    row: dict[str, Any] = {"path": list(change.path), "forces_replacement": change.immutable, "loss": change.loss}
    for side, value in (("old", change.old), ("new", change.new)):
        if value is not ABSENT:
            row[side] = SENSITIVE if change.secret else value
    return row


def _note(note: Note) -> dict[str, str]:
    return {"address": str(note.address), "because": note.because}


def deferred_document(entry: Deferred) -> dict[str, Any]:
    return {
        "action": action_document(entry.action),
        "code": entry.code.value,
        "because": entry.because,
        "waits_for": None if entry.waits_for is None else str(entry.waits_for),
    }


def refusal_document(refusal: Refusal) -> dict[str, Any]:
    return {
        "code": refusal.code.value,
        "address": str(refusal.address) if refusal.address is not None else None,
        "because": refusal.because,
        "hint": refusal.hint or None,
        "where": refusal.where or None,
    }


def _other(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"known_after_apply": str(value.address)}
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    return str(value)
