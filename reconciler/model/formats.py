"""Formats of what is stored. A version reads the formats that it knows; what has another one, it only reads. Pure.

The number of a format goes up when an older version would do the wrong thing with what is stored: it would overlook a
key that it has to heed, or take a value for another one. What an older version may overlook does not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model import ownership

KEY: Final = f"{ownership.PREFIX}format"
"""The tag with the format of the rollout state on a service. Without it, the format is the first one, as for each."""
STATE: Final = 1

RUN_KEY: Final = f"{ownership.PREFIX}run-format"
"""The tag with the format of what is stored of a run, on the revision of its task definition."""
RUN: Final = 1

STACK_KEY: Final = f"{ownership.PREFIX}stack-format"
"""The tag with the format of the requests for the stack, on the service that carries them."""
STACK: Final = 1


def state_tags() -> dict[str, str]:
    """To be written together with any state."""
    return {KEY: str(STATE)}


def run_tags() -> dict[str, str]:
    return {RUN_KEY: str(RUN)}


def stack_tags() -> dict[str, str]:
    return {STACK_KEY: str(STACK)}


def unknown_state(tags: Mapping[str, str]) -> str:
    """Why the state in these tags cannot be read; "" if it can."""
    return _unknown(tags, KEY, STATE)


def unknown_run(tags: Mapping[str, str]) -> str:
    return _unknown(tags, RUN_KEY, RUN)


def unknown_stack(tags: Mapping[str, str]) -> str:
    return _unknown(tags, STACK_KEY, STACK)


def _unknown(tags: Mapping[str, str], key: str, known: int) -> str:
    found = tags.get(key, str(known))
    return "" if found == str(known) else f"{unknown(f'the tag {key}', found, known)}, or remove the tag"


def unknown(what: str, found: object, known: int) -> str:
    """What was found, what this version knows, and what to do."""
    return f"{what} has the format {found!s:.20}, and this version of reconciler knows {known}; {ADVICE}"


ADVICE: Final = "use the version that wrote it or a newer one"
