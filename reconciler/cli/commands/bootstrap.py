"""Generate specs that run the controller on Fargate, or apply them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo

if TYPE_CHECKING:
    from reconciler.cli.operator_specs import Operator
    from reconciler.iam import Statement
    from reconciler.spec.specs import Specs


@click.command()
@options.specs
@click.option("--image", required=True, metavar="URI", help="Image of the controller, by tag or digest.")
@click.option("--source", required=True, metavar="URL", help="Git repository of the specs: https://…#branch:path.")
@click.option("--name", metavar="NAME", help="Name prefix. Default: STACK-operator.")
@click.option("--account", metavar="ID", help="Account, if neither the Stack nor the image names one.")
@click.option("--cluster", metavar="NAME", help="Existing cluster. Default: create one.")
@click.option("--subnets", metavar="ID,ID", help="Existing subnets. Default: create a network.")
@click.option("--security-groups", metavar="ID,ID", help="Security groups for the task (egress only); with --subnets.")
@click.option(
    "--public-ip/--no-public-ip", default=True, help="Assign a public IP; without one the subnets need a NAT."
)
@click.option("--zone", metavar="ZONE", help="Availability zone of the network. Default: the region's zone a.")
@click.option("--store-table", metavar="NAME", help="DynamoDB table of the lease. Default: NAME-store.")
@click.option("--git-token", metavar="SECRET", help="Git password: ssm:/path or secretsmanager:name.")
@click.option("--webhook-secret", metavar="SECRET", help="Signing key of webhooks: ssm:/path or secretsmanager:name.")
@options.notify
@options.notify_link
@click.option("--github-token", metavar="SECRET", help="Token for github targets: ssm:/path or secretsmanager:name.")
@click.option("--gitlab-token", metavar="SECRET", help="Token for gitlab targets: ssm:/path or secretsmanager:name.")
@click.option("--notify-secret", metavar="SECRET", help="Targets slack:URL and webhook:URL, separated by spaces: "
              "ssm:/path or secretsmanager:name.")  # fmt: skip
@click.option(
    "--inside", is_flag=True, help="Add the controller to the specs that it reconciles, so that it manages itself."
)
@click.option("--all-types", is_flag=True, help="Allow it to manage all resource types, not only those in the specs.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Output folder. Default: operator; with --inside, FOLDER/operator.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Overwrite files that differ.")
@click.option("--apply", "applied", is_flag=True, help="Apply the specs after writing them.")
@options.auto_approve
@click.option("-o", "--output", type=click.Choice(["specs", "render"]), default="specs", show_default=True,
              help="Write the files (specs), or print them (render).")  # fmt: skip
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
    external_id: str | None,
    local: bool,
    **settings: Any,
) -> int:
    """Generate specs for a Fargate task that runs the controller for the specs in FOLDER, with its role, lease table
    and logs.

    Commit the specs and run `reconciler apply operator`, or pass --apply.
    """
    from reconciler.cli.session import load_specs
    from reconciler.spec.discovery import ENVIRONMENTS

    if applied and (inside or output == "render"):
        raise click.UsageError(
            "--apply cannot be combined with --inside or -o render; apply or commit the specs instead"
        )
    if inside and out is not None:
        raise click.UsageError("--inside and --out are mutually exclusive")
    place, specs = load_specs(folder, environment, color=color)
    operator = _operator(specs, environment, inside, settings)
    texts = _files(operator, specs, place, all_types=all_types)
    if output == "render":
        echo("---\n".join(f"# {name}\n{text}" for name, text in texts.items()), nl=False)
        return Exit.DONE
    within = place if environment is None else place / ENVIRONMENTS / environment
    where = out or (within / "operator" if inside else Path("operator"))
    _write(where, texts, overwrite=overwrite)
    if not applied:
        chosen = f" -e {environment}" if inside and environment is not None else ""
        next_ = f"reconciler apply {place if inside else where}{chosen}"
        echo(f"{len(texts)} files written to {where}. Review and commit them, then run: {next_}", err=True)
        return Exit.DONE
    from reconciler.cli.commands.apply import apply

    code: int = click.get_current_context().invoke(
        apply, folder=where, auto_approve=auto_approve, profile=profile, region=region, assume_role=assume_role,
        external_id=external_id, local=local, verbose=verbose, color=color,
    )  # fmt: skip
    sys.stdout.flush()
    return code


def _operator(specs: Specs, environment: str | None, inside: bool, settings: dict[str, Any]) -> Operator:
    from reconciler.cli.commands.iam_policy import partition_of
    from reconciler.cli.operator_specs import Operator, account_of
    from reconciler.notifications.commit_notifier import FORGES
    from reconciler.spec.naming import Naming

    stack = specs.stack
    assert stack is not None
    account = settings["account"] or stack.account or account_of(settings["image"])
    if account is None:
        raise click.UsageError("the account is unknown; set it in the Stack or pass --account")
    if stack.account is not None and account != stack.account:
        raise errors.WrongAccount(f"the Stack is pinned to account {stack.account}, not {account}")
    subnets, groups = _words(settings["subnets"]), _words(settings["security_groups"])
    if bool(subnets) != bool(groups):
        raise click.UsageError("--subnets and --security-groups must be used together")
    name = settings["name"] or f"{specs.stack_id.replace('@', '-')}-operator"
    cluster = settings["cluster"]
    if cluster is not None and not cluster.startswith("arn:"):
        cluster = f"arn:{partition_of(stack.region)}:ecs:{stack.region}:{account}:cluster/{cluster}"
    for target in settings["notify"]:
        kind = target.partition(":")[0]
        if kind in FORGES and not settings[f"{kind}_token"]:
            raise click.UsageError(f"a {kind} target needs --{kind}-token, the secret with its token")
        if kind not in ("sns", *FORGES):
            raise click.UsageError(
                f"the URL of a {kind} target is a secret, and the specs are committed. Store the "
                "whole target in SSM or Secrets Manager, for example with `aws ssm put-parameter --type SecureString "
                f"--name /{name}/notify --value …`, and pass --notify-secret ssm:/{name}/notify"
            )
    secrets = {
        "RECONCILER_GIT_TOKEN": settings["git_token"],
        "RECONCILER_WEBHOOK_SECRET": settings["webhook_secret"],
        "RECONCILER_GITHUB_TOKEN": settings["github_token"],
        "RECONCILER_GITLAB_TOKEN": settings["gitlab_token"],
        "RECONCILER_NOTIFY": settings["notify_secret"],
    }
    return Operator(
        name=name,
        stack=specs.stack_id,
        region=stack.region,
        account=account,
        image=settings["image"],
        source=_source(settings["source"]),
        table=settings["store_table"] or f"{name}-store",
        environment=environment,
        cluster=cluster,
        subnets=subnets,
        security_groups=groups,
        public_ip=settings["public_ip"],
        zone=settings["zone"],
        secrets={key: value for key, value in secrets.items() if value},
        notify=settings["notify"],
        notify_link=settings["notify_link"],
        inside=inside,
        renamed=inside and specs.naming != Naming(),
    )


def _files(operator: Operator, specs: Specs, place: Path, *, all_types: bool) -> dict[str, str]:
    """The validated specs of the controller. Raises `errors.SpecInvalid` with every error."""
    from reconciler.cli.operator_specs import files
    from reconciler.iam import LARGEST, document, fitted, size

    operated = specs
    if operator.inside:  # its own documents are part of what it may change
        operated = _checked(files(operator, _placeholder()), operator, place)
    found, folded = fitted(_statements(operated, operator, all_types=all_types))
    for how in folded:
        echo(f"warning: the policy was shortened to fit the limit of {LARGEST:,} characters: {how}", err=True)
    if size(found) > LARGEST:
        raise errors.SpecInvalid(
            f"the controller's policy has {size(found):,} characters, more than the limit of {LARGEST:,}; split the "
            "specs into several stacks, or write the Role by hand from `reconciler iam-policy`"
        )
    texts = files(operator, document(found)["Statement"])
    _checked(texts, operator, place)
    return texts


def _placeholder() -> list[Mapping[str, Any]]:
    """Policy statements until the real ones are known."""
    return [{"Action": ["sts:GetCallerIdentity"], "Resource": ["*"]}]


def _statements(specs: Specs, operator: Operator, *, all_types: bool) -> tuple[Statement, ...]:
    from reconciler.cli.commands.iam_policy import statements_of

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

    overlaid = operator.inside and operator.environment is not None
    folder = f"{discovery.ENVIRONMENTS}/{operator.environment}/operator/" if overlaid else "operator/"
    sources = [discovery.Source(f"{folder}{name}", f"{folder}{name}", text.encode()) for name, text in texts.items()]
    if operator.inside:
        there, _ = discovery.read(place)
        sources += [one for one in there if not one.relative.startswith(folder)]
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
            f"{where} contains different versions of {', '.join(others)}; pass --overwrite to replace them"
        )
    where.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (where / name).write_text(text, encoding="utf-8")


def _source(text: str) -> str:
    from reconciler.source import location

    if not location.is_git(text) or location.parse(text).scheme == "file":
        raise click.UsageError(f"--source must be a Git repository that the task can reach, not {text!r}")
    return text


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip()) if text else ()
