"""Print the minimal IAM policy for the controller or a person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, look_of, say

if TYPE_CHECKING:
    from reconciler.iam import Statement
    from reconciler.spec.specs import Specs

ANY_ACCOUNT = "*"


@click.command("iam-policy")
@options.specs
@options.output("text", "json")
@click.option("--account", metavar="ID", help="Account for ARNs, if the Stack names none. Default: any.")
@click.option("--source", metavar="URL", help="Git repository of the specs; CodeCommit needs permissions.")
@options.notify
@click.option("--all-types", is_flag=True, help="Include all resource types, not only those in the specs.")
@click.option("--doctor", is_flag=True, help="Include what `reconciler doctor` reads.")
@click.option("--console", is_flag=True, help="Include what `run --console` reads for its pages.")
@click.option("--for", "commands", metavar="COMMAND,…", help="For a person who types these, instead of the controller.")
@options.store
@options.color
def iam_policy(
    folder: Path | None,
    environment: str | None,
    output: str,
    account: str | None,
    source: str | None,
    notify: tuple[str, ...],
    all_types: bool,
    doctor: bool,
    console: bool,
    commands: str | None,
    store: str | None,
    color: str,
) -> int:
    """Print the minimal IAM policy for the controller of these specs. AWS is not contacted.

    With `--for status,logs,promote`, it is what a person needs for these commands, without their `--now`, which acts as
    the controller does. With `-o json`, prints the policy document.
    """
    from reconciler.cli.output.plan_json import dumps
    from reconciler.cli.session import load_specs
    from reconciler.iam import document, fitted

    if commands is not None and (source is not None or notify or all_types or console):
        raise click.UsageError(
            "--source, --notify, --all-types and --console are the controller's; --for is a person's"
        )
    _, specs = load_specs(folder, environment, color=color)
    assert specs.stack is not None
    found, folded = fitted(
        statements_of(
            specs,
            account=account or specs.stack.account or ANY_ACCOUNT,
            store=store,
            source=source,
            notify=notify,
            all_types=all_types,
            doctor=doctor,
            console=console,
            commands=_commands(commands),
        )
    )
    for how in folded:
        echo(f"warning: the policy was shortened to fit IAM's size limit: {how}", err=True)
    if output == "json":
        echo(dumps(document(found)))
        return Exit.DONE
    look = look_of(sys.stdout, color)
    for statement in found:
        say(look.paint(statement.sid.ljust(20), "bold") + look.paint(statement.why, "dim"), look)
        for line in described(statement):
            echo(f"    {line}")
    return Exit.DONE


def statements_of(
    specs: Specs,
    *,
    account: str,
    store: str | None = None,
    source: str | None = None,
    notify: tuple[str, ...] = (),
    all_types: bool = False,
    doctor: bool = False,
    console: bool = False,
    commands: tuple[str, ...] = (),
) -> tuple[Statement, ...]:
    """Policy statements for `reconciler run` with these options, or for a person's `commands`.

    Raises `errors.SpecInvalid` for an invalid source.
    """
    from reconciler.cli.lease import table_of
    from reconciler.doctor.reads import operations
    from reconciler.iam import COMMANDS, Extras, personal_statements, statements
    from reconciler.model.type_registry import discover
    from reconciler.reconcile.observe import StackId
    from reconciler.spec.compile import compile_deliveries, compile_specs

    assert specs.stack is not None
    region = specs.stack.region
    place = StackId(specs.stack_id, account, region, partition_of(region), specs.stack.roles.path)
    extras = Extras(
        table=table_of(store),
        topics=tuple(one.removeprefix("sns:") for one in notify if one.startswith("sns:")),
        repository=_repository(source, place),
        all_types=all_types,
        boundary=specs.stack.roles.permissions_boundary,
        doctor=operations() if doctor or any(COMMANDS[name].doctor for name in commands) else frozenset(),
        console=console,
    )
    desired = compile_specs(specs, account=account, partition=place.partition)
    deliveries = compile_deliveries(specs)
    tasks = [one.pre_deployment for one in deliveries if one.pre_deployment is not None]
    wanted = (*desired, *tasks)
    if not commands:
        return statements(discover(), wanted, deliveries, place, extras)
    from reconciler.cli.secret_values import declared

    secrets = [(one.service, one.id) for one in declared(specs)]
    return personal_statements(commands, discover(), wanted, deliveries, place, extras, secrets)


def _commands(text: str | None) -> tuple[str, ...]:
    """The commands of `--for`. Raises `click.BadParameter`."""
    from difflib import get_close_matches

    from reconciler.iam import COMMANDS, WITHOUT_AWS, WITHOUT_SPECS

    if text is None:
        return ()
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in found:
        if name in COMMANDS or name in WITHOUT_AWS:
            continue
        if name in WITHOUT_SPECS:
            why = f"what {name!r} needs does not depend on these specs: see its guide"
            raise click.BadParameter(why, param_hint="--for")
        close = get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Name some of: {', '.join(sorted(COMMANDS))}."
        raise click.BadParameter(f"no command {name!r} that acts in AWS. {hint}", param_hint="--for")
    acting = tuple(name for name in found if name in COMMANDS)
    if not acting:
        raise click.BadParameter(f"{text!r} names no command that acts in AWS", param_hint="--for")
    return acting


def partition_of(region: str) -> str:
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


def described(statement: Statement) -> list[str]:
    """A line for its actions by service, then its resources and conditions."""
    services: dict[str, list[str]] = {}
    for action in statement.actions:
        service, _, name = action.partition(":")
        services.setdefault(service, []).append(name)
    lines = [f"{service}: {', '.join(names)}" for service, names in services.items()]
    if statement.resources != ("*",):
        lines += [f"on {arn}" for arn in statement.resources]
    for test, keys in statement.condition.items():
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            lines.append(f"if {key} {_WORDS.get(test, test)} {' or '.join(map(str, values))}")
    return lines


_WORDS = {
    "StringEquals": "is",
    "ForAllValues:StringEquals": "is",
    "ArnEquals": "is",
    "ForAllValues:StringLike": "is like",
}


def _repository(source: str | None, place: Any) -> str | None:
    """The ARN of a CodeCommit repository; other hosts need no AWS permissions."""
    from reconciler.source import location
    from reconciler.source.credentials import codecommit_region

    if source is None or not location.is_git(source):
        return None
    found = location.parse(source)
    region = codecommit_region(found.host)
    if region is None:
        return None
    name = found.repository.rstrip("/").rpartition("/")[2]
    if not name:
        raise errors.SpecInvalid(f"the source {source} names no repository")
    return f"arn:{place.partition}:codecommit:{region}:{place.account}:{name}"
