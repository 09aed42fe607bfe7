"""Run a guided demo on this machine, without an AWS account.

The demo starts the local AWS emulator and the controller, and runs the commands that you would run against AWS: a first
version is deployed, a second one is tested beside it and promoted, and a third one fails before it reaches production.
The clock runs sixty times as fast, so that the bake time of one hour takes a minute.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.emulator_client import EMULATOR, opened
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.signals import ignore, stopping

if TYPE_CHECKING:
    from reconciler.cli.emulator import Emulator

REPOSITORY = "my-app-frontend"
SERVICE = "my-app-frontend"
FILE = Path("services") / "frontend.yaml"
POLL_SECONDS = 0.3
PATIENCE_SECONDS = 240.0
SPEED = 60.0
BROKEN = "\nraise SystemExit('OperationalError: could not translate host name \"db-new\" to address')\n"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--app", "app", default="app", type=click.Path(path_type=Path, exists=True), help="Folder of the app.")
@click.option("--clock", default=SPEED, metavar="N", show_default=True, help="Run the clock N times as fast.")
@click.option("--port", default=4566, help="Port of the emulator; if it is taken, a free one is used.")
@click.option("--engine", metavar="NAME", help="Deploy with this engine, such as codedeploy.")
@click.option("--exit", "ends", is_flag=True, help="Exit at the end, on a terminal too.")
def demo(folder: Path | None, app: Path, clock: float, port: int, engine: str | None, ends: bool) -> int:
    """Run a guided demo on this machine, without an AWS account and without Docker.

    On a terminal the controller keeps running at the end, for you to try things out, until Ctrl-C.
    """
    started = time.monotonic()
    source = options.find_specs(folder)
    with (
        stopping(ignore, ignore) as stopped,
        tempfile.TemporaryDirectory(prefix="reconciler-demo-") as scratch,
    ):
        specs = Path(shutil.copytree(source, Path(scratch) / "specs"))
        if engine is not None:
            _deploy_with(engine, specs)
        with _emulator(Path(scratch) / "state", port, clock) as emulator:
            Story(emulator, specs, app, stopped.stop, started, Path(scratch)).tell(ends=ends or not sys.stdin.isatty())
    return Exit.DONE


def _deploy_with(engine: str, specs: Path) -> None:
    """Name the engine in every deployment strategy that shifts traffic."""
    for file in specs.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("type: blue_green\n", f"type: blue_green\nengine: {engine}\n"), encoding="utf-8")


@contextmanager
def _emulator(state: Path, port: int, clock: float) -> Iterator[Emulator]:
    from reconciler.cli.emulator import Emulator

    try:
        emulator = Emulator(state, port=port, speed=clock)
    except OSError:
        emulator = Emulator(state, port=0, speed=clock)
    with emulator:
        yield emulator


class Interrupted(Exception):
    """Ctrl-C."""


class Story:
    """The demo, step by step."""

    def __init__(
        self, emulator: Emulator, specs: Path, app: Path, stop: threading.Event, started: float, scratch: Path
    ) -> None:
        self.emulator, self.specs, self.app, self.stop = emulator, specs, app, stop
        self.started, self.scratch = started, scratch
        self._process: subprocess.Popen[bytes] | None = None

    def tell(self, *, ends: bool) -> None:
        try:
            self._say(f"The local AWS emulator is running on {self.emulator.url}.")
            self._say(f"The controller reconciles it with {self.specs}:")
            for note in self.emulator.notes:
                echo(f"  note: {note}")
            with self._controller():
                self._first()
                self._second()
                self._third()
                if not ends:
                    self._stay()
                self._say("Demo complete. Stopping everything that it started.")
        except Interrupted:
            self._say("Demo interrupted. Everything that it started has been stopped.")

    # -- the story

    def _first(self) -> None:
        self._until(self._has_repository, "the registry was not created")
        self._say("The registry has been created. Push the app as v1, v2 and v3 (v3 is broken on purpose):")
        for version in ("v1", "v2", "v3"):
            echo(f"$ reconciler local push {self.app} --tag {version}")
            echo(f"{REPOSITORY}:{version} {self._push(version, broken=version == 'v3')}")
        self._answers("v1", 80)
        self._phase("idle")

    def _second(self) -> None:
        self._change("v1", "v2")
        self._answers("v2", 9000)
        self._say("Green serves v2 on :9000, production is still v1. Check the status, and promote v2:")
        self._phase("awaiting_promotion")
        self._run("status", SERVICE)
        self._run("promote", SERVICE, "--why", "looks good")
        self._answers("v2", 80)
        self._say("Production is v2. Blue keeps running for 1 h (a minute here), ready for an instant rollback.")
        self._phase("idle")
        self._run("status", SERVICE)

    def _third(self) -> None:
        self._change("v2", "v3")
        self._phase("failed")
        self._run("status", SERVICE, allowed=(Exit.ROLLED_BACK,))
        self._answers("v2", 80)
        self._say("Production never saw v3. It is quarantined until `reconciler retry` or a new version lifts it.")

    def _stay(self) -> None:
        self._say("The controller keeps running. Edit the specs and watch it reconcile; Ctrl-C stops everything.")
        echo(f"  specs       {self.specs}  (a copy, safe to edit)")
        for port in (80, 9000):
            echo(f"  :{port:<10} {self._url(port)}")
        echo("  console     the newest link that the controller has printed above signs in one browser")
        echo("\nIn another terminal, in this folder:")
        if self.emulator.url != EMULATOR:
            echo(f"  export AWS_ENDPOINT_URL={self.emulator.url}")
        echo(f"  export RECONCILER_STORE={self._store}")
        echo(f"  {_typed()} status --watch --local --specs {self.specs}")
        sys.stdout.flush()
        while True:
            self._pause()

    # -- its parts

    @contextmanager
    def _controller(self) -> Iterator[None]:
        """`reconciler run`, with its output."""
        options = "--interval 5 --listen 127.0.0.1:0 --console token"
        echo(f"\n$ reconciler run {options}")
        line = [sys.executable, "-m", "reconciler", "run", str(self.specs), *options.split(), "-o", "text"]
        process = self._process = subprocess.Popen(line, env=self._environment())
        try:
            yield
        finally:
            self._process = None
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _push(self, version: str, *, broken: bool) -> str:
        """Push the app's folder with the version in its Dockerfile, as a build would set it."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(shutil.copytree(self.app, Path(scratch) / "app"))
            with (folder / "Dockerfile").open("a", encoding="utf-8") as file:
                file.write(f"\nENV VERSION={version}\n")
            if broken:
                with (folder / "settings.py").open("a", encoding="utf-8") as file:
                    file.write(BROKEN)
            return self.emulator.push(folder, REPOSITORY, version)

    def _change(self, old: str, new: str) -> None:
        file = self.specs / FILE
        text = file.read_text(encoding="utf-8").replace(f"tag: {old}", f"tag: {new}")
        beside = file.with_suffix(".part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, file)
        self._say(f"Change tag: {old} to tag: {new} in {FILE}:")

    def _phase(self, phase: str) -> None:
        self._until(lambda: self._document().get("phase") == phase, f"the rollout did not reach phase {phase}")

    def _document(self) -> dict[str, object]:
        import orjson

        line = [sys.executable, "-m", "reconciler", "status", SERVICE, "--specs", str(self.specs), "-o", "json"]
        ended = subprocess.run(line, env=self._environment(), check=False, capture_output=True)
        if not ended.stdout:
            return {}
        found: dict[str, object] = orjson.loads(ended.stdout)["services"][0]
        return found

    def _answers(self, version: str, port: int) -> None:
        """Wait until only this version answers on the port."""

        def answered() -> bool:
            return all(self._version(port) == version for _ in range(3))

        self._until(answered, f"{version} did not answer on :{port}")
        took = time.monotonic() - self.started
        url = self._url(port)
        echo(f"\n$ curl {url}\n{self._fetch(url)[1].strip()}    (:{port}, {took:.1f} s after the start)")

    def _version(self, port: int) -> str:
        try:
            return self._fetch(self._url(port))[0]
        except (OSError, LookupError):
            return ""

    def _fetch(self, url: str) -> tuple[str, str]:
        with opened(url, 5) as answer:
            return answer.headers.get("X-App-Version", ""), answer.read().decode()

    def _url(self, port: int) -> str:
        """The listener's URL on this machine; production has the lower port."""
        urls = sorted(self.emulator.aws.urls().values(), key=lambda url: int(url.rpartition(":")[2]) % 10_000)
        return urls[0] if port == 80 else urls[-1]

    def _has_repository(self) -> bool:
        from reconciler.cli.emulator import repositories

        return any(one.name == REPOSITORY for one in repositories(self.emulator.url))

    def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise errors.ReconcilerError(f"{otherwise} within {PATIENCE_SECONDS:.0f} s")
            self._pause()

    def _pause(self) -> None:
        if self.stop.wait(POLL_SECONDS):
            raise Interrupted
        if self._process is not None and self._process.poll() is not None:
            raise errors.ReconcilerError(f"`reconciler run` exited with {self._process.returncode}")

    def _run(self, command: str, *arguments: str, allowed: tuple[Exit, ...] = tuple(Exit)) -> None:
        """Run a command; Ctrl-C reaches it as well."""
        echo(f"\n$ reconciler {' '.join([command, *arguments])}")
        sys.stdout.flush()
        line = [sys.executable, "-m", "reconciler", command, *arguments, "--specs", str(self.specs)]
        code = subprocess.run(line, env=self._environment(), check=False).returncode
        if self.stop.is_set():
            raise Interrupted
        if code not in allowed:
            raise errors.ReconcilerError(f"`reconciler {command}` exited with {code}")

    @property
    def _store(self) -> str:
        """The lease of the controller, for commands that are typed elsewhere, too."""
        return f"sqlite:{self.scratch / 'store.db'}"

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RECONCILER_"))},
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "RECONCILER_STORE": self._store,
            "XDG_STATE_HOME": str(self.scratch / "state-of-commands"),
            "XDG_CACHE_HOME": str(self.scratch / "cache-of-commands"),
        }

    def _say(self, text: str) -> None:
        echo(f"\n{text}")
        sys.stdout.flush()


def _typed() -> str:
    """The command as it works in the user's shell, where an environment need not be active."""
    beside = Path(sys.executable).with_name("reconciler")
    if shutil.which("reconciler") or not beside.exists():
        return "reconciler"
    return os.path.relpath(beside)
