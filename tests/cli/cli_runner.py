"""Commands run against a theatre: the product as typed, its calls answered by the local AWS emulator of the stage.

with onstage(stage) as type_:
    type_("history", "my-app-frontend")
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

from reconciler.clock import Clock
from tests.harness.cli import Ran, run
from tests.harness.emulated_stack import EmulatedStack, StageClock

Typed = Callable[..., Ran]


@contextlib.contextmanager
def onstage(stage: EmulatedStack, clock: Clock | None = None) -> Iterator[Typed]:
    """The specs are those that the stage has at the time; `clock` is the stage's unless another is given."""
    with (
        patch("reconciler.aws.session.Boto", lambda *_, **__: stage.transport),
        patch("reconciler.cli.session.clock_of", lambda _: clock or StageClock(stage.laptop)),
        tempfile.TemporaryDirectory() as place,
    ):
        folder = Path(place) / "specs"

        def typed(command: str, *arguments: object) -> Ran:
            _save(stage, folder)
            where = [folder] if command in FOLDERS else ["--specs", folder]
            return run(command, *arguments, *where)

        yield typed


FOLDERS = frozenset({"doctor", "tree", "diff", "apply", "destroy", "run", "reconcile"})
"""Commands whose argument is the folder."""


def _save(stage: EmulatedStack, folder: Path) -> None:
    shutil.copytree(stage.folder, folder, dirs_exist_ok=True)
    for file in folder.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        for old, new in stage.texts.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
