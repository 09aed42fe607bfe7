"""Stand-ins for the APIs of GitHub and GitLab, as far as commit statuses and deployments go, with faults.

A forge is a function of a request, and `serving` puts it on this machine. It answers as the API's reference says: what
is checked, which states may follow each other, and how a refusal is worded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reconciler.notifications.webhook_client import Place, Response

TOKEN = "forge-token-canary"


@dataclass(slots=True)
class StandIn:
    """`faults` are answered first, one for each request; what is raised is no answer at all."""

    commits: set[str]
    prefix: str
    faults: list[Response | Exception] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, method: str, place: Place, body: bytes | None, headers: Mapping[str, str]) -> Response:
        """In place of the webhook client's `ask`."""
        parts = urlsplit(place.target)
        self.requests.append((method, parts.path.removeprefix(self.prefix)))
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if TOKEN not in str(dict(headers)):
            return answer(401, {"message": "Bad credentials"})
        if not parts.path.startswith(self.prefix):
            return answer(404, {"message": "Not Found"})
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix(self.prefix).strip("/").split("/")
        return self.answer(method, path, query, json.loads(body) if body else {})

    def answer(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> Response:
        raise NotImplementedError

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] != "GET"]

    def states(self, commit: str) -> dict[str, tuple[str, str]]:
        """Context → the last state and its text."""
        return {one["context"]: (one["state"], one["description"]) for one in self.statuses.get(commit, [])}

    def deployed(self) -> list[tuple[str, str]]:
        """Commit and last state of each deployment, the oldest first."""
        return [(one["sha"], one["states"][-1] if one["states"] else "") for one in self.deployments]


class GitHubStandIn(StandIn):
    """`missing` is the status for a commit that it does not have: the reference names both."""

    missing: int = 422

    def answer(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> Response:
        match method, path:
            case "GET", ["commits", commit, "status"] if commit in self.commits:
                newest = {one["context"]: one for one in self.statuses.get(commit, [])}
                return answer(200, {"state": "pending", "statuses": list(newest.values())})
            case "POST", ["statuses", commit] if commit in self.commits:
                assert body["state"] in ("pending", "success", "failure", "error")
                assert len(body["description"]) <= 140
                self.statuses.setdefault(commit, []).append(body)
                return answer(201, body)
            case "GET", [""]:
                return answer(200, {"full_name": "ana/shop"})
            case (_, ["commits", commit, _]) | (_, ["statuses", commit]):
                return answer(self.missing, {"message": f"No commit found for SHA: {commit}"})
            case "GET", ["deployments"]:
                mine = [one for one in self.deployments if one["environment"] == query["environment"]]
                return answer(200, mine[::-1])
            case "POST", ["deployments"] if body["ref"] in self.commits:
                assert (body["auto_merge"], body["required_contexts"]) == (False, [])
                made = {"id": len(self.deployments) + 1, "sha": body["ref"], "states": [], "texts": [], **body}
                self.deployments.append(made)
                return answer(201, made)
            case "POST", ["deployments"]:
                return answer(422, {"message": f"No ref found for: {body['ref']}"})
            case "GET", ["deployments", id, "statuses"]:
                one = self.deployments[int(id) - 1]
                pairs = list(zip(one["states"], one["texts"], strict=True))[::-1][: int(query["per_page"])]
                return answer(200, [{"state": state, "description": text} for state, text in pairs])
            case "POST", ["deployments", id, "statuses"]:
                one = self.deployments[int(id) - 1]
                one["states"].append(body["state"])
                one["texts"].append(body["description"])
                if body["state"] == "success":
                    for other in self.deployments:
                        if other is not one and other["states"][-1:] == ["success"]:
                            other["states"].append("inactive")
                            other["texts"].append("")
                return answer(201, body)
        return answer(404, {"message": "Not Found"})


class GitLabStandIn(StandIn):
    def answer(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> Response:
        match method, path:
            case "GET", ["repository", "commits", commit, "statuses"] if commit in self.commits:
                newest = {one["context"]: one for one in self.statuses.get(commit, [])}
                return answer(200, [{"name": name, "status": one["state"], **one} for name, one in newest.items()])
            case "POST", ["statuses", commit] if commit in self.commits:
                assert body["state"] in ("pending", "running", "success", "failed", "canceled")
                if self.states(commit).get(body["name"], ("",))[0] == body["state"] == "running":
                    return answer(400, {"message": "Cannot transition status via :run from :running (Reason(s): …)"})
                self.statuses.setdefault(commit, []).append({"context": body["name"], **body})
                return answer(201, body)
            case (_, ["statuses", _]) | (_, ["repository", *_]):
                return answer(404, {"message": "404 Commit Not Found"})
            case "GET", ["deployments"]:
                mine = [one for one in self.deployments if one["environment"] == query["environment"]]
                return answer(200, [{**one, "status": one["states"][-1]} for one in mine[::-1]])
            case "POST", ["deployments"] if body["sha"] not in self.commits:
                return answer(400, {"message": {"sha": ["The commit does not exist"]}})
            case "POST", ["deployments"]:
                assert all(char.isalnum() or char in "_/${}. -" for char in body["environment"])
                made = {"id": len(self.deployments) + 1, "states": [body["status"]], **body}
                self.deployments.append(made)
                return answer(201, made)
            case "GET", ["deployments", id]:
                return answer(200, {"status": self.deployments[int(id) - 1]["states"][-1]})
            case "PUT", ["deployments", id]:
                one = self.deployments[int(id) - 1]
                if body["status"] in (one["states"][-1], "running"):
                    return answer(400, {"message": "Cannot transition status via :run"})
                one["states"].append(body["status"])
                return answer(200, {})
        return answer(404, {"message": "404 Not Found"})


def answer(status: int, body: Any, **headers: str) -> Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, named, json.dumps(body).encode())


def github_stand_in(*commits: str, path: str = "/repos/ana/shop") -> GitHubStandIn:
    return GitHubStandIn(set(commits), path)


def gitlab_stand_in(*commits: str, path: str = "/api/v4/projects/ana%2Fshop") -> GitLabStandIn:
    return GitLabStandIn(set(commits), path)


@contextmanager
def serving(forge: StandIn) -> Iterator[str]:
    """Its URL on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            place = Place("127.0.0.1", 0, False, self.path)
            response = forge.ask(self.command, place, body or None, dict(self.headers))
            self.send_response(response.status)
            for name, text in {**response.headers, "Content-Length": str(len(response.body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(response.body)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
