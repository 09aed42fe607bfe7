"""Pages are pure functions of a snapshot, and escape everything in it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from reconciler.console import pages
from reconciler.console.pages import Page
from reconciler.console.snapshot import Snapshot
from tests.console.fixtures import ANSWERS, NOW, SERVICE, SNAPSHOT

TEMPLATES = Path(pages.__file__).parent / "templates"
STATIC = Path(pages.__file__).parent / "static"
EVIL = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{7*7}}"
VIEWS = ("overview", "plan", "drift", "events", "service")
KINDS = ("history", "events", "logs", "release", "charts", "simulation")


def about(view: str, **more: Any) -> Page:
    return Page(f"{view}.html", "Title", "/", NOW, True, "ana", **more)


def drawn(snapshot: Snapshot = SNAPSHOT) -> dict[str, str]:
    """Every page of a snapshot, and of answers that were changed in the same way."""
    service = snapshot.services[0] if snapshot.services else SERVICE
    found = {view: pages.page(snapshot, about(view), tag="t", service=service) for view in VIEWS}
    more: dict[str, Any] = {"of": "", "container": "", "fail": "", "problem": "", "tag": "", "service": service}
    for kind in KINDS:
        found[f"asked {kind}"] = pages.page(snapshot, about("asked"), kind=kind, rows=ANSWERS[kind], **more)
    found["tree"] = pages.page(snapshot, about("tree"), rows=ANSWERS["tree"], problem="", tag="")
    form = {"act": service.acts[0], "csrf": "c", "reason": "", "by": "", "back": "/", "release": "", "problem": ""}
    found["act"] = pages.page(snapshot, about("act"), service=service, tag="", **form)
    return found


def changed(value: Any, text: str) -> Any:
    """With every text in it replaced, but for what the code chooses."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return text
    if isinstance(value, tuple):
        return tuple(changed(one, text) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.name not in ("state", "color", "mark", "link", "points")]
        return replace(value, **{name: changed(getattr(value, name), text) for name in names})
    return value


def test_everything_is_shown() -> None:
    """Of each page, what a person comes for."""
    text = {name: re.sub(r"<[^>]+>", " ", page) for name, page in drawn().items()}
    for page, words in {
        "overview": (
            "web",
            "waiting for promotion",
            "controller: run by ops",
            "1 waiting",
            "Reconcile now",
            "task/migrate",
        ),
        "service": ("41ab07", "9f2c1e", "scaled up", "41s", "≈ 1h", "OperationalError", "Promote", "a note", ":9000"),
        "plan": ("listener/web", "port", "Deferred", "7be1f0c"),
        "drift": ("security-group/lb", "corrected", "ingress"),
        "events": ("promoted", "×3"),
        "tree": ("vpc/net", "subnet/a"),
        "asked history": ("live", "web:42", "v2"),
        "asked logs": ("started", "9c1b"),
        "act": ("Production :80 moves to 41ab07.", "with your name: ana"),
    }.items():
        for word in words:
            assert word in text[page], (page, word)


def test_names_and_log_lines_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever anybody writes into any field: no tag, no attribute, no template of it comes out."""
    evil = {kind: changed(rows, EVIL) for kind, rows in ANSWERS.items()}
    monkeypatch.setattr("tests.console.test_pages.ANSWERS", evil)
    for name, page in drawn(changed(SNAPSHOT, EVIL)).items():
        assert "<script>alert" not in page, name
        assert "<img" not in page, name
        assert "onerror=alert(2)&gt;" in page or name == "act", name
        assert "49" not in re.findall(r"img src=x onerror=alert\(2\)&gt;(\S{2})", page), name


def test_what_is_not_seen_is_made_visible() -> None:
    """A name cannot look like another one by characters that turn text around."""
    page = pages.page(replace(SNAPSHOT, stack="my\u202eppa"), about("overview"), tag="t")
    assert "my\\u202eppa" in page
    assert "\u202e" not in page


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.iterdir()))
def test_templates_trust_nothing(template: str) -> None:
    """No inline script or style, no handler, nothing marked as safe: the content policy would block the first three."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    ours = (
        r"<script(?! src=)",
        r"<style",
        r"\sstyle=",
        r"\son\w+=",
        r"\|\s*safe",
        r"autoescape",
        r"hx-on",
        r"javascript:",
    )
    for pattern in ours:
        assert re.search(pattern, text) is None, pattern


def test_htmx_is_the_one_that_was_looked_at() -> None:
    """Its hash is pinned, and what it could do beyond polling is off."""
    content = (STATIC / pages.HTMX).read_bytes()
    assert hashlib.sha256(content).hexdigest() == "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    for setting in ('"allowEval": false', '"includeIndicatorStyles": false', '"allowScriptTags": false'):
        assert setting in pages.HTMX_CONFIG


def test_nothing_is_loaded_from_elsewhere() -> None:
    """Every asset is ours, under a name that contains its hash."""
    page = drawn()["overview"]
    assert set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page)) == {f"/static/{name}" for name in pages.assets()}
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_the_tag_changes_with_what_is_seen() -> None:
    """The same for all who see the same; another one for another snapshot, page, role or half minute."""
    view = about("overview")
    tags = {
        pages.tag(SNAPSHOT, view),
        pages.tag(replace(SNAPSHOT, number="2"), view),
        pages.tag(replace(SNAPSHOT, problem="lost"), view),
        pages.tag(SNAPSHOT, about("plan")),
        pages.tag(SNAPSHOT, replace(view, may_act=False)),
        pages.tag(SNAPSHOT, replace(view, now=NOW + timedelta(seconds=30))),
    }
    assert len(tags) == 6
    assert pages.tag(SNAPSHOT, replace(view, now=NOW + timedelta(seconds=29), person="bob")) in tags


def test_who_may_only_look_sees_no_acts() -> None:
    """Neither of the stack nor of a service."""
    for view in ("overview", "service"):
        page = pages.page(SNAPSHOT, replace(about(view), may_act=False), tag="t", service=SERVICE)
        assert 'id="act-' not in page
        assert "(read only)" in page


@pytest.mark.parametrize("view", ["overview", "plan", "drift", "events"])
def test_an_empty_stack_and_an_old_snapshot_say_so(view: str) -> None:
    """There is a page for nothing at all, and one for what could not be read."""
    empty = Snapshot("1", "my-app", "1", "us-west-2", NOW, drifts=())
    assert "empty" in pages.page(empty, about(view), tag="t") or view == "plan"
    old = replace(SNAPSHOT, problem="the account cannot be read", taken_at=NOW - timedelta(minutes=3))
    page = pages.page(old, about(view), tag="t")
    assert "the account cannot be read" in page
    assert "3m ago" in page


@pytest.mark.parametrize(
    ("seconds", "past", "future"),
    [(0, "just now", "due"), (59, "59s ago", "59s left"), (3600, "1h ago", "1h left"), (7380, "2h3m ago", "2h3m left"),
     (200000, "2d ago", "2d left")],
)  # fmt: skip
def test_times_are_relative(seconds: int, past: str, future: str) -> None:
    """As coarse as they stay true; the absolute time is in the title."""
    lasts = timedelta(seconds=seconds)
    assert pages.ago(NOW - lasts, NOW) == past
    assert pages.left(NOW + lasts, NOW) == future
