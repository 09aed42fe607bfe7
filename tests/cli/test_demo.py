"""The last words of the demo: what is typed after it works, in a shell that knows nothing of it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.commands.demo import Interrupted, Story
from reconciler.cli.emulator_client import EMULATOR


@pytest.mark.parametrize("url", [EMULATOR, "http://127.0.0.1:4999"])
def test_the_commands_find_the_emulator_and_the_lease_of_the_demo(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The endpoint where it is not the usual one, credentials of no account, and the store of the controller."""
    stopped = threading.Event()
    stopped.set()
    urls = {"a": "http://127.31.0.1:80", "b": "http://127.31.0.1:9000"}
    emulator: Any = SimpleNamespace(url=url, aws=SimpleNamespace(urls=lambda: urls))
    story = Story(emulator, tmp_path / "specs", Path("app"), stopped, 0.0, tmp_path)
    with pytest.raises(Interrupted):
        story._stay()
    printed = capsys.readouterr().out
    assert (f"export AWS_ENDPOINT_URL={url}\n" in printed) is (url != EMULATOR)
    assert f"  export RECONCILER_STORE=sqlite:{tmp_path}/store.db\n" in printed
    assert f" status --watch --local --specs {tmp_path}/specs\n" in printed
    assert story._environment()["RECONCILER_STORE"] == f"sqlite:{tmp_path}/store.db"
