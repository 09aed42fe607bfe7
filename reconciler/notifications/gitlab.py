"""GitLab: commit statuses, and deployments.

The token is a project access token with the scope `api` and the role Developer; where the branch or the environment is
protected, the role that may deploy there.

Sources: GitLab's REST API, "Commits" (commit status) and "Deployments".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from reconciler.notifications.commit_status import CommitState, StackName
from reconciler.notifications.forge import PAGE, Forge, Said, paged
from reconciler.notifications.forge_api import Ask, CommitMissing, ForgeApi, Refused, Token, repository
from reconciler.notifications.webhook_client import ask

TOKEN: Final = "RECONCILER_GITLAB_TOKEN"
TOKEN_FILE: Final = "RECONCILER_GITLAB_TOKEN_FILE"
NOT_FROM_HERE: Final = "Cannot transition"
"""How the refusal of a state begins which cannot follow the present one: a state that is there already, above all."""


@dataclass(slots=True)
class GitLab(Forge):
    """A deployment has no description here."""

    label: ClassVar[str] = "gitlab"
    states: ClassVar[Mapping[CommitState, tuple[str, str]]] = {
        CommitState.PENDING: ("running", "running"),
        CommitState.SUCCESS: ("success", "success"),
        CommitState.FAILURE: ("failed", "failed"),
        CommitState.ERROR: ("failed", "failed"),
        CommitState.SUPERSEDED: ("canceled", "canceled"),
    }
    longest: ClassVar[int] = 255

    def statuses(self, commit: str) -> dict[str, Said]:
        found = paged(lambda query: self._call("GET", f"/repository/commits/{commit}/statuses?{query}", commit))
        return {one["name"]: (one["status"], one.get("description") or "") for one in found}

    def put_status(self, commit: str, context: str, said: Said, link: str) -> None:
        """One that runs already is not given another text by every GitLab: it keeps its own then."""
        body = {"state": said[0], "name": context, "description": said[1]}
        self._call("POST", f"/statuses/{commit}", commit, body | ({"target_url": link} if link else {}))

    def deployments(self, environment: str) -> Sequence[tuple[int, str]]:
        query = urlencode({"environment": environment, "order_by": "id", "sort": "desc", "per_page": PAGE})
        return [(one["id"], one["sha"]) for one in self.api.call("GET", f"/deployments?{query}")]

    def last(self, id: int) -> Said:
        return self.api.call("GET", f"/deployments/{id}")["status"], ""

    def create(self, commit: str, stack: StackName) -> tuple[int, Said]:
        running = self.states[CommitState.PENDING][1]
        body = {
            "environment": stack.environment,
            "sha": commit,
            "ref": commit,
            "tag": False,
            "status": running,
        }
        return self._call("POST", "/deployments", commit, body)["id"], (running, "")

    def put_deployment(self, id: int, said: Said, link: str) -> None:
        self._moved("PUT", f"/deployments/{id}", {"status": said[0]})

    def _same(self, before: Said, said: Said) -> bool:
        return before[0] == said[0]

    def _moved(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            return self.api.call(method, path, body)
        except Refused as refusal:
            if refusal.status == 400 and NOT_FROM_HERE in refusal.reason:
                return None
            raise

    def _call(self, method: str, path: str, commit: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            return self._moved(method, path, body)
        except Refused as refusal:
            missing = "Commit" if refusal.status == 404 else "commit does not exist"
            if refusal.status in (400, 404, 422) and missing in refusal.reason:
                raise CommitMissing(self.api.base.host, commit) from None
            raise


def gitlab(text: str, environ: Mapping[str, str], ask: Ask = ask) -> GitLab:
    """`text` is GROUP/PROJECT, or https://HOST/GROUP/PROJECT where it is self-managed. Raises `errors.SpecInvalid`."""
    place, path = repository(text, "gitlab", "https://gitlab.com", nested=True)
    base = replace(place, target=f"/api/v4/projects/{quote(path, safe='')}")
    token = Token(TOKEN, environ.get(TOKEN, ""), environ.get(TOKEN_FILE, ""))
    return GitLab(ForgeApi(base, token, _headers, ask))


def _headers(token: str) -> Mapping[str, str]:
    return {"PRIVATE-TOKEN": token}
