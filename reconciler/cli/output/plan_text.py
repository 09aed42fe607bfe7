"""A plan as text.

It is one module because all parts of a plan share its columns, colors and names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.cli.output.terminal import Look
from reconciler.cli.output.values import flat, path, show, sides
from reconciler.diagnosis.observations import plain
from reconciler.model.diff import Change, declared
from reconciler.model.plan import Action, Note, Plan, Refusal, Verb
from reconciler.model.resource import NOTHING, Address
from reconciler.rollout.outlook import Outlook, RolloutPreview

if TYPE_CHECKING:
    from reconciler.reconcile.origins import Origins

SIGNS = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.DELETE: "-", Verb.ROLL: "↷", Verb.ADOPT: "~"}
COLORS = {
    Verb.CREATE: "green",
    Verb.UPDATE: "yellow",
    Verb.DELETE: "red",
    Verb.REPLACE: "red",
    Verb.ROLL: "cyan",
    Verb.ADOPT: "yellow",
}
NAME_WIDTH = 44
REMARK_WIDTH = 42
LONGEST_AUTHOR = 400


def plan_text(
    plan: Plan,
    look: Look,
    previews: Sequence[RolloutPreview] = (),
    *,
    verbose: int = 0,
    origins: Origins | None = None,
    authors: Mapping[Address, str] = NOTHING,
) -> str:
    """The whole plan, with `previews` of the rollouts, and with what does not come from a change of the specs, if that
    is known. The last line is the summary.

    `authors` are those of differences that were made outside the specs, as `by ana …`.
    """
    lines: list[str] = []
    remaining = {preview.address: preview for preview in previews}
    for action in plan.actions:
        preview = remaining.pop(action.address, None)
        lines += _action(action, plan, look, verbose, preview)
        if origins is not None and (elsewhere := elsewhere_text(action, origins)):
            lines.append(look.paint(f"    {elsewhere}", "yellow"))
        if action.address in authors:
            author = f"changed outside the specs {plain(authors[action.address], LONGEST_AUTHOR)}"
            lines.append("    " + look.flow([(author, "yellow")], indent="    "))
        lines.append("")
    for preview in remaining.values():
        if preview.shown:
            lines += [*_preview(preview, look), ""]
    if plan.deferred:
        lines += [*_deferred(plan, look), ""]
    if plan.left_out:
        lines.append(look.paint("Left out by --only:", "bold"))
        lines += [look.paint(f"  {sign(action, look)} {action.address}", "dim") for action in plan.left_out]
        lines.append("")
    for note in plan.waiting:
        lines.append(_note(look.sign("wait"), note, "waiting: "))
    for note in plan.failed:
        lines.append(look.paint(_note(look.sign("bad"), note, ""), "red"))
        lines.append(look.paint(f"    run it again with `reconciler retry {note.address}`", "dim"))
    explained = {preview.address for preview in previews if preview.shown}
    unsettled = [note for note in plan.unsettled if note.address not in explained]
    for note in (*unsettled, *plan.warnings):
        lines.append(look.paint(_note(look.sign("warn"), note, ""), "yellow"))
    for refusal in plan.refusals:
        lines += refusal_lines(refusal, look)
    if plan.waiting or plan.failed or unsettled or plan.warnings or plan.refusals:
        lines.append("")
    lines.append(counts(plan, look, previews))
    return "\n".join(lines)


def effective(plan: Plan, previews: Sequence[RolloutPreview]) -> tuple[Action, ...]:
    """The actions that `apply` carries out: a quarantined version is not rolled out again."""
    given_up = {preview.address for preview in previews if preview.quarantined}
    return tuple(action for action in plan.actions if not (action.only_rolls and action.address in given_up))


def counts(plan: Plan, look: Look, previews: Sequence[RolloutPreview] = ()) -> str:
    """`Plan: 0 to create, 1 to update, …` or `No changes. 27 resources up to date.`"""
    actions = effective(plan, previews)
    if not actions and not plan.refusals and not plan.waiting and not plan.deferred:
        rollouts = _rollouts(previews)
        failed = f"; {len(plan.failed)} {_plural('task', len(plan.failed))} failed" if plan.failed else ""
        good = plan.unchanged - len(plan.failed)
        left = f"; {len(plan.left_out)} {_plural('change', len(plan.left_out))} left out" if plan.left_out else ""
        text = f"No changes. {good} {_plural('resource', good)} up to date{rollouts}{failed}{left}."
        return look.paint(text, "red" if failed else "yellow" if rollouts else "green")
    adopt, moves = plan.count(Verb.ADOPT), sum(action.only_moves for action in plan.actions)
    rolling = {a.address for a in actions if a.rolls or (a.verb is Verb.CREATE and a.address.kind == "service")}
    held = {preview.address for preview in previews if preview.quarantined or preview.suspended}
    rolling -= held
    updates = plan.count(Verb.UPDATE) - moves
    updates += sum(a.verb is Verb.ROLL and not a.only_rolls and a.address in held for a in actions)
    rolls = len(rolling | {preview.address for preview in previews if preview.then or preview.outlook is Outlook.FIRST})
    words = [
        f"{plan.count(Verb.CREATE)} to create",
        *([f"{adopt} to adopt"] if adopt else []),
        *([f"{moves} to move"] if moves else []),
        f"{updates} to update",
        f"{rolls} {_plural('rollout', rolls)}",
        f"{plan.count(Verb.REPLACE)} to replace",
        f"{plan.count(Verb.DELETE)} to delete",
    ]
    deferred = f" {len(plan.deferred)} deferred." if plan.deferred else ""
    deferred += f" {len(plan.left_out)} left out." if plan.left_out else ""
    blocked = f" {len(plan.refusals)} blocked." if plan.refusals else ""
    parts = [(f"Plan: {', '.join(words)}.{deferred}{blocked}", "bold"), (f"digest {plan.digest[:7]}", "")]
    return look.flow(parts)


def _rollouts(previews: Sequence[RolloutPreview]) -> str:
    """`; 1 rollout in progress`, and what else keeps services from being up to date."""
    states = Counter(_state(preview) for preview in previews if preview.shown)
    return "".join(f"; {count} {_plural(noun, count)} {state}" for (noun, state), count in states.items())


def _state(preview: RolloutPreview) -> tuple[str, str]:
    match preview.outlook:
        case Outlook.GIVEN_UP:
            return "service", "quarantined"
        case Outlook.WAITS:
            return ("new version", "waiting") if preview.deployed else ("service", "not deployed yet")
        case Outlook.ENGINE:
            return "change of engine", "in progress"
        case Outlook.UNREAD:
            return "service", "unreadable"
        case _ if preview.step is not None and preview.step.phase == "blocked":
            return "service", "blocked"
        case _ if preview.rolling_back:
            return "rollback", "in progress"
        case _:
            pending = preview.pending and preview.outlook is not Outlook.UNDER_WAY
            return "rollout", "pending" if pending else "in progress"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def sign(action: Action, look: Look) -> str:
    if action.verb is Verb.REPLACE:
        return "+/-" if action.create_first else "-/+"
    if action.verb is Verb.ROLL:
        return look.sign("roll")
    return SIGNS[action.verb]


def remark(action: Action) -> str:
    match action.verb:
        case Verb.CREATE:
            return ""
        case Verb.UPDATE if action.only_moves:
            return action.because
        case Verb.UPDATE if not action.changes:
            return "tags differ from the specs"
        case _:
            return action.because


def _head(name: str, color: str, note: str, where: str, look: Look) -> str:
    """Name, remark and place in columns, or without them and on several lines where the terminal is too narrow."""
    aligned = f"{name.ljust(NAME_WIDTH)}{f'{note}  '.ljust(REMARK_WIDTH) if where else note}{where}".rstrip()
    if look.columns is None or len(aligned) <= look.columns:
        left = aligned.removesuffix(where) if where else aligned
        return look.paint(left[: len(name)], color) + left[len(name) :] + look.paint(where, "dim")
    parts = [(name, color), (note, ""), (where, "dim")]
    return look.flow([part for part in parts if part[0]], between="  ", indent="    ")


def elsewhere_text(action: Action, origins: Origins) -> str:
    """What of an action does not come from a change of the specs; "" if all of it does."""
    short, drifted = origins.applied.short, origins.drifted.get(action.address, ())
    found = sorted(origins.of.get(action.address, ()))
    if "specs" in found:
        return f"drift since {short} in {', '.join(drifted)}" if drifted else ""
    texts = {
        "drift": f"drift: the specs have not changed since {short}, the account has",
        "rollout": f"the specs have not changed since {short}; the rollout of that version is not complete",
        "release": f"the specs have not changed since {short}; the image was pushed again",
        "earlier": f"left over: not in the specs of {short} either",
    }
    return texts[found[0]] if found else ""


def _action(
    action: Action, plan: Plan, look: Look, verbose: int, preview: RolloutPreview | None = None
) -> Iterator[str]:
    color = COLORS[action.verb]
    rolls = action.rolls and preview is not None and preview.shown
    note = headline(preview) if rolls and preview is not None else remark(action)
    yield _head(f"{sign(action, look)} {action.address}", color, note, action.where, look)
    if action.verb is Verb.CREATE and action.new is not None:
        rows = flat(declared(action.new.spec))
        shown = rows if verbose else rows[:6]
        for name, value in shown:
            yield look.paint("+", "green") + f"   {name}  {show(value, plan.names)}"
        if len(rows) > len(shown):
            yield look.paint(f"    ({len(rows) - len(shown)} more fields; use -v to show them)", "dim")
    for change in action.changes:
        yield from _change(change, plan, look)
    for key, value in sorted(action.tags.put.items()):
        old = action.old.tags.get(key) if action.old is not None else None
        before = f"{old} {look.sign('arrow')} " if old is not None else ""
        yield look.paint("~" if old is not None else "+", "yellow") + f"   tags.{key}  {before}{value}"
    for key in action.tags.drop:
        yield look.paint("-", "red") + f"   tags.{key}"
    if action.changes and action.unchanged:
        word = "field" if action.unchanged == 1 else "fields"
        yield look.paint(f"    ({action.unchanged} unchanged {word} hidden)", "dim")
    if preview is not None and preview.shown:
        yield from _outlook(preview, look)


def _preview(preview: RolloutPreview, look: Look) -> Iterator[str]:
    """A rollout without an action in the plan: it is in progress, or only its health check has changed."""
    yield _head(f"{look.sign('roll')} {preview.address}", "cyan", headline(preview), preview.where, look)
    yield from _outlook(preview, look)


def headline(preview: RolloutPreview) -> str:
    match preview.outlook:
        case Outlook.NEW:
            return f"{'new attempt' if preview.new_attempt else 'new version'}, {preview.way}"
        case Outlook.FIRST:
            return "initial deployment"
        case Outlook.UNDER_WAY if preview.step is not None and preview.step.phase == "blocked":
            return "blocked"
        case Outlook.UNDER_WAY:
            return f"{'rollback' if preview.rolling_back else 'rollout'} in progress, {preview.way}"
        case Outlook.ENGINE:
            return f"another engine, {preview.way}"
        case Outlook.GIVEN_UP:
            return "quarantined"
        case Outlook.WAITS:
            return "new version waiting" if preview.deployed else "not deployed yet"
        case Outlook.UNREAD:
            return "cannot be read"
        case Outlook.REST:
            return "stable"


def _outlook(preview: RolloutPreview, look: Look) -> Iterator[str]:
    """`then: green 1 task → healthy on :9000 → promote, or 2h → …`, or why there is no rollout."""
    if preview.then:
        text = preview.then.replace("→", look.sign("arrow")).replace("≈", "≈" if look.unicode else "about")
        yield look.paint(f"    then: {text}", "dim")
    elif preview.because:
        yield look.paint(f"    {preview.because}", "dim")
    if preview.forecast is not None:
        from reconciler.cli.output.forecast_text import forecast_text

        yield "    " + look.flow([(f"forecast: {forecast_text(preview.forecast, look)}", "dim")], indent="      ")
    if preview.new_attempt and not preview.then:
        yield look.paint("    tried again as it is declared now, if this attempt fails", "dim")


def _deferred(plan: Plan, look: Look) -> Iterator[str]:
    """What is left to a later reconciliation: `- subnet/app-public2   in use …`"""
    yield look.paint("Deferred:", "bold")
    for entry in plan.deferred:
        head = f"{f'  {sign(entry.action, look)} {entry.action.address}':<{NAME_WIDTH - 1}} "
        yield look.paint(head, "dim") + entry.because
        for change in entry.action.changes:
            yield from (f"      {line}" for line in _change(change, plan, look))


def _change(change: Change, plan: Plan, look: Look) -> Iterator[str]:
    old, new = sides(change, plan.names)
    name = path(change, plan.names)
    forces = "   # forces replacement" if change.immutable else ""
    if change.loss:
        value = new if old is None else old
        yield look.paint(f"-   {name}  {value}   # lost, as its document accepts", "red")
        return
    if old is None:
        yield look.paint("+", "green") + f"   {name}  {new}{forces}"
    elif new is None:
        yield look.paint("-", "red") + f"   {name}  {old}{forces}"
    else:
        yield look.paint("~", "yellow") + f"   {name}  {old} {look.sign('arrow')} {new}{forces}"


def _note(mark: str, note: Note, prefix: str) -> str:
    return f"{mark} {note.address}".ljust(NAME_WIDTH) + f"{prefix}{note.because}"


def refusal_lines(refusal: Refusal, look: Look) -> Iterator[str]:
    what = f"{refusal.address}  " if refusal.address is not None else ""
    place = f"  {refusal.where}" if refusal.where else ""
    yield look.paint(f"{look.sign('bad')} blocked ({refusal.code}): ", "red") + f"{what}{refusal.because}{place}"
    if refusal.hint:
        yield f"    {refusal.hint}"
