"""A snapshot with everything in it, ports that do nothing, and a client that speaks to the application in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.console.access import Access, Asking, NotSignedIn, Role, TokenAccess, Viewer
from reconciler.console.charts import Series, chart
from reconciler.console.ports import Order
from reconciler.console.routes import Console
from reconciler.console.snapshot import (
    Act,
    Drift,
    Driver,
    Event,
    Failure,
    FieldChange,
    LogLine,
    Node,
    Notice,
    Plan,
    PlanRow,
    Release,
    Service,
    Snapshot,
    Stage,
    Task,
    Timeline,
    Tone,
    Version,
)
from reconciler.server.app import application

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ROW = PlanRow(
    "~", "update", "listener/web", "tags differ", "lb.yaml:3", (FieldChange("~", "port", "80", "81", "x"),), "t"
)
SERVICE = Service(
    "web", Tone.WAIT, "awaiting_promotion", "waiting for promotion", "automatic at 14:00 UTC", "task_sets",
    "services/web.yaml:3", "41ab07", "4f1c2ab", "hello: v2", "web:v2", "41ab07", NOW + timedelta(hours=2), "person",
    2, 1, ":80", ":9000",
    versions=(
        Version("blue", "blue", "9f2c1e", "web:41", 100, 0, 1, 1, 0, 1, zones=(("a", 1),), since=NOW, note="n"),
        Version("green", "green", "41ab07", "web:42", 0, 100, 1, 1, 1, 1, 1, 2, since=NOW),
    ),
    stages=(Stage("scaled up", "done", took=41), Stage("promotion", "now", NOW + timedelta(hours=2)),
            Stage("bake", "ahead", expected=3600)),
    forecast="all of production in ≈ 2h1m", expected_at=NOW + timedelta(hours=2),
    failure=Failure("service/web release 8d02c1 failed", (("cause", ("exit 1",)), ("last log", ("OperationalError",)))),
    notes=(Notice(Tone.BAD, "a note"),),
    acts=(Act("promote", "Promote", "Production :80 moves to 41ab07."), Act("abort", "Abort", "It stops.", danger=True),
          Act("extend", "Extend", "The deadline moves.", takes_time=True)),
    request="promote was requested by ana",
)  # fmt: skip
SNAPSHOT = Snapshot(
    "1", "my-app", "123456789012", "us-west-2", NOW, "role/ana", True, 1.0, "4f1c2ab", "hello: v2",
    Driver(Tone.OK, "controller: run by ops", NOW, NOW), (Notice(Tone.WAIT, "a notice"),), (SERVICE,),
    (Task("task/migrate", Tone.BUSY, "running", NOW),), (Notice(Tone.WAIT, "service/new: not deployed yet"),),
    Plan("Plan: 1 to update.", (ROW,), (ROW,), (Notice(Tone.WAIT, "w"),), (Notice(Tone.BAD, "r"),), "7be1f0c2"),
    (Drift("security-group/lb", ("ingress",), "corrected", Tone.BUSY, "why", "net.yaml:1", NOW),),
    (Event(NOW, "rollout", "promoted", "service/web", 3),),
    (Act("reconcile", "Reconcile now", "The controller looks at everything."),),
)  # fmt: skip
ANSWERS: Mapping[str, Any] = {
    "tree": (Node("vpc/net", "vpc-1", "10.0.0.0/16", Tone.OK, "b", "https://x.invalid/", (Node("subnet/a"),)),),
    "history": (
        Release(
            "41ab07", "web:42", ("live",), 100, NOW, "4f1c2ab", "v2", (("app", "web:v2"),), "Promoted", "2m", ("r",)
        ),
    ),
    "events": (Event(NOW, "ecs", "steady", count=2),),
    "logs": (LogLine(NOW, "9c1b77e0", "app", "web:42", "started"),),
    "release": (FieldChange("~", "containers.app.image", "web:v1", "web:v2"),),
    "charts": (chart("Requests", "", [Series("web:42", "green", ((NOW, 1.0),))], NOW - timedelta(minutes=30), NOW),),
    "simulation": Timeline((("+0s", "scaling_up"),), ("testing",)),
}


@dataclass
class Ports:
    """Source, acts and questions. `refusal` is raised for each order."""

    shown: Snapshot | None = SNAPSHOT
    orders: list[Order] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refusal: errors.ReconcilerError | None = None
    looks: int = 0

    def snapshot(self) -> Snapshot | None:
        self.looks += 1
        return self.shown

    def now(self) -> datetime:
        return NOW

    def perform(self, order: Order) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.orders.append(order)
        return ""

    def fault(self, reason: str) -> str:
        return "The reason cannot be kept." if "secret" in reason else ""

    def ask(self, kind: str, service: str, terms: Mapping[str, str]) -> Any:
        self.asked.append((kind, service, dict(terms)))
        if self.refusal is not None:
            raise self.refusal
        return ANSWERS[kind]


@dataclass
class Known(Access):
    """Lets the viewer in whom a test names."""

    who: Viewer | None = field(default_factory=lambda: Viewer("ana", Role.OPERATOR, "ana"))

    def viewer(self, asking: Asking) -> Viewer:
        if self.who is None:
            raise NotSignedIn("nobody")
        return self.who


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


class Client:
    """Speaks to the application without a socket, as a browser on this machine would."""

    def __init__(self, access: Access | None = None, *, scheme: str = "http", loopback_only: bool = True) -> None:
        self.ports = Ports()
        self.console = Console(self.ports, self.ports, self.ports, access or Known())
        self.app = application(None, None, self.console, loopback_only=loopback_only, scheme=scheme)
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: str, **headers: str) -> Answer:
        fields = {"content_type": "application/x-www-form-urlencoded", "origin": "http://127.0.0.1", **headers}
        return self.send("POST", path, body, headers=fields)

    def csrf(self) -> str:
        access = self.console.access
        return self.console._tokens.token(access.viewer(Asking(cookies=self.cookies)))

    def send(self, method: str, path: str, body: str = "", *, headers: Mapping[str, str] | None = None) -> Answer:
        return asyncio.run(self._send(method, path, body.encode(), {"host": "127.0.0.1", **(headers or {})}))

    async def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        from urllib.parse import unquote

        raw, _, query = path.partition("?")
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(raw), "raw_path": raw.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        for cookie in SimpleCookie(found.get("set-cookie", "")).values():
            self.cookies[cookie.key] = cookie.value
        content, coded = b"".join(one.get("body", b"") for one in sent[1:]), "content-encoding" in found
        return Answer(sent[0]["status"], found, content.decode("latin-1" if coded else "utf-8"))


def token_access() -> tuple[TokenAccess, list[str], ManualClock]:
    renewed: list[str] = []
    clock = ManualClock()
    return TokenAccess("ana", renewed.append, clock), renewed, clock


__all__ = ["ANSWERS", "NOW", "SERVICE", "SNAPSHOT", "Answer", "Client", "Known", "Ports", "token_access"]
