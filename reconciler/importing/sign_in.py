"""Sign-in of a listener or a rule, as a field of the specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from reconciler.model import elb_actions
from reconciler.model.duration import format as duration_text
from reconciler.model.resource import Address
from reconciler.resources import _sign_in
from reconciler.spec.documents.sign_in import SignIn


def sign_in(actions: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The sign-in before the last action as a field; None if there is something that the specs cannot say: of a
    provider of OpenID Connect AWS does not show the client secret, and nobody knows where it is kept."""
    others = elb_actions.before(actions)
    if not others:
        return {}
    found = _sign_in.read(others, None, {}, Address("listener", ""))
    if len(others) > 1 or found.provider != "cognito":
        return None
    stated: dict[str, Any] = {"cognito": {field: getattr(found, field) for field in _sign_in.NAMES["cognito"]}}
    for field in _sign_in.COMMON:
        value = getattr(found, field)
        value = timedelta(seconds=value) if field == "session_timeout" and value is not None else value
        if value not in (None, {}, SignIn.model_fields[field].default):
            stated[field] = duration_text(value) if isinstance(value, timedelta) else value
    return {_sign_in.FIELD: stated}
