"""Tags are counted to the last one, by what the types say of themselves."""

from __future__ import annotations

import pytest

from reconciler.model.tagging import PER_RESOURCE
from reconciler.model.type_registry import discover
from tests.spec import folder

ROOM = PER_RESOURCE - discover()["service"].tag_rules.added - 3
"""Tags that a service may have from the specs, beside its stack, its address and the list of these."""


@pytest.mark.parametrize(
    ("stack", "own", "protect", "fits"),
    [
        (0, ROOM, "", True),
        (0, ROOM + 1, "", False),
        (ROOM - 5, 5, "", True),
        (ROOM - 5, 6, "", False),
        (0, ROOM - 1, "protect: true", True),
        (0, ROOM, "protect: true", False),
    ],
)
def test_the_last_tag_counts(stack: int, own: int, protect: str, fits: bool) -> None:
    """A service with 50 tags of everybody's is valid, and one with 51 is not."""
    shared, its = ({f"{of}{number}": "x" for number in range(count)} for of, count in (("s", stack), ("d", own)))
    found = folder.lay(
        f"{{kind: Stack, name: my-app, tags: {shared}}}\n"
        f"---\nkind: Service\nname: my-app-frontend\ntags: {its}\n{protect}\n"
    )
    assert folder.rules(found) == (set() if fits else {"E2012"})
