"""The result of `import` as text: what was written, what is owned and referred to, and what an apply would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.cli.output.terminal import Look
from reconciler.importing.documents import Imported
from reconciler.importing.proof import Proof

WIDTH = 44


def import_text(folder: str, found: Imported, proof: Proof, look: Look, pasted: Mapping[str, str]) -> str:
    """`pasted` are the texts to paste into other tools, by where."""
    return "\n".join(_lines(folder, found, proof, look, pasted))


def _lines(folder: str, found: Imported, proof: Proof, look: Look, pasted: Mapping[str, str]) -> Iterator[str]:
    yield f"Written to {folder}:"
    yield from (f"  {path}" for path in sorted(found.files))
    for title, own in (("Owned by the specs:", True), ("Referred to, and never changed:", False)):
        choices = [one for one in found.choices if one.own is own]
        if choices:
            yield f"\n{title}"
        yield from (f"  {_named(one.thing.kind, one.thing.name)}{one.because}" for one in choices)
    if found.managed:
        yield "\nTake these out of the other tool before the first apply, or both will change them:"
        tasks = {one.name for one in found.tasks}
        for name, why in found.managed.items():
            named = _named("task" if name in tasks else "service", name)
            yield look.paint(f"{look.sign('warn')} {named}{why}", "yellow")
    for title, text in pasted.items():
        yield f"\nTo paste there, before you remove it: {title}"
        yield from (f"    {line}" for line in text.splitlines())
    if found.refused:
        yield "\nNot imported:"
        yield from (f"{look.sign('bad')} {name.ljust(WIDTH)}{why}" for name, why in found.refused)
    yield ""
    yield _verdict(folder, proof, look)


def _named(kind: str, name: str) -> str:
    return f"{kind} {name}  ".ljust(WIDTH)


def _verdict(folder: str, proof: Proof, look: Look) -> str:
    if proof.holds:
        count = len(proof.tagged)
        return look.paint(
            f"{look.sign('ok')} `reconciler apply {folder}` will only write tags, on {count} "
            f"{'resource' if count == 1 else 'resources'}: no field changes, and no task is started.",
            "green",
        )
    return look.paint(f"{look.sign('warn')} The plan of these specs does more than to write tags:", "yellow")
