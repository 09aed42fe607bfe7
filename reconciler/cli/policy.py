"""iam-policy: what the operator has to be allowed for these specs, and no more. Asks AWS nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.terminal import look_of, say

if TYPE_CHECKING:
    from reconciler.iam import Statement
    from reconciler.spec.specs import Specs

ANY_ACCOUNT = "*"


@click.command("iam-policy")
@options.specs
@options.output("text", "json")
@click.option("--account", metavar="ID", help="The account to put into ARNs, where the Stack names none; else any.")
@click.option("--source", metavar="URL", help="Where the operator gets its specs: CodeCommit takes a permission.")
@click.option("--notify", multiple=True, metavar="WHERE", help="Whom it tells: sns:ARN takes a permission.")
@click.option("--all-types", is_flag=True, help="For every type of resource, whether the specs have one or not.")
@options.store
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colour.")
def iam_policy(
    folder: Path | None,
    environment: str | None,
    output: str,
    account: str | None,
    source: str | None,
    notify: tuple[str, ...],
    all_types: bool,
    store: str | None,
    color: str,
) -> int:
    """Print the least that the operator of these specs has to be allowed. `-o json` is the policy itself."""
    from reconciler.cli.connect import load_specs
    from reconciler.cli.views.plan_json import dumps
    from reconciler.iam import document, fitted

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
        )
    )
    for how in folded:
        click.echo(f"warning: IAM takes no more characters: {how}", err=True)
    if output == "json":
        click.echo(dumps(document(found)))
        return Exit.DONE
    look = look_of(sys.stdout, color)
    for statement in found:
        say(look.paint(statement.sid.ljust(20), "bold") + look.paint(statement.why, "dim"), look)
        for line in described(statement):
            click.echo(f"    {line}")
    return Exit.DONE


def statements_of(
    specs: Specs,
    *,
    account: str,
    store: str | None = None,
    source: str | None = None,
    notify: tuple[str, ...] = (),
    all_types: bool = False,
) -> tuple[Statement, ...]:
    """What `reconciler run` with these options has to be allowed, in full.

    Raises `errors.SpecInvalid` for a store or a source that is none.
    """
    from reconciler.iam import Extras, statements
    from reconciler.model.resource_type import discover
    from reconciler.reconcile.observe import StackId
    from reconciler.spec.compile import compile_deliveries, compile_specs

    assert specs.stack is not None
    place = StackId(specs.stack.name, account, specs.stack.region, partition_of(specs.stack.region))
    extras = Extras(
        table=_table(store),
        topics=tuple(one.removeprefix("sns:") for one in notify if one.startswith("sns:")),
        repository=_repository(source, place),
        all_types=all_types,
    )
    desired = compile_specs(specs, account=account, partition=place.partition)
    return statements(discover(), desired, compile_deliveries(specs), place, extras)


def partition_of(region: str) -> str:
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


def described(statement: Statement) -> list[str]:
    """One line for its actions by service, then what binds them."""
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


_WORDS = {"StringEquals": "is", "ArnEquals": "is", "ForAllValues:StringLike": "is like"}


def _table(store: str | None) -> str | None:
    sort, _, name = (store or "").partition(":")
    return name if sort == "dynamodb" and name else None


def _repository(source: str | None, place: Any) -> str | None:
    """The ARN of a CodeCommit repository; every other host has its own ways."""
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
        raise errors.SpecInvalid(f"{source} names no repository")
    return f"arn:{place.partition}:codecommit:{region}:{place.account}:{name}"
