"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.cli.terminal import Look
from reconciler.cli.views.values import flat, path, show, sides
from reconciler.model.diff import Change, declared
from reconciler.model.plan import Action, Note, Plan, Refusal, Verb
from reconciler.rollout.outlook import Outlook, RolloutPreview

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


def plan_text(plan: Plan, look: Look, ahead: Sequence[RolloutPreview] = (), *, verbose: int = 0) -> str:
    """The whole plan, ending in the line that counts. `ahead`: what the rollouts have before them."""
    lines: list[str] = []
    told = {one.address: one for one in ahead}
    for action in plan.actions:
        prospect = told.pop(action.address, None)
        lines += _action(action, plan, look, verbose, prospect)
        lines.append("")
    for prospect in told.values():
        if prospect.told:
            lines += [*_prospect(prospect, look), ""]
    for note in plan.waiting:
        lines.append(_note(look.sign("wait"), note, "waits: "))
    for note in (*plan.unsettled, *plan.warnings):
        lines.append(look.paint(_note(look.sign("warn"), note, ""), "yellow"))
    for refusal in plan.refusals:
        lines += _refusal(refusal, look)
    if plan.waiting or plan.unsettled or plan.warnings or plan.refusals:
        lines.append("")
    lines.append(counts(plan, look, ahead))
    return "\n".join(lines)


def counts(plan: Plan, look: Look, ahead: Sequence[RolloutPreview] = ()) -> str:
    """`Plan: 0 to create, 1 to update, …`, or that there is nothing to do."""
    rolling = [one for one in ahead if one.told]
    if not plan.actions and not plan.refusals and not plan.waiting:
        if rolling:
            of = "service is" if len(rolling) == 1 else "services are"
            same = f"{plan.unchanged} resources are as the specs have them"
            return look.paint(f"{same}; {len(rolling)} {of} not at rest.", "yellow")
        return look.paint(f"No changes. {plan.unchanged} resources are as the specs have them.", "green")
    adopt = plan.count(Verb.ADOPT)
    rolls = len({a.address for a in plan.actions if a.verb is Verb.ROLL} | {one.address for one in ahead if one.then})
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


def _action(
    action: Action, plan: Plan, look: Look, verbose: int, prospect: RolloutPreview | None = None
) -> Iterator[str]:
    color = COLORS[action.verb]
    head = f"{sign(action, look)} {action.address}".ljust(NAME_WIDTH)
    rolls = action.verb is Verb.ROLL and prospect is not None and prospect.told
    note = _headline(prospect) if rolls and prospect is not None else remark(action)
    note = note.ljust(REMARK_WIDTH) if action.where else note
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
    if prospect is not None and prospect.told:
        yield from _ahead(prospect, look)


def _prospect(prospect: RolloutPreview, look: Look) -> Iterator[str]:
    """A rollout of which the plan itself knows nothing: the health check alone has changed, or it is under way."""
    head = f"{look.sign('roll')} {prospect.address}".ljust(NAME_WIDTH)
    note = _headline(prospect).ljust(REMARK_WIDTH) if prospect.where else _headline(prospect)
    yield (look.paint(head, "cyan") + note + look.paint(prospect.where, "dim")).rstrip()
    yield from _ahead(prospect, look)


def _headline(prospect: RolloutPreview) -> str:
    match prospect.outlook:
        case Outlook.NEW:
            return f"new version, {prospect.way}"
        case Outlook.FIRST:
            return "first deployment"
        case Outlook.UNDER_WAY:
            return f"a rollout is under way, {prospect.way}"
        case Outlook.GIVEN_UP:
            return "not tried again"
        case Outlook.WAITS:
            return "not deployed yet"
        case Outlook.UNREAD:
            return "could not be read"
        case Outlook.REST:
            return "at rest"


def _ahead(prospect: RolloutPreview, look: Look) -> Iterator[str]:
    """`then: green 1 task → healthy on :9000 → promote, or 2h → …`, or why nothing moves."""
    if prospect.then:
        text = prospect.then.replace("→", look.sign("arrow")).replace("≈", "≈" if look.unicode else "about")
        yield look.paint(f"    then: {text}", "dim")
    elif prospect.because:
        yield look.paint(f"    {prospect.because}", "dim")


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
    yield look.paint(f"{look.sign('bad')} blocked ({refusal.code}): ", "red") + f"{what}{refusal.because}{place}"
    if refusal.hint:
        yield f"    {refusal.hint}"
