"""How soon the loop acts: from a saved file, and from a commit, to the first call to AWS. `python -m benchmarks.loop`

A real `reconciler run` process over the AWS emulator behind its own endpoint; it records when each call arrives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.clock import SystemClock
from reconciler.local.aws import LaptopAws
from reconciler.local.scripted import ScriptedListeners, ScriptedTargets, ScriptedTasks
from reconciler.local.server import serve

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 60.0


class Noted:
    """The local AWS emulator; remembers when the last call came, and how many there were."""

    def __init__(self) -> None:
        tasks = ScriptedTasks()
        self.aws = LaptopAws(SystemClock(), tasks, ScriptedTargets(tasks.healthy_at), ScriptedListeners())
        self.calls: list[float] = []
        inner: Callable[[Any], Any] = self.aws.handle

        def handle(request: Any) -> Any:
            self.calls.append(time.monotonic())
            return inner(request)

        self.aws.handle = handle  # type: ignore[method-assign]  # noted on the way in
        self.aws.start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--interval", type=float, default=120.0, help="between fast passes, so that none comes between")
    options = parser.parse_args()
    noted = Noted()
    server = serve("127.0.0.1", 0, noted.aws)
    with tempfile.TemporaryDirectory() as place:
        specs = Path(shutil.copytree(ROOT / "specs", Path(place) / "specs"))
        line = [
            sys.executable,
            "-m",
            "reconciler",
            "run",
            str(specs),
            "--interval",
            str(options.interval),
            "-o",
            "json",
        ]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "laptop",
            "AWS_SECRET_ACCESS_KEY": "laptop",
            "XDG_STATE_HOME": str(Path(place) / "state"),
            "XDG_CACHE_HOME": str(Path(place) / "cache"),
        }
        began = time.monotonic()
        process = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: len(noted.calls) > 0)
            print(f"process start → first call    {noted.calls[0] - began:.2f} s")
            _quiet(noted)
            found = [_saved(noted, specs, number) for number in range(options.times)]
        finally:
            process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            process.wait(timeout=PATIENCE_SECONDS)
            ended = time.monotonic() - told
            server.close()
    print(
        f"file saved → first call       p50 {statistics.median(found):.2f} s, max {max(found):.2f} s, n = {len(found)}"
    )
    print(f"SIGTERM → ended               {ended:.2f} s, exit {process.returncode}")
    print(f"load                          {os.getloadavg()[0]:.1f}")


def _saved(noted: Noted, specs: Path, number: int) -> float:
    """Seconds from the moment that the file is there to the next call that arrives."""
    file = specs / "stack.yaml"
    text = file.read_text(encoding="utf-8").partition("# round")[0]
    beside = file.with_suffix(".part")
    beside.write_text(f"{text}# round {number}\n", encoding="utf-8")
    before = len(noted.calls)
    os.replace(beside, file)
    saved = time.monotonic()
    _until(lambda: len(noted.calls) > before)
    first = noted.calls[before] - saved
    _quiet(noted)
    return first


def _quiet(noted: Noted) -> None:
    """Until no call has come for a while: the pass is over."""
    _until(lambda: bool(noted.calls) and time.monotonic() - noted.calls[-1] > 4.0)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("it never came to that")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
