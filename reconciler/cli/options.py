"""Options that several commands share, declared once."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from reconciler import errors
from reconciler.model import duration

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """Which account and region to talk to, and as whom: what the options of `aws` and `store` say, `Where(**said)`."""

    profile: str | None = None
    region: str | None = None
    assume_role: str | None = None
    local: bool = False
    store: str | None = None


def length(text: str) -> timedelta:
    """The type of an option that takes a length of time, as in the specs. Raises `click.BadParameter`."""
    try:
        return duration.parse(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time; say 30m, 1h or 1h30m") from None


def specs(function: F) -> F:
    """The specs folder and its environment."""
    function = click.option("-e", "--environment", metavar="NAME", help="Merge specs/environments/NAME over the base.")(
        function
    )
    return click.argument("folder", required=False, type=click.Path(path_type=Path))(function)


def service(function: F) -> F:
    """A service by its name in the specs, and where those are."""
    function = click.option("-e", "--environment", metavar="NAME", help="Merge specs/environments/NAME over the base.")(
        function
    )
    function = click.option("--specs", "folder", type=click.Path(path_type=Path), help="The specs folder.")(function)
    return click.argument("service", required=False)(function)


def aws(function: F) -> F:
    """Where AWS is. Everything else comes from boto3's standard chain (AWS_PROFILE, SSO, AWS_ENDPOINT_URL …)."""
    for option in (
        click.option("--local", is_flag=True, help="Use the laptop AWS (reconciler local up)."),
        click.option("--assume-role", metavar="ARN", help="Become this role first."),
        click.option("--region", metavar="REGION", help="Must be the Stack's region where the Stack names one."),
        click.option("--profile", metavar="NAME", help="AWS profile."),
    ):
        function = option(function)
    return function


def store(function: F) -> F:
    """Where the stack's lease is kept: whoever writes to one stack has to say the same."""
    return click.option(
        "--store",
        envvar="RECONCILER_STORE",
        metavar="WHERE",
        help="sqlite:PATH (default: a file of this machine) or dynamodb:TABLE.",
    )(function)


def output(*formats: str) -> Callable[[F], F]:
    """In which format the result is printed. In JSON a command that is refused prints why there, too."""
    option = click.option(
        "-o", "--output", type=click.Choice(formats), default="text", show_default=True, help="Output format."
    )

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(**keywords: Any) -> Any:
            try:
                return function(**keywords)
            except errors.Refused as refused:
                if keywords["output"] in ("json", "jsonl"):
                    refusals = [{"code": refused.code, "because": str(refused)}]
                    click.echo(json.dumps({"format_version": 1, "blocked": True, "refusals": refusals}))
                raise

        return option(cast(F, command))

    return decorate


def look(function: F) -> F:
    """How results look."""
    function = click.option("-v", "--verbose", count=True, help="More detail; twice for the log of every call.")(
        function
    )
    return click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colour."
    )(function)


def consent(function: F) -> F:
    """What a person agrees to beforehand."""
    for option in (
        click.option("--max-delete", type=click.IntRange(min=0), metavar="N", help="Let the guard allow N deletions."),
        click.option(
            "--allow-replace", multiple=True, metavar="ADDRESS", help="Delete and make anew what AWS cannot change."
        ),
    ):
        function = option(function)
    return function


def find_specs(folder: Path | None) -> Path:
    """The folder that was named; else `specs`, here or further up, but not above the repository's root."""
    if folder is not None:
        return folder
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / "specs").is_dir():
            found = place / "specs"
            return found.relative_to(here) if place == here else found
        if (place / ".git").exists():
            break
    raise click.UsageError("there is no folder 'specs' here; name one: reconciler COMMAND FOLDER")
