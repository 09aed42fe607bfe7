"""Options that several commands share."""

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
from reconciler.cli import completions
from reconciler.cli.output.terminal import echo
from reconciler.model import duration

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """AWS account, region and identity to use, and the store of the lease."""

    profile: str | None = None
    region: str | None = None
    assume_role: str | None = None
    external_id: str | None = None
    local: bool = False
    store: str | None = None


def length(text: str) -> timedelta:
    """Option type of a duration, as in the specs. Raises `click.BadParameter`."""
    try:
        return duration.parse(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a duration such as 30m, 1h or 1h30m") from None


LONGEST_REASON = 100
"""Characters of a reason as it is written in a tag, beside who asks for what, and when."""


def reason_text(text: str) -> str:
    """Option type of a reason, which is kept and shown to others. Raises `click.BadParameter`."""
    from reconciler import printable
    from reconciler.model.secrecy import masked
    from reconciler.model.tagging import escaped

    hidden = next((character for character in text if printable.hidden(character)), None)
    if hidden is not None:
        raise click.BadParameter(f"it contains {hidden!r}, and takes one line without control characters")
    if masked(text) != text:
        raise click.BadParameter("it contains what looks like a secret, and others can read it")
    length = len(escaped(text, longest=len(text) * 12 + 1))
    if length > LONGEST_REASON:
        more = "" if length == len(text) else f" ({length} as a tag holds them)"
        raise click.BadParameter(f"it takes at most {LONGEST_REASON} characters, not {len(text)}{more}")
    return text


def reason(kept: str) -> Callable[[F], F]:
    """Why something is asked for; `kept` says with what it is kept. `--why` is its former name."""
    return click.option(
        "--reason",
        "--why",
        "why",
        default="",
        type=reason_text,
        metavar="TEXT",
        help=f"Reason, kept with {kept} and shown in `history`, `events` and notifications.",
    )


def some_time(text: str) -> timedelta:
    """Option type of a duration that is more than none. Raises `click.BadParameter`."""
    found = length(text)
    if found <= timedelta():
        raise click.BadParameter("it has to be more than 0 seconds")
    return found


def specs(function: F) -> F:
    """The specs folder, as an argument, and its environment."""
    return click.argument("folder", required=False, type=click.Path(path_type=Path))(environment(function))


def service(function: F) -> F:
    """A service by its name in the specs, as an argument, and the specs folder."""
    return click.argument("service", required=False, shell_complete=completions.services)(specs_option(function))


def specs_option(function: F) -> F:
    """The specs folder, as an option of a command that takes another argument, and its environment."""
    folder = click.option("--specs", "folder", type=click.Path(path_type=Path), help="The specs folder.")
    return folder(environment(function))


def environment(function: F) -> F:
    option = click.option(
        "-e",
        "--environment",
        metavar="NAME",
        shell_complete=completions.environments,
        help="Merge specs/environments/NAME over the base.",
    )
    return option(function)


def _with_role(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    if value is not None and context.params.get("assume_role") is None:
        raise click.UsageError("--external-id is for the role that --assume-role names", context)
    return value


def aws(function: F) -> F:
    """Access to AWS. Everything else comes from boto3's standard chain (AWS_PROFILE, SSO, AWS_ENDPOINT_URL …)."""
    for option in (
        click.option(
            "--local", is_flag=True, help="Use the local AWS emulator, at AWS_ENDPOINT_URL if that is on this machine."
        ),
        click.option(
            "--external-id",
            metavar="ID",
            callback=_with_role,
            help="External ID that the role's trust policy asks for.",
        ),
        click.option("--assume-role", metavar="ARN", is_eager=True, help="IAM role to assume."),
        click.option("--region", metavar="REGION", help="AWS region; must match the Stack's."),
        click.option("--profile", metavar="NAME", help="AWS profile."),
    ):
        function = option(function)
    return function


def store(function: F) -> F:
    """Store of the stack's lease and of its last accepted revision; everyone who writes to it has to use the same."""
    return click.option(
        "--store",
        envvar="RECONCILER_STORE",
        metavar="STORE",
        help="Lease store: dynamodb:TABLE or sqlite:PATH. Default: a file on this machine.",
    )(function)


def output(*formats: str) -> Callable[[F], F]:
    """Output format of the result. A command that fails or is refused says why in JSON, too."""
    option = click.option(
        "-o", "--output", type=click.Choice(formats), default="text", show_default=True, help="Output format."
    )

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(**keywords: Any) -> Any:
            try:
                return function(**keywords)
            except errors.ReconcilerError as error:
                if keywords["output"] in ("json", "jsonl"):
                    echo(json.dumps({"format_version": 1, **_document(error)}))
                raise

        return option(cast(F, command))

    return decorate


def _document(error: errors.ReconcilerError) -> dict[str, Any]:
    if isinstance(error, errors.Refused):
        return {"blocked": True, "refusals": [{"code": error.code, "because": str(error)}]}
    return {"blocked": False, "error": {"code": error.code or errors.ReconcilerError.code, "because": str(error)}}


def color(function: F) -> F:
    return click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use color."
    )(function)


def look(function: F) -> F:
    """Color and level of detail."""
    function = click.option("-v", "--verbose", count=True, help="Show more detail; twice: log every AWS call.")(
        function
    )
    return color(function)


def timeout(seconds: float, awaited: str) -> Callable[[F], F]:
    """How long to wait for the controller. Given, it asks for the wait although no controller runs."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help=f"How long to wait for {awaited}, even if no controller runs yet. Default: {seconds:g} s, if one runs.",
    )


def auto_approve(function: F) -> F:
    return click.option("-y", "--auto-approve", is_flag=True, help="Skip the confirmation prompt.")(function)


def notify(function: F) -> F:
    """Targets of notifications; `RECONCILER_NOTIFY` adds to them, for those whose URL is a secret."""
    return click.option(
        "--notify",
        multiple=True,
        metavar="TARGET",
        help="Send notifications to slack:URL, webhook:URL or sns:ARN, and commit statuses to github:OWNER/REPO or "
        "gitlab:GROUP/PROJECT. Repeatable.",
    )(function)


def notify_link(function: F) -> F:
    return click.option(
        "--notify-link",
        metavar="URL",
        default="",
        help="Where commit statuses lead, with {stack}, {environment}, {service} and {commit} filled in. "
        "Default: the service in the AWS console.",
    )(function)


def only(function: F) -> F:
    """Restriction to some resources."""
    return click.option(
        "--only",
        multiple=True,
        metavar="ADDRESS",
        shell_complete=completions.addresses,
        help="Restrict the plan to ADDRESS, a pattern such as 'listener-rule/*', or a service or task by its name, "
        "with what it needs. Repeatable.",
    )(function)


def consent(function: F) -> F:
    """Changes that are refused unless they are allowed explicitly."""
    for option in (
        click.option("--max-delete", type=click.IntRange(min=0), metavar="N", help="Allow up to N deletions."),
        click.option(
            "--allow-replace",
            multiple=True,
            metavar="ADDRESS",
            help="Allow replacing ADDRESS (delete and re-create). Repeatable.",
        ),
    ):
        function = option(function)
    return function


class NoSpecs(click.UsageError):
    """No folder was named, and none was found."""


def find_specs(folder: Path | None) -> Path:
    """`folder`, else `specs` in the current folder or above it, up to the repository's root.

    Raises `click.UsageError`.
    """
    if folder is not None:
        return folder
    current = Path.cwd()
    for parent in (current, *current.parents):
        if (parent / "specs").is_dir():
            return Path("specs") if parent == current else parent / "specs"
        if (parent / ".git").exists():
            break
    raise NoSpecs("no 'specs' folder found in the current folder or above it; name the specs folder")
