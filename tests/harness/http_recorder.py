"""The wire: every HTTP request that really leaves botocore, below the seam, and answers lost there.

The seam counts what the product asks for. botocore might still send it several times, which is how one lost answer
makes five VPCs in tools that leave its retries on. So this looks at `before-send`, which is met once a request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ConnectionClosedError

from reconciler.aws.retry import has_token, is_read
from reconciler.aws.session import Boto
from reconciler.model.resource import Call


class Wire:
    """Counts requests by operation, and loses the answers that `loses` says, after AWS has executed the call."""

    def __init__(self, boto: Boto, loses: Callable[[str, int], bool] = lambda *_: False) -> None:
        self.boto, self.loses = boto, loses
        self.sent: Counter[str] = Counter()

    def watch(self, service: str) -> None:
        """Look at all that the client of `service` sends."""
        client = self.boto._client(service)
        client.meta.events.register_last("before-send", self._meet)
        client.meta.events.register_first("before-send", self._count)

    def _count(self, request: Any, event_name: str, **_: Any) -> None:
        self.sent[event_name.rpartition(".")[2]] += 1

    def _meet(self, request: Any, event_name: str, **_: Any) -> Any:
        """Comes after moto has executed the call: an error in place of moto's answer is that answer lost."""
        name = event_name.rpartition(".")[2]
        if self.loses(name, self.sent[name]):
            raise ConnectionClosedError(endpoint_url=request.url)


class Decisions:
    """A transport that holds every creation without a token to one sending a decision.

    A decision is told from the next by `decide`, which is called when a plan is made. A creation that was refused was
    not executed, and may be sent again.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.sent: Counter[str] = Counter()
        self.most = 0

    def decide(self) -> None:
        self.sent.clear()

    def perform(self, call: Call) -> dict[str, Any]:
        from reconciler import errors

        if call.service == "resourcegroupstaggingapi":
            self.decide()  # a pass begins with it
        if is_read(call) or has_token(call) or not call.operation.startswith(("Create", "Allocate", "Register", "Run")):
            return self.inner.perform(call)  # type: ignore[no-any-return]
        key = f"{call} {sorted(call.params.items(), key=str)}"
        self.sent[key] += 1
        try:
            answer: dict[str, Any] = self.inner.perform(call)
        except errors.AwsError as error:
            if not isinstance(error, errors.Ambiguous):
                self.sent[key] -= 1
            raise
        finally:
            self.most = max(self.most, self.sent[key])
        return answer
