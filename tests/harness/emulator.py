"""A person's session: a folder with specs, an AWS emulator in a process of its own, and a shell to type the product in.

with local_session(tmp_path, speed=40) as here:
    here.push("v1")
    assert here.typed("apply", "-y", "--wait").code == 0
    here.save({"tag: v1": "tag: v2"})
    going = here.begin("apply", "-y", "--wait")
    going.until("waiting for promotion")
    going.kill()
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.aws.session import Boto
from reconciler.cli.emulator import REGION, Repository, push
from reconciler.cli.emulator_client import CLIENT_HEADERS
from reconciler.model.resource import Call

ROOT = Path(__file__).parents[2]
RECONCILER = (sys.executable, "-m", "reconciler")
SERVICE = "my-app-frontend"
CLUSTER = "my-app-cluster"
PATIENCE = 180.0
"""Seconds of a machine that has other things to do as well."""

KEYS = {"AWS_ACCESS_KEY_ID": "laptop", "AWS_SECRET_ACCESS_KEY": "laptop", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(frozen=True, slots=True)
class Typed:
    """How a command ended, and what it said on both streams."""

    code: int
    text: str


class Going:
    """A command that has not ended yet. What it says is read by a thread, whoever waits for it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.lines.append(line)
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def said(self, words: str) -> bool:
        """True also where it has ended without."""
        return any(words in line for line in self.lines) or not self._reader.is_alive()

    def until(self, words: str, seconds: float = PATIENCE) -> None:
        """Until it has said so."""
        with self._heard:
            self._heard.wait_for(lambda: self.said(words), seconds)
        assert words in self.text, f"it never said {words!r}:\n{self.text}"

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: nothing is handed over. It may have ended already."""
        self.process.kill()
        self.ended()

    def ended(self, seconds: float = PATIENCE) -> Typed:
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it never ended:\n{self.text}") from None
        self._reader.join(seconds)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return Typed(code, self.text)


@dataclass(slots=True)
class Desk:
    place: Path
    endpoint: str
    region: str = REGION
    going: list[Going] = field(default_factory=list)
    aws: Boto = field(init=False)

    def __post_init__(self) -> None:
        self.aws = Boto(self.region, endpoint=self.endpoint, anonymous=True)

    # -- the shell

    def begin(self, *words: str, machine: str = "mine") -> Going:
        """What one machine keeps for itself, another does not know."""
        going = Going(_process([*RECONCILER, *words], self.place, self._environment(machine)))
        self.going.append(going)
        return going

    def _environment(self, machine: str = "mine") -> dict[str, str]:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"XDG_STATE_HOME": str(self.place / machine), "NO_COLOR": "1"}
        return environment | KEYS | {"AWS_REGION": self.region, "AWS_ENDPOINT_URL": self.endpoint}

    @contextmanager
    def on_a_terminal(self, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """A command with a terminal of its own, and the end of that at which a person sits."""
        person, terminal = os.openpty()
        environment = self._environment() | {"PYTHONPATH": str(ROOT)}
        how: dict[str, Any] = {"cwd": self.place, "env": environment, "start_new_session": True}
        process = subprocess.Popen(
            [*RECONCILER, *words], stdin=terminal, stdout=terminal, stderr=terminal, **how,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(terminal)
        try:
            yield process, person
        finally:
            process.kill()
            process.wait(PATIENCE)
            with suppress(OSError):  # the test has closed it
                os.close(person)

    def typed(self, *words: str, machine: str = "mine") -> Typed:
        return self.begin(*words, machine=machine).ended()

    # -- the specs and the images

    def save(self, texts: Mapping[str, str], file: str = "services/frontend.yaml") -> None:
        """Patterns and what takes their places."""
        path = self.place / "specs" / file
        text = path.read_text(encoding="utf-8")
        for old, new in texts.items():
            text, count = re.subn(old, new, text)
            assert count, f"{file} has no {old!r}"
        path.write_text(text, encoding="utf-8")

    def version(self, tag: str) -> None:
        self.save({r"tag: \w+": f"tag: {tag}"})

    def version_live(self) -> str:
        """What production says it is."""
        host, port = self.url(80)
        with urllib.request.urlopen(f"http://{host}:{port}/", timeout=30) as answer:
            return str(answer.headers["X-App-Version"])

    def push(self, tag: str, *, build: str = "", ill_while: Path | None = None, failing: bool = False) -> str:
        """The app, with its version baked in; its digest. `build` makes it another image than the tag's first; /healthz
        fails for as long as the file `ill_while` exists; where it is `failing`, every second request of / is a 500."""
        folder = self.place / "images" / f"{tag}{build}"
        shutil.copytree(ROOT / "app", folder, ignore=shutil.ignore_patterns("__pycache__"))
        with (folder / "Dockerfile").open("a", encoding="utf-8") as file:
            file.write(f"\nENV VERSION={tag}{build}\n")
        if ill_while is not None:
            pages = folder / "pages.py"
            text = pages.read_text(encoding="utf-8")
            healthy = "return self._healthy"
            assert text.count(healthy) == 1
            ill = f"return Answer(500, b'ill') if os.path.exists({str(ill_while)!r}) else self._healthy"
            text = text.replace("import html\n", "import html\nimport os\n").replace(healthy, ill)
            pages.write_text(text, encoding="utf-8")
        if failing:
            pages = folder / "pages.py"
            text = pages.read_text(encoding="utf-8")
            answer = 'return self._html if "text/html"'
            assert text.count(answer) == 1
            counted = f"if next(REQUESTS) % 2:\n            return Answer(500, b'broken')\n        {answer}"
            text = text.replace("import html\n", "import html\nimport itertools\n").replace(answer, counted)
            pages.write_text(text + "\n\nREQUESTS = itertools.count()\n", encoding="utf-8")
        return push(self.place / "state", folder, Repository(SERVICE, self.region), tag, self.endpoint)

    # -- the local AWS emulator

    def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        return self.aws.perform(Call(service, operation, params))

    def own(self, name: str, method: str = "GET", body: Any = None) -> Any:
        """One of the laptop's own routes."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_reconciler/{name}", data, CLIENT_HEADERS, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def now(self) -> datetime:
        return datetime.fromisoformat(self.own("health")["now"])

    def service(self, name: str = SERVICE) -> dict[str, Any]:
        answer = self.ask("ecs", "DescribeServices", cluster=CLUSTER, services=[name], include=["TAGS"])
        found: dict[str, Any] = answer["services"][0]
        return found

    def url(self, port: int) -> tuple[str, int]:
        """Where the listener on `port` really answers; where that port could not be had, it is 10,000 higher."""
        listener = self._listener(port)["ListenerArn"]
        host, _, given = self.own("urls")[listener].rpartition("//")[2].partition(":")
        return host, int(given)

    def weights(self, port: int) -> dict[str, int]:
        """Target group's name → share."""
        groups = self._listener(port)["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        return {one["TargetGroupArn"].split("/")[1]: one["Weight"] for one in groups}

    def _listener(self, port: int) -> dict[str, Any]:
        balancer = self.ask("elbv2", "DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = self.ask("elbv2", "DescribeListeners", LoadBalancerArn=balancer)["Listeners"]
        found: dict[str, Any] = next(one for one in listeners if one["Port"] == port)
        return found


@contextmanager
def local_session(
    place: Path, *, speed: float, terms: Mapping[str, str] | None = None, region: str = REGION
) -> Iterator[Desk]:
    """`terms` are patterns in deployment.yaml and what takes their places; the specs are moved to `region`."""
    shutil.copytree(ROOT / "specs", place / "specs")
    for file in (place / "specs").rglob("*.yaml"):
        file.write_text(file.read_text(encoding="utf-8").replace(REGION, region), encoding="utf-8")
    words = ["local", "up", "--port", "0", "--clock", str(speed), "--state", str(place / "state"), "-o", "json"]
    laptop = Going(_process([*RECONCILER, *words], place, dict(os.environ)))
    here: Desk | None = None
    try:
        laptop.until('"endpoint"')
        told = next(line for line in laptop.lines if line.startswith("{"))
        here = Desk(place, json.loads(told)["endpoint"], region)
        if terms:
            here.save(terms, "deployment.yaml")
        yield here
    finally:
        for going in here.going if here is not None else ():
            going.kill()
        laptop.signal(signal.SIGTERM)
        laptop.ended()


def _process(words: list[str], place: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        cwd=place,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# -- load


@contextmanager
def load(here: Desk, *, rate: float, connections: int = 8) -> Iterator[Callable[[], dict[str, Any]]]:
    """Steady requests to production from a process of their own; what is yielded ends them, and says what
    `benchmarks.load` counted."""
    host, port = here.url(80)
    words = [sys.executable, "-m", "benchmarks.load", host, str(port), str(connections), "86400", str(rate)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:

        def ended() -> dict[str, Any]:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=PATIENCE)
            found: dict[str, Any] = json.loads(said)
            return found

        try:
            yield ended
        finally:
            process.kill()
