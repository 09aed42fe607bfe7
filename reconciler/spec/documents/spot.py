"""Spot capacity that falls back to on-demand capacity."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block
from reconciler.spec.documents.values import Duration, lasting, problem
from reconciler.spec.messages import shown

PREFERRED = "preferred"


class Spot(Block):
    """Tasks on Fargate Spot, and on demand while there is no Spot capacity; plain `preferred` has the defaults.

    The tasks on demand are those of a second ECS service, `NAME-on-demand`; with `engine: ecs_native` of two, one for
    each target group.
    """

    short_form = {"const": PREFERRED}

    fallback_after: Annotated[Duration, lasting("1m", "24h")] = duration.parse("5m")
    """How long tasks have to be missing for lack of Spot capacity before as many are started on demand."""
    return_after: Annotated[Duration, lasting("1m", "24h")] = duration.parse("5m")
    """How long tasks have to run on Spot again before as many are stopped on demand."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value != PREFERRED:
            raise problem("E1107", f"expected {PREFERRED} or a mapping, found {shown(value)}")
        return {}
