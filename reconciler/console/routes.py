"""Routes of the console: who asks, which page, and what was asked for.

Everything that takes time happens in threads, a few at a time, so that neither a slow answer of AWS nor a large page
keeps others from the health check. A page costs nothing but its comparison with what the browser has, as long as
nothing has changed.

It is one module because every route begins with the same checks and ends with the same answers.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reconciler import errors, events
from reconciler.console import pages
from reconciler.console.access import SIGN_IN, Access, Asking, FormTokens, Limiter, NotSignedIn, TokenAccess, Viewer
from reconciler.console.pages import Page
from reconciler.console.ports import Acts, Order, Questions, Source
from reconciler.console.responses import Drawn, Failed, SharedDrawings, Threads, bare, form_of, html
from reconciler.console.shared import SharedQuestions
from reconciler.console.snapshot import Act, Service, Snapshot
from reconciler.log import log
from reconciler.model import duration

ACTS_A_MINUTE: Final = 12
QUESTIONS_A_MINUTE: Final = 60
SIGN_INS_A_MINUTE: Final = 12

VIEWS: Final = {"/": ("overview", "Overview"), "/plan": ("plan", "Plan"), "/drift": ("drift", "Drift"),
                "/events": ("events", "Events")}  # fmt: skip
KINDS: Final = {"history": "History", "events": "Events", "logs": "Logs", "release": "Changes", "charts": "Charts",
                "simulation": "Simulation", "tree": "Tree"}  # fmt: skip
TERMS: Final = ("of", "container", "fail")
FOLLOWED: Final = "logs"
"""What is asked again while its page is open, every `FOLLOW_SECONDS`."""
FOLLOW_SECONDS: Final = 5


@dataclass(slots=True)
class Console:
    """`access` says who may see it; everything else comes from the process that it runs in."""

    source: Source
    acts: Acts
    questions: Questions
    access: Access
    _tokens: FormTokens = field(init=False, default_factory=FormTokens)
    _acts: Limiter = field(init=False, default_factory=lambda: Limiter(ACTS_A_MINUTE, 60.0))
    _asked: Limiter = field(init=False, default_factory=lambda: Limiter(QUESTIONS_A_MINUTE, 60.0))
    _sign_ins: Limiter = field(init=False, default_factory=lambda: Limiter(SIGN_INS_A_MINUTE, 60.0))
    _drawn: SharedDrawings = field(init=False, default_factory=SharedDrawings)
    _drawing: Threads = field(init=False, default_factory=Threads)
    _waiting: Threads = field(init=False, default_factory=Threads)
    _signing: Threads = field(init=False, default_factory=Threads)

    def __post_init__(self) -> None:
        self.questions = SharedQuestions(self.questions)

    def routes(self) -> list[Route]:
        views = [Route(path, self._answer(self._view), methods=["GET"]) for path in VIEWS]
        kinds = [
            Route(f"/services/{{name}}/{kind}", self._answer(self._asks), methods=["GET"])
            for kind in KINDS
            if kind != "tree"
        ]
        return [
            *views,
            Route("/tree", self._answer(self._tree), methods=["GET"]),
            Route("/sign-in", self._answer(self._sign_in), methods=["GET"]),
            Route("/static/{name}", self._asset, methods=["GET"]),
            *kinds,
            Route("/services/{name}", self._answer(self._service), methods=["GET"]),
            Route("/services/{name}/{verb}", self._answer(self._form), methods=["GET"]),
            Route("/services/{name}/{verb}", self._answer(self._act), methods=["POST"]),
            Route("/stack/{verb}", self._answer(self._form), methods=["GET"]),
            Route("/stack/{verb}", self._answer(self._act), methods=["POST"]),
        ]

    def _answer(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        @functools.wraps(handler)
        async def answered(request: Request) -> Response:
            try:
                response: Response = await handler(request)
            except NotSignedIn as refusal:
                return bare(refusal.status, "Not signed in", refusal.because)
            except Failed as failure:
                return bare(failure.status, failure.status.phrase, failure.text, back=failure.back)
            return response

        return answered

    # -- pages

    async def _view(self, request: Request) -> Response:
        viewer, snapshot = await self._begin(request)
        template, title = VIEWS[request.url.path]
        return await self._page(request, viewer, snapshot, template, title)

    async def _service(self, request: Request) -> Response:
        viewer, snapshot = await self._begin(request)
        service = _service_of(request, snapshot)
        return await self._page(request, viewer, snapshot, "service", service.name, service=service)

    async def _asks(self, request: Request) -> Response:
        viewer, snapshot = await self._begin(request)
        service, kind = _service_of(request, snapshot), request.url.path.rpartition("/")[2]
        terms = {name: request.query_params.get(name, "")[:100] for name in TERMS}
        more = {"service": service, "kind": kind, **terms}
        return await self._answered(request, viewer, snapshot, kind, service.name, terms, "asked", more)

    async def _tree(self, request: Request) -> Response:
        viewer, snapshot = await self._begin(request)
        return await self._answered(request, viewer, snapshot, "tree", "", {}, "tree", {})

    async def _answered(
        self,
        request: Request,
        viewer: Viewer,
        snapshot: Snapshot,
        kind: str,
        service: str,
        terms: dict[str, str],
        template: str,
        more: dict[str, Any],
    ) -> Response:
        """A page with what is read from AWS on request."""
        rows: Any = ()
        problem = ""
        if not self._asked.allows(viewer.key):
            raise Failed(HTTPStatus.TOO_MANY_REQUESTS, "Too many questions a minute; try again in a moment.")
        try:
            rows = await self._waiting.run(self.questions.ask, kind, service, terms)
        except errors.ReconcilerError as error:
            problem = f"It cannot be read: {error}"
        title = " · ".join(filter(None, (service, KINDS[kind])))
        about = self._about(request, viewer, template, title, polled=kind == FOLLOWED)
        more |= {"rows": rows, "problem": problem}
        if "hx-request" not in request.headers:
            return html(await self._draw(pages.page, snapshot, about, **more, tag=""))
        body = await self._draw(pages.fragment, snapshot, about, **more)
        headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:24]}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return html(body, headers)

    def _about(self, request: Request, viewer: Viewer, template: str, title: str, *, polled: bool = False) -> Page:
        now = self.source.now()
        path, every = request.url.path, 2
        if path.endswith(f"/{FOLLOWED}"):
            terms = {name: value for name in TERMS if (value := request.query_params.get(name, "")[:100])}
            path, every = f"{path}?{urlencode(terms)}" if terms else path, FOLLOW_SECONDS
        return Page(f"{template}.html", title, path, now, viewer.may_act, viewer.name, polled=polled, every=every)

    async def _page(
        self, request: Request, viewer: Viewer, snapshot: Snapshot, template: str, title: str, **more: Any
    ) -> Response:
        about = self._about(request, viewer, template, title, polled=True)
        part = "hx-request" in request.headers
        tag = pages.tag(snapshot, about)
        headers = {"ETag": f'"{tag}"', "Vary": "HX-Request, Accept-Encoding"}
        if part and request.headers.get("if-none-match") == f'"{tag}"':
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if part:
            drawn = await self._drawn.get(tag, functools.partial(self._draw, pages.fragment, snapshot, about, **more))
        else:
            more |= {"tag": tag, "requested": "requested" in request.query_params}
            drawn = Drawn.of(await self._draw(pages.page, snapshot, about, **more))
        return drawn.response(request.headers.get("accept-encoding", ""), headers)

    # -- acts

    async def _form(self, request: Request) -> Response:
        viewer, snapshot = await self._begin(request)
        service, act = _act_of(request, viewer, snapshot)
        return await self._draw_form(request, viewer, snapshot, service, act, {})

    async def _draw_form(
        self,
        request: Request,
        viewer: Viewer,
        snapshot: Snapshot,
        service: Service | None,
        act: Act,
        form: dict[str, str],
        problem: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        about = self._about(request, viewer, "act", act.label)
        more = {
            "service": service, "act": act, "problem": problem, "csrf": self._tokens.token(viewer), "tag": "",
            "reason": form.get("reason", ""), "by": form.get("by", ""), "back": _back(service),
            "release": form.get("release") or ("" if service is None else service.release),
        }  # fmt: skip
        return html(await self._draw(pages.page, snapshot, about, **more), status=status)

    async def _act(self, request: Request) -> Response:
        viewer, snapshot = await self._begin(request)
        form = await form_of(request)
        back = _back_path(request)
        if not self._tokens.valid(form.get("csrf", ""), viewer):
            because = "This form is from before the console was restarted, or from another page. Open it again."
            raise Failed(HTTPStatus.FORBIDDEN, because, back=back)
        if not self._acts.allows(viewer.key):
            raise Failed(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests a minute; try again in a moment.", back=back)
        service, act = _act_of(request, viewer, snapshot)
        order, problem = self._order(service, act, viewer, form)
        if order is None:
            return await self._draw_form(request, viewer, snapshot, service, act, form, problem, HTTPStatus.BAD_REQUEST)
        about = {"verb": order.verb, "service": order.service, "by": order.person, "reason": order.reason}
        about |= {"release": order.release, "client": request.client.host if request.client else ""}
        try:
            await self._waiting.run(self.acts.perform, order)
        except errors.ReconcilerError as error:
            code = error.code if isinstance(error, errors.Refused) else type(error).__name__
            log.warning(events.CONSOLE_ACT, **about, refused=str(code), because=str(error))
            return await self._draw_form(request, viewer, snapshot, service, act, form, str(error), HTTPStatus.CONFLICT)
        log.warning(events.CONSOLE_ACT, **about)  # whatever is left out of the log
        return RedirectResponse(f"{_back(service)}?requested", HTTPStatus.SEE_OTHER)

    def _order(
        self, service: Service | None, act: Act, viewer: Viewer, form: dict[str, str]
    ) -> tuple[Order | None, str]:
        """The order, or what is wrong with the form."""
        reason = form.get("reason", "").strip()
        problem = "Give a reason." if not reason else self.acts.fault(reason)
        name, release = ("", "") if service is None else (service.name, form.get("release", ""))
        order = Order(act.verb, name, release, reason, viewer.name)
        if problem or not act.takes_time:
            return (None, problem) if problem else (order, "")
        try:
            by = duration.parse(form.get("by", "").strip())
        except ValueError as error:
            return None, str(error)
        if not by:
            return None, "It has to be more than 0 seconds."
        return Order(act.verb, name, release, reason, viewer.name, by), ""

    # -- sign-in and files

    async def _sign_in(self, request: Request) -> Response:
        if not isinstance(self.access, TokenAccess):
            raise Failed(HTTPStatus.NOT_FOUND, "There is no such page.")
        if not self._sign_ins.allows(SIGN_IN):
            raise Failed(HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts to sign in; try again in a minute.")
        session = self.access.sign_in(request.query_params.get("token", ""))
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.set_cookie(self.access.cookie, session, httponly=True, samesite="strict", path="/")
        return response

    async def _asset(self, request: Request) -> Response:
        """Anybody may read them: they are the same in every installation."""
        asset = pages.assets().get(request.path_params["name"])
        if asset is None:
            return bare(HTTPStatus.NOT_FOUND, "Not found", "There is no such file.")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Type": asset.content_type}
        return Response(asset.content, headers=headers)

    # -- what every route does

    async def _begin(self, request: Request) -> tuple[Viewer, Snapshot]:
        """Who asks, and what there is to see. Raises `NotSignedIn`, and `Failed` while there is nothing."""
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            if name in headers:  # of two names of a person, none is believed
                value = f"{headers[name]},{value}"
            headers[name] = value
        asking = Asking(headers, request.cookies, request.client.host if request.client else "")
        viewer = await self._signing.run(self.access.viewer, asking)
        snapshot = await self._drawing.run(self.source.snapshot)
        if snapshot is None:
            raise Failed(HTTPStatus.SERVICE_UNAVAILABLE, "Nothing has been read yet. This page continues by itself.")
        return viewer, snapshot

    async def _draw(self, draw: Callable[..., str], *arguments: Any, **more: Any) -> bytes:
        return (await self._drawing.run(functools.partial(draw, *arguments, **more))).encode()


def _service_of(request: Request, snapshot: Snapshot) -> Service:
    service = snapshot.service(request.path_params["name"])
    if service is None:
        raise Failed(HTTPStatus.NOT_FOUND, "The stack has no such service.", back="/")
    return service


def _act_of(request: Request, viewer: Viewer, snapshot: Snapshot) -> tuple[Service | None, Act]:
    """Raises `Failed` for viewers who may only look, and for what would not be accepted now."""
    service = _service_of(request, snapshot) if "name" in request.path_params else None
    if not viewer.may_act:
        raise Failed(HTTPStatus.FORBIDDEN, f"{viewer.name} may look, and not act.", back=_back(service))
    act = (snapshot if service is None else service).act(request.path_params["verb"])
    if act is None:
        raise Failed(HTTPStatus.CONFLICT, "That is not possible now, or not any more.", back=_back(service))
    return service, act


def _back(service: Service | None) -> str:
    return "/" if service is None else f"/services/{quote(service.name, safe='')}"


def _back_path(request: Request) -> str:
    name = request.path_params.get("name")
    return "/" if name is None else f"/services/{quote(name, safe='')}"
