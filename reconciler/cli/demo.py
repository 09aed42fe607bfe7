"""demo: the whole product on this machine: an AWS, the loop over the specs, the app behind a real load balancer.

It tells a story by typing the commands that one would type against AWS: a first version, a second one that is tested
beside it and promoted by a person, a third that fails and never sees production. Time passes sixty times as fast, so
that the hour for which the old version is kept takes a minute. Then, on a terminal, the loop goes on until Ctrl-C.
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

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.emulator import Laptop
from reconciler.cli.emulator_client import opened
from reconciler.cli.exits import Exit

REPOSITORY = "my-app-frontend"
SERVICE = "my-app-frontend"
FILE = Path("services") / "frontend.yaml"
POLL_SECONDS = 0.3
PATIENCE_SECONDS = 240.0
SPEED = 60.0
BROKEN = "\nraise SystemExit('OperationalError: could not translate host name \"db-new\" to address')\n"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--app", "app", default="app", type=click.Path(path_type=Path, exists=True), help="The app's folder.")
@click.option("--clock", default=SPEED, metavar="N", show_default=True, help="Let time pass N times as fast.")
@click.option("--port", default=4566, help="The laptop AWS's port; a free one where it is taken.")
@click.option("--exit", "ends", is_flag=True, help="End with the story, on a terminal too.")
def demo(folder: Path | None, app: Path, clock: float, port: int, ends: bool) -> int:
    """See it work on this machine: no AWS account, no Docker."""
    started = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    source = options.find_specs(folder)
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as scratch:
        specs = Path(shutil.copytree(source, Path(scratch) / "specs"))
        with _laptop(Path(scratch) / "state", port, clock) as laptop:
            Story(laptop, specs, app, stop, started, Path(scratch)).tell(ends=ends or not sys.stdin.isatty())
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
    def __init__(
        self, laptop: Laptop, specs: Path, app: Path, stop: threading.Event, started: float, scratch: Path
    ) -> None:
        self.laptop, self.specs, self.app, self.stop = laptop, specs, app, stop
        self.started, self.scratch = started, scratch
        self._process: subprocess.Popen[bytes] | None = None

    def tell(self, *, ends: bool) -> None:
        try:
            self._say(f"An AWS answers on {self.laptop.url}. The loop keeps it equal to {self.specs}:")
            for note in self.laptop.notes:
                click.echo(f"  note: {note}")
            with self._loop():
                self._first()
                self._second()
                self._third()
                if not ends:
                    self._stay()
                self._say("That was it; everything that it started ends here.")
        except Interrupted:
            self._say("Stopped; everything that it started has ended.")

    # -- the story

    def _first(self) -> None:
        self._until(lambda: REPOSITORY in self._repositories(), "the registry was not made")
        self._say("The registry is there: the app is pushed to it, as v1, v2 and v3. v3 will turn out to be broken.")
        for version in ("v1", "v2", "v3"):
            click.echo(f"$ reconciler local push {self.app} --tag {version}")
            click.echo(f"{REPOSITORY}:{version} {self._push(version, broken=version == 'v3')}")
        self._answers("v1", 80)

    def _second(self) -> None:
        self._change("v1", "v2")
        self._answers("v2", 9000)
        self._say("Green answers on :9000, production is still v1. Somebody looks at it, and says the word:")
        self._phase("awaiting_promotion")
        self._run("status", SERVICE)
        self._run("promote", SERVICE, "--why", "looks good")
        self._answers("v2", 80)
        self._say("Production is v2. For an hour, which is a minute here, blue stays warm: going back is one write.")
        self._phase("idle")
        self._run("status", SERVICE)

    def _third(self) -> None:
        self._change("v2", "v3")
        self._phase("failed")
        self._run("status", SERVICE, allowed=(Exit.ROLLED_BACK,))
        self._answers("v2", 80)
        self._say("Production never saw v3. It is not tried again until its content changes, or somebody says retry.")

    def _stay(self) -> None:
        self._say("The loop goes on. Change something, and watch; Ctrl-C ends it all.")
        click.echo(f"  specs       {self.specs}  (a copy: edit it as you like)")
        for port in (80, 9000):
            click.echo(f"  :{port:<10} {self._url(port)}")
        click.echo(f"  commands    AWS_ENDPOINT_URL={self.laptop.url} reconciler status --specs {self.specs} --watch")
        while True:
            self._pause()

    # -- its parts

    @contextmanager
    def _loop(self) -> Iterator[None]:
        """`reconciler run`, whose lines are part of the story."""
        click.echo("\n$ reconciler run --interval 5")
        line = [sys.executable, "-m", "reconciler", "run", str(self.specs), "--interval", "5", "-o", "text"]
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
        """The app's folder with its version in its Dockerfile, as a build would bake it in."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(shutil.copytree(self.app, Path(scratch) / "app"))
            with (folder / "Dockerfile").open("a", encoding="utf-8") as file:
                file.write(f"\nENV VERSION={version}\n")
            if broken:
                with (folder / "settings.py").open("a", encoding="utf-8") as file:
                    file.write(BROKEN)
            return self.laptop.push(folder, REPOSITORY, version)

    def _change(self, old: str, new: str) -> None:
        file = self.specs / FILE
        text = file.read_text(encoding="utf-8").replace(f"tag: {old}", f"tag: {new}")
        beside = file.with_suffix(".part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, file)
        self._say(f"tag: {old} becomes tag: {new} in {FILE}; the file is saved.")

    def _phase(self, phase: str) -> None:
        self._until(lambda: self._document().get("phase") == phase, f"the rollout never came to {phase}")

    def _document(self) -> dict[str, object]:
        import orjson

        line = [sys.executable, "-m", "reconciler", "status", SERVICE, "--specs", str(self.specs), "-o", "json"]
        ended = subprocess.run(line, env=self._environment(), check=False, capture_output=True)
        if not ended.stdout:
            return {}
        found: dict[str, object] = orjson.loads(ended.stdout)["services"][0]
        return found

    def _answers(self, version: str, port: int) -> None:
        """Wait until that is all that answers on the port."""

        def asked() -> bool:
            return all(self._version(port) == version for _ in range(3))

        self._until(asked, f"{version} does not answer on :{port}")
        took = time.monotonic() - self.started
        url = self._url(port)
        click.echo(f"\n$ curl {url}\n{self._fetch(url)[1].strip()}    (:{port}, {took:.1f} s after the start)")

    def _version(self, port: int) -> str:
        try:
            return self._fetch(self._url(port))[0]
        except (OSError, LookupError):
            return ""

    def _fetch(self, url: str) -> tuple[str, str]:
        with opened(url, 5) as answer:
            return answer.headers.get("X-App-Version", ""), answer.read().decode()

    def _url(self, port: int) -> str:
        """The listener's own address on this machine; production has the lower port."""
        urls = sorted(self.laptop.aws.urls().values(), key=lambda url: int(url.rpartition(":")[2]) % 10_000)
        return urls[0] if port == 80 else urls[-1]

    def _repositories(self) -> list[str]:
        from reconciler.cli.emulator import repositories

        return repositories(self.laptop.url)

    def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise errors.ReconcilerError(f"{otherwise} after {PATIENCE_SECONDS:.0f} s")
            self._pause()

    def _pause(self) -> None:
        if self.stop.wait(POLL_SECONDS):
            raise Interrupted
        if self._process is not None and self._process.poll() is not None:
            raise errors.ReconcilerError(f"`reconciler run` ended with {self._process.returncode}")

    def _run(self, command: str, *arguments: str, allowed: tuple[Exit, ...] = tuple(Exit)) -> None:
        """Type a command; Ctrl-C reaches it as it reaches us."""
        click.echo(f"\n$ reconciler {' '.join([command, *arguments])}")
        sys.stdout.flush()
        line = [sys.executable, "-m", "reconciler", command, *arguments, "--specs", str(self.specs)]
        code = subprocess.run(line, env=self._environment(), check=False).returncode
        if self.stop.is_set():
            raise Interrupted
        if code not in allowed:
            raise errors.ReconcilerError(f"`reconciler {command}` ended with {code}")

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RECONCILER_"))},
            "AWS_ENDPOINT_URL": self.laptop.url,
            "AWS_ACCESS_KEY_ID": "laptop",
            "AWS_SECRET_ACCESS_KEY": "laptop",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "XDG_STATE_HOME": str(self.scratch / "state-of-commands"),
            "XDG_CACHE_HOME": str(self.scratch / "cache-of-commands"),
        }

    def _say(self, text: str) -> None:
        click.echo(f"\n{text}")
        sys.stdout.flush()
