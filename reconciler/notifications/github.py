"""GitHub: commit statuses, and deployments with their statuses.

The token needs the permissions "Commit statuses" and "Deployments", each to read and write, and nothing else.

Sources: GitHub's REST API, "Commit statuses", "Deployments" and "Deployment statuses".
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

TOKEN: Final = "RECONCILER_GITHUB_TOKEN"
TOKEN_FILE: Final = "RECONCILER_GITHUB_TOKEN_FILE"


@dataclass(slots=True)
class GitHub(Forge):
    label: ClassVar[str] = "github"
    states: ClassVar[Mapping[CommitState, tuple[str, str]]] = {
        CommitState.PENDING: ("pending", "in_progress"),
        CommitState.SUCCESS: ("success", "success"),
        CommitState.FAILURE: ("failure", "failure"),
        CommitState.ERROR: ("error", "error"),
        CommitState.SUPERSEDED: ("error", "inactive"),
    }
    longest: ClassVar[int] = 140

    def statuses(self, commit: str) -> dict[str, Said]:
        found = paged(lambda query: self._call("GET", f"/commits/{commit}/status?{query}", commit)["statuses"])
        return {one["context"]: (one["state"], one.get("description") or "") for one in found}

    def put_status(self, commit: str, context: str, said: Said, link: str) -> None:
        body = {"state": said[0], "context": context, "description": said[1]}
        self._call("POST", f"/statuses/{commit}", commit, body | ({"target_url": link} if link else {}))

    def deployments(self, environment: str) -> Sequence[tuple[int, str]]:
        listed = self.api.call("GET", f"/deployments?{urlencode({'environment': environment, 'per_page': PAGE})}")
        return [(one["id"], one["sha"]) for one in listed]

    def last(self, id: int) -> Said:
        found = self.api.call("GET", f"/deployments/{id}/statuses?per_page=1")
        return (found[0]["state"], found[0].get("description") or "") if found else ("", "")

    def create(self, commit: str, stack: StackName) -> tuple[int, Said]:
        """Without a check of other statuses: the commit is being deployed already."""
        body = {
            "ref": commit,
            "environment": stack.environment,
            "description": f"{stack.stack}, deployed by reconciler",
            "auto_merge": False,
            "required_contexts": [],
        }
        return self._call("POST", "/deployments", commit, body)["id"], ("", "")

    def put_deployment(self, id: int, said: Said, link: str) -> None:
        body = {"state": said[0], "description": said[1]} | ({"log_url": link} if link else {})
        self.api.call("POST", f"/deployments/{id}/statuses", body)

    def _call(self, method: str, path: str, commit: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            return self.api.call(method, path, body)
        except Refused as refusal:
            missing = refusal.status == 422 and refusal.reason.startswith("No ")  # commit, or ref
            if missing or (refusal.status == 404 and self._accessible()):
                raise CommitMissing(self.api.base.host, commit) from None
            raise

    def _accessible(self) -> bool:
        """Whether the repository is there: 404 is also what GitHub answers to whoever may not see it."""
        try:
            self.api.call("GET", "")
        except Refused:
            return False
        return True


def github(text: str, environ: Mapping[str, str], ask: Ask = ask) -> GitHub:
    """`text` is OWNER/REPO, or https://HOST/OWNER/REPO for GitHub Enterprise. Raises `errors.SpecInvalid`."""
    place, path = repository(text, "github", "https://github.com")
    target = f"/repos/{quote(path)}"
    if place.host == "github.com" or place.host.endswith(".ghe.com"):
        base = replace(place, host=f"api.{place.host}", target=target)
    else:
        base = replace(place, target=f"/api/v3{target}")
    token = Token(TOKEN, environ.get(TOKEN, ""), environ.get(TOKEN_FILE, ""))
    return GitHub(ForgeApi(base, token, _headers, ask))


def _headers(token: str) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
