"""Names of documents for what is in AWS. They are AWS's own names where a person has chosen those.

CloudFormation appends random characters to the names that it makes, and Copilot prefixes them with its application and
environment: such a name becomes the document's `aws_name`, beside a short name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from reconciler.importing.inventory import Thing

RANDOM: Final = re.compile(r"-(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{12,13}$")
_SERVICE: Final = "copilot-service"


def names_of(things: Iterable[Thing], pattern: str = r"[A-Za-z0-9][A-Za-z0-9_-]*") -> dict[str, str]:
    """Id → a name that no other one of them has, and that a document may have."""
    found: dict[str, str] = {}
    for thing in things:
        name = _short(thing) or thing.name
        if not re.fullmatch(pattern, name):
            name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_") or thing.kind
        taken = set(found.values())
        candidates = [name, thing.name, *(f"{name}-{number}" for number in range(2, len(found) + 3))]
        found[thing.id] = next(one for one in candidates if one not in taken and re.fullmatch(pattern, one))
    return found


def _short(thing: Thing) -> str:
    if thing.kind == "service" and thing.tags.get(_SERVICE):
        return thing.tags[_SERVICE]
    return (
        RANDOM.sub("", thing.name) if any(key.startswith("aws:cloudformation:") for key in thing.tags) else thing.name
    )
