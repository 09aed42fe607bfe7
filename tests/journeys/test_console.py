"""The console in a browser: Debian's Chromium, where there is one.

The short story is played on ports that do nothing, the long one (slow) on the emulator, with a controller in a process
of its own. Pictures of it are kept where `CONSOLE_PICTURES` names a folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.commands import demo
from reconciler.cli.emulator import Emulator
from reconciler.console.access import TokenAccess
from reconciler.console.routes import Console
from reconciler.server.app import application
from reconciler.server.serving import Serving, bound
from tests.console.fixtures import SNAPSHOT, Ports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = "axe-core@4.14.1"
ROOT = Path(__file__).parents[2]
PAGES = ("/", "/plan", "/drift", "/tree", "/events", "/services/web", "/services/web/release", "/services/web/history",
         "/services/web/events", "/services/web/logs", "/services/web/simulation", "/services/web/promote")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


class Served:
    """The console over a real socket."""

    def __init__(self, port: int = 0) -> None:
        self.ports, self.links = Ports(), list[str]()
        self.access = TokenAccess("ana", self.links.append)
        self.links.append(self.access.token)
        self._console = Console(self.ports, self.ports, self.ports, self.access)
        self.start(port)

    def start(self, port: int) -> None:
        app = application(None, None, self._console, loopback_only=True)
        self.server = Serving(app, bound("127.0.0.1", port)[0], loopback_only=True)
        self.url = self.server.url

    @property
    def link(self) -> str:
        return f"{self.url}/sign-in?token={self.links[-1]}"


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.server.close()


def opened(browser: Any, link: str, **more: Any) -> Any:
    """A page of a new viewer, which fails the test for an error in it."""
    page = browser.new_context(**more).new_page()
    page.set_default_timeout(10_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda line: page.problems.append(line.text) if "Content Security" in line.text else None)
    page.goto(link)
    return page


def test_a_page_follows_is_acted_on_and_survives_a_lost_connection(browser: Any, served: Served) -> None:
    """Signed in by a link, promoted by click, without a word from the content policy."""
    page = opened(browser, served.link)
    assert page.url == f"{served.url}/"
    page.click("#service-web")
    served.ports.shown = replace(SNAPSHOT, number="2", services=(replace(SNAPSHOT.services[0], status="baking"),))
    page.wait_for_selector("h1:has-text('baking')")
    page.click("#act-promote")
    assert "Production :80 moves to 41ab07." in page.inner_text("main")
    page.fill("#reason", "looks good")
    page.click("main button")
    page.wait_for_selector("text=The request is written")
    assert [(order.verb, order.reason, order.person) for order in served.ports.orders] == [
        ("promote", "looks good", "ana")
    ]
    served.server.close()
    page.wait_for_selector("#lost:not([hidden])")
    served.ports.shown = replace(SNAPSHOT, number="3", services=(replace(SNAPSHOT.services[0], status="stable"),))
    served.start(served.server.port)
    page.wait_for_selector("h1:has-text('stable')")
    assert page.is_hidden("#lost")
    assert page.problems == []


@pytest.mark.slow
def test_two_viewers_keys_and_no_scripts(browser: Any, served: Served) -> None:
    """Each link signs one in; a page is read without scripts, and no other site's form is taken."""
    first = opened(browser, served.link)
    second = opened(browser, served.link, java_script_enabled=False)
    for page in (first, second):
        assert "waiting for promotion" in page.inner_text("main")
    used = opened(browser, f"{served.url}/sign-in?token={served.links[0]}")
    assert "used already" in used.inner_text("main")
    first.keyboard.press("j")
    assert first.evaluate("document.activeElement.id") == "service-web"
    first.keyboard.press("p")
    first.wait_for_url("**/plan")
    first.keyboard.press("?")
    assert first.is_visible("#keys")
    first.keyboard.press("Escape")
    hidden = "Object.defineProperty(document, 'hidden', {get: () => true})"
    first.evaluate(hidden)
    first.wait_for_timeout(500)
    second.close()
    before = served.ports.looks
    first.wait_for_timeout(5_000)
    assert served.ports.looks == before, "a page that is hidden asks for nothing"
    form = f"<form method=post action={served.url}/services/web/promote><input name=reason value=x></form>"
    first.route("http://evil.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    first.goto("http://evil.example/")
    first.evaluate("document.forms[0].submit()")
    first.wait_for_url("**/promote")
    assert served.ports.orders == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, from the npm registry."""
    place = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on this machine")
    ended = subprocess.run(["npm", "pack", AXE], cwd=place, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip("the npm registry does not answer")
    with tarfile.open(next(place.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    browser: Any, served: Served, axe: str, width: int, scheme: str
) -> None:
    """On every page, in light and dark, on a wall and on a phone."""
    page = opened(browser, served.link, viewport={"width": width, "height": 800}, color_scheme=scheme)
    found: dict[str, list[str]] = {}
    for path in PAGES:
        page.goto(served.url + path)
        page.evaluate(axe)
        result = json.loads(page.evaluate("axe.run().then(result => JSON.stringify(result.violations))"))
        problems = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in result]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            problems.append("wider than the page")
        if problems:
            found[path] = problems
    assert found == {}
    assert page.problems == []


# -- with a controller


class Controlled:
    """The demo's emulator and specs, and a controller with a console."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.specs, self.log = Path(shutil.copytree(ROOT / "specs", folder / "specs")), folder / "run.log"
        stop = threading.Event()
        self.story = demo.Story(emulator, self.specs, ROOT / "app", stop, time.monotonic(), folder)
        self.environment = {**self.story._environment(), "PYTHONPATH": str(ROOT)}
        line = [
            "run",
            str(self.specs),
            "--interval",
            "5",
            "-o",
            "text",
            "--listen",
            "127.0.0.1:0",
            "--console",
            "token",
        ]
        with self.log.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reconciler", *line], env=self.environment, stdout=file, stderr=file
            )
        self.story._process = self.process

    @property
    def link(self) -> str:
        return re.findall(r"http://\S+/sign-in\?token=\S+", self.log.read_text(encoding="utf-8"))[-1]

    def version(self, old: str, new: str) -> None:
        self.story._change(old, new)


@pytest.fixture
def controlled(tmp_path: Path) -> Iterator[Controlled]:
    with Emulator(tmp_path / "state", speed=20.0) as emulator:
        found = Controlled(tmp_path, emulator)
        try:
            found.story._until(found.story._has_repository, "there is no registry")
            for version in ("v1", "v2", "v3"):
                found.story._push(version, broken=version == "v3")
            found.story._answers("v1", 80)
            found.story._phase("idle")
            yield found
        finally:
            found.process.terminate()
            found.process.wait(timeout=30)


@pytest.mark.slow
def test_a_release_from_the_gate_to_a_failure(browser: Any, controlled: Controlled) -> None:
    """Green comes up and is promoted by click, goes back by click, and a version that fails says why."""
    page = opened(browser, controlled.link, viewport={"width": 1440, "height": 900})
    phone = opened(
        browser, controlled.link, viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=1
    )
    base = page.url.rstrip("/")
    path = f"{base}/services/{demo.SERVICE}"

    def act(verb: str, reason: str) -> None:
        page.wait_for_selector(f"#act-{verb}", timeout=120_000)
        page.click(f"#act-{verb}")
        page.fill("#reason", reason)
        page.click("main button")
        page.wait_for_selector("text=The request is written")

    for viewer in (page, phone):
        viewer.goto(path)
    controlled.version("v1", "v2")
    page.wait_for_selector("#act-promote", timeout=120_000)
    controlled.story._answers("v2", 9000)
    assert controlled.story._version(80) == "v1"
    _picture(page, "gate-1440-light")
    phone.wait_for_selector("#act-promote", timeout=60_000)
    _picture(phone, "gate-360-dark")
    act("promote", "looks good")
    controlled.story._answers("v2", 80)
    act("rollback", "on second thought")
    controlled.story._answers("v1", 80)
    controlled.version("v2", "v3")
    page.wait_for_selector(".failure", timeout=240_000)
    assert "could not translate host name" in page.inner_text(".failure")
    assert "frontend.yaml:" in page.inner_text(".failure")
    _picture(page, "failed-1440-light")
    phone.goto(base)
    _picture(phone, "overview-360-dark")
    assert controlled.story._version(80) == "v1"
    page.goto(f"{path}/history")
    assert "on second thought" in page.inner_text("main")
    assert page.problems == phone.problems == []


def _picture(page: Any, name: str) -> None:
    folder = os.environ.get("CONSOLE_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
