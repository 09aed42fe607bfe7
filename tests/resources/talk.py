"""Holds a conversation of a resource type by hand: what AWS answers is written down, and what was said comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import Call, Calls, Desired, T
from reconciler.model.resource_type import Scope
from tests.conftest import ACCOUNT, REGION
from tests.laws.account import faults

STACK = "ours"


class Talk:
    """Answers by operation: a dict, an error to raise, a function of the call, or a list of these, one a call."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.said: list[Call] = []

    def hold(self, conversation: Calls[T]) -> T:
        try:
            said = next(conversation)
            while True:
                try:
                    if isinstance(said, Call):
                        answer = self._answer(said)
                    else:
                        answer = [self._answer_or_none(call, said.missing_ok) for call in said.calls]
                except errors.AwsError as refusal:
                    said = conversation.throw(refusal)
                else:
                    said = conversation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def operations(self) -> list[str]:
        return [call.operation for call in self.said]

    def params(self, operation: str) -> list[dict[str, Any]]:
        """What each call of `operation` was sent with."""
        return [call.params for call in self.said if call.operation == operation]

    def _answer_or_none(self, call: Call, missing_ok: bool) -> Any:
        try:
            return self._answer(call)
        except errors.Gone:
            if not missing_ok:
                raise
            return None

    def _answer(self, call: Call) -> Any:
        self.said.append(call)
        assert not faults(call), f"{call} is not as AWS describes it: {faults(call)}"
        found = self.answers.get(call.operation, {})
        if isinstance(found, list):
            found = found.pop(0)
        if callable(found):
            found = found(call)
        if isinstance(found, Exception):
            raise found
        return found


def scope(*wanted: Desired[Any], **more: Any) -> Scope:
    return Scope(STACK, REGION, ACCOUNT, wanted=wanted, **more)


def tagged(desired: Desired[Any], stack: str = STACK) -> dict[str, str]:
    """The tags that `desired` has as one of `stack`."""
    return ownership.tags_for(stack, desired.address, protect=False, declared={})


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
