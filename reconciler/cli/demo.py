"""demo: the whole product on this machine: an AWS, the specs applied to it, the app behind a real load balancer.

It types the commands that one would type against AWS. Then it watches the specs and applies what is saved, until
Ctrl-C; with `--exit` it saves one change itself, shows that the new version answers, and ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.laptop import Laptop

REPOSITORY = "my-app-frontend"
VERSIONS = ("v1", "v2")
POLL_SECONDS = 0.3
PATIENCE_SECONDS = 90.0


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--app", "app", default="app", type=click.Path(path_type=Path, exists=True), help="The app's folder.")
@click.option("--clock", default=1.0, metavar="N", help="Let time pass N times as fast.")
@click.option("--port", default=4566, help="The laptop AWS's port; a free one where it is taken.")
@click.option("--exit", "ends", is_flag=True, help="Tell the story once and end.")
def demo(folder: Path | None, app: Path, clock: float, port: int, ends: bool) -> int:
    """See it work on this machine: no AWS account, no Docker."""
    started = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    source = options.find_specs(folder)
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as scratch:
        specs = Path(shutil.copytree(source, Path(scratch) / "specs")) if ends else source
        with _laptop(Path(scratch) / "state", port, clock) as laptop:
            Story(laptop, specs, app, stop, started).tell(ends=ends)
    return Exit.DONE


@contextmanager
def _laptop(state: Path, port: int, clock: float) -> Iterator[Laptop]:
    try:
        laptop = Laptop(state, port=port, speed=clock)
    except OSError:
        laptop = Laptop(state, port=0, speed=clock)
    with laptop:
        yield laptop


class Interrupted(Exception):
    """Ctrl-C."""


class Story:
    def __init__(self, laptop: Laptop, specs: Path, app: Path, stop: threading.Event, started: float) -> None:
        self.laptop, self.specs, self.app, self.stop, self.started = laptop, specs, app, stop, started

    def tell(self, *, ends: bool) -> None:
        try:
            self._begin()
            if ends:
                self._save_a_change()
                self._apply_what_is_saved()
                self._answers("v2")
                self._say("That was it. Without --exit it now watches the specs.")
            else:
                self._watch()
        except Interrupted:
            self._say("Stopped; everything that it started has ended.")

    def _begin(self) -> None:
        self._say(f"An AWS answers on {self.laptop.url}. First, everything in {self.specs}/ is made:")
        for note in self.laptop.notes:
            click.echo(f"  note: {note}")
        self._run("apply", "--auto-approve")
        self._say("The registry exists now; the app is pushed to it, as v1 and v2:")
        for version in VERSIONS:
            click.echo(f"$ reconciler local push {self.app} --tag {version}")
            click.echo(f"{REPOSITORY}:{version} {self._push(version)}")
        self._say("v1 is pinned by its digest, and its tasks start:")
        self._run("apply", "--auto-approve")
        self._answers("v1")
        self._run("diff")
        self._say("Where to look:")
        for arn, url in sorted(self.laptop.aws.urls().items(), key=lambda item: item[1]):
            click.echo(f"  {url}  {'test' if url.endswith('9000') else 'production'}  {arn.split('/')[-3]}")
        click.echo(f"  AWS_ENDPOINT_URL={self.laptop.url}  for any AWS tool")

    def _push(self, version: str) -> str:
        """The app's folder with its version in its Dockerfile, as a build would bake it in."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(shutil.copytree(self.app, Path(scratch) / "app"))
            with (folder / "Dockerfile").open("a", encoding="utf-8") as file:
                file.write(f"\nENV VERSION={version}\n")
            return self.laptop.push(folder, REPOSITORY, version)

    def _save_a_change(self) -> None:
        service = self.specs / "services" / "frontend.yaml"
        text = service.read_text(encoding="utf-8")
        service.write_text(text.replace("tag: v1", "tag: v2"), encoding="utf-8")
        self._say("tag: v1 becomes tag: v2 in services/frontend.yaml; the file is saved:")

    def _watch(self) -> None:
        self._say(f"Watching {self.specs}/: save a change (try tag: v2 in services/frontend.yaml). Ctrl-C ends it all.")
        seen = self._saved()
        while True:
            self._pause()
            now = self._saved()
            if now != seen:
                self._apply_what_is_saved()
                seen = now

    def _apply_what_is_saved(self) -> None:
        if self._run("diff", allowed=(Exit.DONE, Exit.PENDING, Exit.FAILED, Exit.BLOCKED)) == Exit.PENDING:
            self._run("apply", "--auto-approve", allowed=tuple(Exit))

    def _saved(self) -> dict[Path, tuple[int, int]]:
        return {
            path: (found.st_mtime_ns, found.st_size)
            for path in sorted(self.specs.rglob("*.y*ml"))
            if (found := path.stat())
        }

    def _answers(self, version: str) -> None:
        """Wait until production is `version`, and only that."""

        def asked() -> bool:
            return all(self._version() == version for _ in range(5))

        self._until(asked, f"{version} does not answer")
        url = self._production()
        took = time.monotonic() - self.started
        click.echo(f"\n$ curl {url}\n{self._fetch(url)[1].strip()}    ({took:.1f} s after the start)")

    def _version(self) -> str:
        try:
            return self._fetch(self._production())[0]
        except OSError:
            return ""

    def _fetch(self, url: str) -> tuple[str, str]:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.headers.get("X-App-Version", ""), answer.read().decode()

    def _production(self) -> str:
        urls = sorted(self.laptop.aws.urls().values(), key=lambda url: int(url.rpartition(":")[2]) % 10_000)
        if not urls:
            raise errors.ReconcilerError("the specs have no listener")
        return urls[0]

    def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise errors.ReconcilerError(f"{otherwise} after {PATIENCE_SECONDS:.0f} s")
            self._pause()

    def _pause(self) -> None:
        if self.stop.wait(POLL_SECONDS):
            raise Interrupted

    def _run(self, command: str, *arguments: str, allowed: tuple[Exit, ...] = (Exit.DONE,)) -> int:
        """Type a command; Ctrl-C reaches it as it reaches us."""
        click.echo(f"\n$ reconciler {' '.join([command, *arguments])}")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": self.laptop.url,
            "AWS_ACCESS_KEY_ID": "laptop",
            "AWS_SECRET_ACCESS_KEY": "laptop",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        line = [sys.executable, "-m", "reconciler", command, str(self.specs), *arguments]
        code = subprocess.run(line, env=environment, check=False).returncode
        if self.stop.is_set():
            raise Interrupted
        if code not in allowed:
            raise errors.ReconcilerError(f"`reconciler {command}` ended with {code}")
        return code

    def _say(self, text: str) -> None:
        click.echo(f"\n{text}")
        sys.stdout.flush()
