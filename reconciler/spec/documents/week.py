"""Days of the week and time zones."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field

from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.documents.values import matching, no_repeats, problem
from reconciler.spec.messages import shown


def _existing(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last for a folder of zones, such as America
        raise problem("E5019", f"there is no time zone {shown(name)}", hint=_similar(name)) from None
    return name


def _similar(name: str) -> str:
    return did_you_mean(name, sorted(available_timezones())) or "names are those of the tz database, such as Asia/Tokyo"


DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Annotated[
    tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
    AfterValidator(no_repeats),
    Field(min_length=1),
]
TimeZone = Annotated[
    str,
    *matching(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*", 50, "a name such as Asia/Tokyo or UTC"),
    AfterValidator(_existing),
]
