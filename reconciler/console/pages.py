"""Pages of the console: HTML from a snapshot, without a clock, a connection or a viewer's state.

Everything that a template writes is escaped twice: characters that are not seen, which could make a name look like
another one, become visible, and what means something in HTML becomes text. No template marks anything as safe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup

from reconciler import printable
from reconciler.console.snapshot import Snapshot
from reconciler.model import duration

FOLDER: Final = files("reconciler.console")
HTMX: Final = "htmx-2.0.11.min.js"
TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
COARSE: Final = timedelta(seconds=30)
"""How much of the time a page shows by itself: scripts count the seconds in between."""

HTMX_CONFIG: Final = json.dumps(
    {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "historyEnabled": False,
        "selfRequestsOnly": True,
        "defaultSwapStyle": "innerHTML",
        "responseHandling": [{"code": "200", "swap": True}, {"code": "...", "swap": False}],
        "timeout": 10_000,
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file for browsers. Its name contains its hash, so that it may be kept for ever."""

    name: str
    content: bytes
    content_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """By the name in URLs."""
    found: dict[str, Asset] = {}
    for file in sorted(FOLDER.joinpath("static").iterdir(), key=lambda one: one.name):
        suffix = file.name[file.name.rfind(".") :]
        if suffix in TYPES:
            content = file.read_bytes()
            name = f"{hashlib.sha256(content).hexdigest()[:12]}-{file.name}"
            found[name] = Asset(name, content, TYPES[suffix])
    return found


def asset_url(name: str) -> str:
    return next(f"/static/{key}" for key in assets() if key.partition("-")[2] == name)


@dataclass(frozen=True, slots=True)
class Page:
    """What a template is drawn with, beside the snapshot. `may_act`: the viewer is an operator. An open page asks again
    `every` so many seconds.
    """

    template: str
    title: str
    path: str
    now: datetime
    may_act: bool = False
    person: str = ""
    polled: bool = True
    every: int = 2


def page(snapshot: Snapshot, about: Page, **more: Any) -> str:
    """A whole document."""
    return _environment().get_template("page.html").render(snapshot=snapshot, page=about, **_common(about), **more)


def fragment(snapshot: Snapshot, about: Page, **more: Any) -> str:
    """What changes within a document that is open."""
    return _environment().get_template("fragment.html").render(snapshot=snapshot, page=about, **_common(about), **more)


def bare(template: str, **more: Any) -> str:
    """A page without a stack: the sign-in, and errors."""
    return _environment().get_template(template).render(asset=asset_url, **more)


def tag(snapshot: Snapshot, about: Page, *more: object) -> str:
    """The ETag of a page: equal for viewers who see the same, and new once the times on it are."""
    seconds = int(about.now.timestamp() // (COARSE.total_seconds() * snapshot.speed))
    parts = [snapshot.number, snapshot.problem, about.template, about.path, about.may_act, seconds, *more]
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:24]


def _common(about: Page) -> dict[str, Any]:
    return {
        "asset": asset_url,
        "htmx_config": HTMX_CONFIG,
        "ago": lambda at: ago(at, about.now),
        "left": lambda at: left(at, about.now),
    }


def ago(at: datetime, now: datetime) -> str:
    """`12 s ago`, as coarse as it stays true until the page is drawn again."""
    passed = max(timedelta(), now - at)
    return "just now" if passed < timedelta(seconds=5) else f"{_about(passed)} ago"


def left(at: datetime, now: datetime) -> str:
    """`1h59m left`"""
    return f"{_about(at - now)} left" if at > now else "due"


def _about(value: timedelta) -> str:
    if value >= timedelta(days=2):
        return f"{value.days}d"
    return (
        duration.format(timedelta(seconds=int(value.total_seconds())))
        if value < timedelta(hours=1)
        else duration.format(timedelta(minutes=int(value.total_seconds() // 60)))
    )


def _visible(value: Any) -> Any:
    """`finalize` of every expression in a template."""
    return (
        printable.escaped(value, commands=True) if isinstance(value, str) and not isinstance(value, Markup) else value
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reconciler.console", "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = lambda seconds: duration.format(timedelta(seconds=seconds))
    environment.filters["utc"] = lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC"
    environment.filters["iso"] = lambda at: at.isoformat()
    environment.filters["short"] = lambda text: text[:7]
    return environment
