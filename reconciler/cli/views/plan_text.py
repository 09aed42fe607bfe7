"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.terminal import Look
from reconciler.cli.views.values import flat, path, show, sides
from reconciler.model.diff import Change, declared
from reconciler.model.plan import Action, Note, Plan, Refusal, Verb

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


def plan_text(plan: Plan, look: Look, *, verbose: int = 0) -> str:
    """The whole plan, ending in the line that counts."""
    lines: list[str] = []
    for action in plan.actions:
        lines += _action(action, plan, look, verbose)
        lines.append("")
    for note in plan.waiting:
        lines.append(_note(look.sign("wait"), note, "waits: "))
    for note in (*plan.unsettled, *plan.warnings):
        lines.append(look.paint(_note(look.sign("warn"), note, ""), "yellow"))
    for refusal in plan.refusals:
        lines += _refusal(refusal, look)
    if plan.waiting or plan.unsettled or plan.warnings or plan.refusals:
        lines.append("")
    lines.append(counts(plan, look))
    return "\n".join(lines)


def counts(plan: Plan, look: Look) -> str:
    """`Plan: 0 to create, 1 to update, …`, or that there is nothing to do."""
    if not plan.actions and not plan.refusals and not plan.waiting:
        return look.paint(f"No changes. {plan.unchanged} resources are as the specs have them.", "green")
    adopt = plan.count(Verb.ADOPT)
    rolls = plan.count(Verb.ROLL)
    words = [
        f"{plan.count(Verb.CREATE)} to create",
        *([f"{adopt} to adopt"] if adopt else []),
        f"{plan.count(Verb.UPDATE)} to update",
        f"{rolls} rollout{'' if rolls == 1 else 's'}",
        f"{plan.count(Verb.REPLACE)} to replace",
        f"{plan.count(Verb.DELETE)} to delete",
    ]
    blocked = f" {len(plan.refusals)} blocked." if plan.refusals else ""
    return look.paint(f"Plan: {', '.join(words)}.", "bold") + f"{blocked}   digest {plan.digest[:7]}"


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
        case Verb.UPDATE if not action.changes:
            return "its tags differ from the specs"
        case _:
            return action.because


def _action(action: Action, plan: Plan, look: Look, verbose: int) -> Iterator[str]:
    color = COLORS[action.verb]
    head = f"{sign(action, look)} {action.address}".ljust(NAME_WIDTH)
    note = remark(action).ljust(REMARK_WIDTH) if action.where else remark(action)
    yield (look.paint(head, color) + note + look.paint(action.where, "dim")).rstrip()
    if action.verb is Verb.CREATE and action.new is not None:
        rows = flat(declared(action.new.spec))
        shown = rows if verbose else rows[:6]
        for name, value in shown:
            yield look.paint("+", "green") + f"   {name}  {show(value, plan.names)}"
        if len(rows) > len(shown):
            yield look.paint(f"    ({len(rows) - len(shown)} more fields; -v shows them)", "dim")
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


def _change(change: Change, plan: Plan, look: Look) -> Iterator[str]:
    old, new = sides(change, plan.names)
    name = path(change, plan.names)
    forces = "   # forces replacement" if change.immutable else ""
    if old is None:
        yield look.paint("+", "green") + f"   {name}  {new}{forces}"
    elif new is None:
        yield look.paint("-", "red") + f"   {name}  {old}{forces}"
    else:
        yield look.paint("~", "yellow") + f"   {name}  {old} {look.sign('arrow')} {new}{forces}"


def _note(mark: str, note: Note, prefix: str) -> str:
    return f"{mark} {note.address}".ljust(NAME_WIDTH) + f"{prefix}{note.because}"


def _refusal(refusal: Refusal, look: Look) -> Iterator[str]:
    what = f"{refusal.address}  " if refusal.address is not None else ""
    place = f"  {refusal.where}" if refusal.where else ""
    yield look.paint(f"{look.sign('bad')} blocked ({refusal.rule}): ", "red") + f"{what}{refusal.because}{place}"
    if refusal.hint:
        yield f"    {refusal.hint}"
