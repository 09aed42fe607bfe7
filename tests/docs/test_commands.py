"""Every command that the documentation shows is one, and has the options that are given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from reconciler.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"^( *)```(?:sh|bash)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^ *(?:[A-Z_]+=\S* )*(reconciler .*)$", re.MULTILINE)
INLINE = re.compile(r"`(reconciler [a-z][^`]*)`")
SHELL = frozenset({"|", ">", ">>", "<", "&&", "||", "&", ";"})


def shown(text: str) -> tuple[list[str], list[str]]:
    """Whole commands of a page, in its blocks, and those that a sentence mentions, which may leave out arguments."""
    blocks = "\n".join(found[2] for found in BLOCK.finditer(text)).replace("\\\n", " ")
    return LINE.findall(blocks), INLINE.findall(text)


def parsed(line: str) -> None:
    """Raises `click.ClickException` if it could not be typed."""
    words = shlex.split(line, comments=True)
    end = next((number for number, word in enumerate(words) if word in SHELL), len(words))
    _, verb, *arguments = [word for word in words[:end] if word != "…"]
    command = cli.get_command(click.Context(cli), verb) if verb in COMMANDS else None
    while isinstance(command, click.Group) and arguments:
        command = command.get_command(click.Context(command), arguments.pop(0))
    if command is None:
        raise click.UsageError("no such command")
    if not isinstance(command, click.Group):
        command.make_context(verb, arguments).close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_to_be_typed_can_be(page: Path) -> None:
    whole, mentioned = shown(page.read_text(encoding="utf-8"))
    for line in whole:
        try:
            parsed(line)
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")
    for line in mentioned:
        try:
            parsed(line)
        except click.MissingParameter:
            pass
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


def test_commands_are_found_wherever_they_stand() -> None:
    """The test above would see a wrong one."""
    block = "   ```sh\n   AWS_REGION=x reconciler a \\\n --b\n   reconciler c | jq .d\n   ```\n"
    assert shown(f"1. So:\n\n{block}\nor `reconciler e`\n") == (
        ["reconciler a   --b", "reconciler c | jq .d"],
        ["reconciler e"],
    )
    assert sum(len(one) for page in PAGES for one in shown(page.read_text(encoding="utf-8"))) > 200
    for line in (
        "reconciler nothing",
        "reconciler status --nothing",
        "reconciler local nothing",
        "reconciler promote a b",
    ):
        with pytest.raises(click.UsageError):
            parsed(line)
