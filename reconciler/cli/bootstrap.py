"""bootstrap: the operator as specs of its own, and with --apply as a running task. It is made by the product itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.exits import Exit

if TYPE_CHECKING:
    from reconciler.cli.operator_specs import Operator
    from reconciler.iam import Statement
    from reconciler.spec.specs import Specs


@click.command()
@options.specs
@click.option("--image", required=True, metavar="URI", help="The operator's image, by tag or digest.")
@click.option("--source", required=True, metavar="URL", help="Where it gets the specs: https://…#branch:path.")
@click.option("--name", metavar="NAME", help="Of the operator and of all that is its own. Default: STACK-operator.")
@click.option("--account", metavar="ID", help="Where neither the Stack nor the image names it.")
@click.option("--cluster", metavar="NAME", help="A cluster that is there. Default: one of its own.")
@click.option("--subnets", metavar="ID,ID", help="Subnets that are there. Default: a network of its own.")
@click.option("--security-groups", metavar="ID,ID", help="With --subnets: they let it out, and need to let nobody in.")
@click.option("--public-ip/--no-public-ip", default=True, help="How it gets out; without it the subnets need a NAT.")
@click.option("--zone", metavar="ZONE", help="Of a network of its own. Default: the region's a.")
@click.option("--store-table", metavar="NAME", help="The table with its lease. Default: NAME-store.")
@click.option("--git-token", metavar="WHERE", help="ssm:/path or secretsmanager:name of the password for the source.")
@click.option("--webhook-secret", metavar="WHERE", help="The same for the key that signs its webhooks.")
@click.option("--notify", multiple=True, metavar="WHERE", help="slack:URL, webhook:URL or sns:ARN; several times.")
@click.option("--inside", is_flag=True, help="Make it part of the specs that it enforces, so that it manages itself.")
@click.option("--all-types", is_flag=True, help="Let it manage types of resources that the specs do not have yet.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the specs are written. Default: operator; with --inside it is FOLDER/operator.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files there that say something else.")
@click.option("--apply", "applied", is_flag=True, help="And apply them.")
@click.option("-y", "--auto-approve", is_flag=True, help="Do not ask.")
@click.option("-o", "--output", type=click.Choice(["specs", "render"]), default="specs", show_default=True,
              help="Write the files, or print them.")  # fmt: skip
@options.aws
@options.look
def bootstrap(
    folder: Path | None,
    environment: str | None,
    out: Path | None,
    overwrite: bool,
    applied: bool,
    auto_approve: bool,
    output: str,
    inside: bool,
    all_types: bool,
    verbose: int,
    color: str,
    profile: str | None,
    region: str | None,
    assume_role: str | None,
    local: bool,
    **said: Any,
) -> int:
    """Make the operator of the specs in FOLDER: a Fargate task with `reconciler run`, its role, lease table and logs.

    Writes specs to commit. `reconciler apply operator` makes them so; with --apply that is done at once.
    """
    from reconciler.cli.connect import load_specs

    if applied and (inside or output == "render"):
        raise click.UsageError("--apply is for an operator with a folder of its own: apply or commit the specs instead")
    if inside and out is not None:
        raise click.UsageError("--inside writes to FOLDER/operator; there is no --out with it")
    place, specs = load_specs(folder, environment, color=color)
    operator = _operator(specs, environment, inside, said)
    texts = _files(operator, specs, place, all_types=all_types)
    if output == "render":
        click.echo("---\n".join(f"# {name}\n{text}" for name, text in texts.items()), nl=False)
        return Exit.DONE
    where = out or (place / "operator" if inside else Path("operator"))
    _write(where, texts, overwrite=overwrite)
    if not applied:
        next_ = f"reconciler apply {place if inside else where}"
        click.echo(f"wrote {len(texts)} files to {where}; read them, commit them, then: {next_}", err=True)
        return Exit.DONE
    from reconciler.cli.changing import apply

    code: int = click.get_current_context().invoke(
        apply, folder=where, auto_approve=auto_approve, profile=profile, region=region, assume_role=assume_role,
        local=local, verbose=verbose, color=color,
    )  # fmt: skip
    sys.stdout.flush()
    return code


def _operator(specs: Specs, environment: str | None, inside: bool, said: dict[str, Any]) -> Operator:
    from reconciler.cli.operator_specs import Operator, account_of
    from reconciler.cli.policy import partition_of

    stack = specs.stack
    assert stack is not None
    account = said["account"] or stack.account or account_of(said["image"])
    if account is None:
        raise click.UsageError("which account? Pin it in the Stack, or say --account")
    if stack.account is not None and account != stack.account:
        raise errors.WrongAccount(f"the Stack is pinned to account {stack.account}, not {account}")
    subnets, groups = _words(said["subnets"]), _words(said["security_groups"])
    if bool(subnets) != bool(groups):
        raise click.UsageError("--subnets and --security-groups go together")
    name = said["name"] or f"{stack.name}-operator"
    cluster = said["cluster"]
    if cluster is not None and not cluster.startswith("arn:"):
        cluster = f"arn:{partition_of(stack.region)}:ecs:{stack.region}:{account}:cluster/{cluster}"
    secrets = {"RECONCILER_GIT_TOKEN": said["git_token"], "RECONCILER_WEBHOOK_SECRET": said["webhook_secret"]}
    return Operator(
        name=name,
        stack=stack.name,
        region=stack.region,
        account=account,
        image=said["image"],
        source=_source(said["source"]),
        table=said["store_table"] or f"{name}-store",
        environment=environment,
        cluster=cluster,
        subnets=subnets,
        security_groups=groups,
        public_ip=said["public_ip"],
        zone=said["zone"],
        secrets={key: value for key, value in secrets.items() if value},
        notify=said["notify"],
        inside=inside,
    )


def _files(operator: Operator, specs: Specs, place: Path, *, all_types: bool) -> dict[str, str]:
    """The operator's specs, checked like anybody's. Raises `errors.SpecInvalid` with all that is wrong."""
    from reconciler.cli.operator_specs import files
    from reconciler.iam import LARGEST, document, fitted, size

    operated = specs
    if operator.inside:  # then its own documents are part of what it may change
        operated = _checked(files(operator, _anything()), operator, place)
    found, folded = fitted(_statements(operated, operator, all_types=all_types))
    for how in folded:
        click.echo(f"warning: a role takes {LARGEST:,} characters of policy: {how}", err=True)
    if size(found) > LARGEST:
        raise errors.SpecInvalid(
            f"the operator's policy has {size(found):,} characters, and a role takes {LARGEST:,}; let several stacks "
            "share the work, or write the Role by hand from `reconciler iam-policy`"
        )
    texts = files(operator, document(found)["Statement"])
    _checked(texts, operator, place)
    return texts


def _anything() -> list[Mapping[str, Any]]:
    """Stands for the policy until it is known."""
    return [{"Action": ["sts:GetCallerIdentity"], "Resource": ["*"]}]


def _statements(specs: Specs, operator: Operator, *, all_types: bool) -> tuple[Statement, ...]:
    from reconciler.cli.policy import statements_of

    return statements_of(
        specs,
        account=operator.account,
        store=f"dynamodb:{operator.table}",
        source=operator.source,
        notify=operator.notify,
        all_types=all_types,
    )


def _checked(texts: Mapping[str, str], operator: Operator, place: Path) -> Specs:
    from reconciler.spec import discovery
    from reconciler.spec.load import load_sources

    sources = [discovery.Source(f"operator/{name}", f"operator/{name}", text.encode()) for name, text in texts.items()]
    if operator.inside:
        there, _ = discovery.read(place)
        sources += [one for one in there if not one.relative.startswith("operator/")]
    specs = load_sources(sources, operator.environment if operator.inside else None)
    if not specs.ok:
        raise errors.SpecInvalid("; ".join(str(one) for one in specs.diagnostics[:5]))
    return specs


def _write(where: Path, texts: Mapping[str, str], *, overwrite: bool) -> None:
    others = [
        name
        for name, text in texts.items()
        if (where / name).exists() and (where / name).read_text(encoding="utf-8") != text
    ]
    if others and not overwrite:
        raise errors.FileExists(
            f"{where} has {', '.join(others)} already, saying something else; --overwrite replaces them"
        )
    where.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (where / name).write_text(text, encoding="utf-8")


def _source(text: str) -> str:
    from reconciler.source import location

    if not location.is_git(text) or location.parse(text).scheme == "file":
        raise click.UsageError(f"--source is a Git repository that the task can reach, not {text!r}")
    return text


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip()) if text else ()
