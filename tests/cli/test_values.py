"""Values in a plan: an id is shown as the address of its resource, a text that looks like a name as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.cli.output.values import show, sides
from reconciler.model.diff import Change
from reconciler.model.resource import Address

WEB = Address("repository", "legacy-web")


@pytest.mark.parametrize(
    "id",
    [
        "sg-0a1b2c3d",
        "subnet-0123456789abcdef0",
        "arn:aws:ecs:us-west-2:123456789012:cluster/main",
        "Z0123456789ABCDEFGHIJ",
    ],
)
def test_an_id_is_shown_as_an_address(id: str) -> None:
    assert show(id, {id: WEB}) == "repository/legacy-web"
    assert show([id], {id: WEB}) == "[repository/legacy-web]"
    assert show({f"tcp 80 from {id}": id}, {id: WEB}) == "{tcp 80 from repository/legacy-web: repository/legacy-web}"


@pytest.mark.parametrize("text", ["copilot", "/ecs/web", "web", "my-app-frontend", "api-v1", "dead-beef"])
def test_a_text_that_equals_a_name_is_shown_as_it_is(text: str) -> None:
    """Such as the prefix of log streams in a repository that is called the same."""
    assert show({"awslogs-stream-prefix": text}, {text: WEB}) == f"{{awslogs-stream-prefix: {text}}}"


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("", f"::{'1' * 36}", ("the latest version", f"version {'1' * 36} (pinned)")),
        (" #3", " #4", ("version 3", "version 4")),
    ],
)
def test_of_a_secret_only_the_versions_are_shown(old: str, new: str, shown: tuple[str, str]) -> None:
    """Pinned ones, those that a revision records, and those that are not known."""
    secret = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db"
    change = Change(
        ("containers", "web", "secrets", "KEY"), f"{secret}{old}", f"{secret}{new}", origin="secret-version/x"
    )
    if new.startswith("::"):
        change = replace(change, new=f"{secret}-AbCdEf:{new}")
    assert sides(change, {}) == shown
