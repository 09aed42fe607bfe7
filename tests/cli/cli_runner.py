"""Commands run against a theatre: the product as typed, its calls answered by the local AWS emulator of the stage.

with onstage(stage) as type_:
    type_("history", "my-app-frontend")
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from reconciler.cli.lease import open_store
from reconciler.clock import Clock, SystemClock
from reconciler.store.base import Record
from reconciler.store.holder_report import CONTROLLER, HolderReport
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


RUNNING = HolderReport(CONTROLLER)


def lease_of(
    stage: EmulatedStack,
    holder: str = "run by ana@ci-7 (4711)",
    report: HolderReport = RUNNING,
    age: float = 0.0,
) -> None:
    """The stack's lease in the default store, as `holder` left it `age` seconds ago; released if that is empty."""
    place = stage.desired_state.place
    store = open_store(None, stage.transport, place.stack, place.account, place.region, None)
    found = store.records.read()
    at = SystemClock().now() - timedelta(seconds=age)
    record = Record(f"{holder}/1" if holder else "", 1, secrets.token_hex(8), 60.0, at, report.text() if holder else "")
    assert store.records.swap(None if found is None else found.version, record)
    store.close()


FOLDERS = frozenset({"doctor", "tree", "diff", "plan", "apply", "destroy", "run", "reconcile"})
"""Commands whose argument is the folder."""


def _save(stage: EmulatedStack, folder: Path) -> None:
    shutil.copytree(stage.folder, folder, dirs_exist_ok=True)
    for file in folder.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        for old, new in stage.texts.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
