"""Write specs for services that are running already."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.options import Where
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say

if TYPE_CHECKING:
    from reconciler.cli.session import SignedIn, Stack
    from reconciler.importing.documents import Imported
    from reconciler.importing.inventory import Inventory
    from reconciler.importing.proof import Proof
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.plan import Plan
    from reconciler.rollout.outlook import RolloutPreview


@click.command("import")
@click.option("--cluster", "clusters", multiple=True, metavar="NAME", help="Import the services of a cluster. "
              "Repeatable.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Import the services of every cluster of the region.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Import only this service. Repeatable.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("specs"), show_default=True,
              metavar="FOLDER", help="Folder for the specs, which must contain none.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the stack. Default: the cluster's name.")
@click.option("--own", default="", metavar="TYPE,TYPE", help="Types of resources to own although they are shared or "
              "managed elsewhere, such as network,load-balancer.")  # fmt: skip
@options.output("text", "json")
@options.aws
@options.look
def import_(
    clusters: tuple[str, ...],
    every: bool,
    services: tuple[str, ...],
    out: Path,
    name: str | None,
    own: str,
    output: str,
    verbose: int,
    color: str,
    **access: Any,
) -> int:
    """Write specs for services that are running already, and show that applying them changes nothing but tags.

    Nothing is written to AWS. Exits with 0 if only tags are to be written, 2 if the plan of the specs changes more, and
    5 if it is blocked, or if the folder contains specs.
    """
    if every == bool(clusters):
        raise click.UsageError("name the cluster with --cluster, or pass --all")
    if name is None and len(clusters) != 1:
        raise click.UsageError("name the stack with --name")
    if out.is_dir() and next(out.rglob("*.y*ml"), None) is not None:
        raise errors.FileExists(f"{out} contains specs already; choose another folder with --out")
    from reconciler.importing.validity import valid_documents

    owned = _owned(own)
    stack = name or clusters[0].rpartition("/")[2]
    where = Where(**{one.name: access[one.name] for one in fields(Where) if one.name in access})
    signed_in = _signed_in(stack, where, verbose)
    try:
        inventory = _discovered(signed_in, clusters, services)
        found = valid_documents(inventory, stack, owned)
        _write(out, found)
        opened, plan, previews, world = _planned(out, signed_in, color, verbose)
    finally:
        signed_in.aws.close()
    from reconciler.importing.handover import handover
    from reconciler.importing.proof import proof_of

    proof, pasted = proof_of(plan, previews), handover(found.owned_elsewhere, world)
    if output == "json":
        _show_json(out, found, proof, plan, previews, opened, pasted)
    else:
        _show_text(out, found, proof, plan, previews, opened, pasted)
    return Exit.DONE if proof.holds else Exit.BLOCKED if plan.refusals else Exit.PENDING


def _owned(given: str) -> frozenset[str]:
    from reconciler.importing.decision import ownable

    names, known = frozenset(filter(None, (word.strip() for word in given.split(",")))), set(ownable().values())
    if unknown := sorted(names - known):
        raise click.UsageError(f"--own {', '.join(unknown)}: choose from {', '.join(sorted(known))}")
    return names


def _signed_in(stack: str, where: Where, verbose: int) -> SignedIn:
    from reconciler.cli.region import known_region
    from reconciler.cli.session import sign_in
    from reconciler.importing.validity import loaded
    from reconciler.spec.yaml_text import word

    region = known_region(where.region, where.profile)
    specs = loaded({"stack.yaml": f"kind: Stack\nname: {word(stack)}\nregion: {word(region)}\n"})
    if not specs.ok:
        raise errors.SpecInvalid("; ".join(str(one) for one in specs.diagnostics))
    return sign_in(specs, where, verbose=verbose)


def _discovered(signed_in: SignedIn, clusters: tuple[str, ...], services: tuple[str, ...]) -> Inventory:
    from reconciler.importing.discovery import discover
    from reconciler.model.resource_type import Scope

    identity = signed_in.identity
    scope = Scope("", identity.region, identity.account, identity.partition)
    return signed_in.aws.run(discover(scope, clusters, services))


def _write(out: Path, found: Imported) -> None:
    for path, text in found.files.items():
        file = out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)


def _planned(
    out: Path, signed_in: SignedIn, color: str, verbose: int
) -> tuple[Stack, Plan, tuple[RolloutPreview, ...], ObservedState]:
    """The plan of what was written, as `diff` makes it."""
    from reconciler.cli.rollout_session import controller_of, open_rollouts
    from reconciler.cli.session import Stack, load_specs, target_of
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.model.type_registry import discover
    from reconciler.rollout_driver.preview import with_attempts

    folder, specs = load_specs(out, None, color=color)
    target = target_of(specs, signed_in.identity, Guard(), Consent())
    stack = Stack(specs, folder, discover(), target, signed_in, color=color, verbose=verbose)
    report = controller_of(stack).look()
    previews = open_rollouts(stack, report.world).previews()
    return stack, with_attempts(report.plan, previews), previews, report.world


def _show_json(
    out: Path,
    found: Imported,
    proof: Proof,
    plan: Plan,
    previews: tuple[RolloutPreview, ...],
    stack: Stack,
    pasted: dict[str, str],
) -> None:
    from reconciler.cli import plan_file
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps, rollouts_document

    document = {
        "format_version": FORMAT_VERSION,
        "folder": str(out),
        "files": sorted(found.files),
        "services": [service.name for service in found.services],
        "tasks": [task.name for task in found.tasks],
        "left_out": [{"service": name, "because": why} for name, why in found.refused],
        "managed_elsewhere": dict(found.managed),
        "handover": [{"where": title, "text": text} for title, text in pasted.items()],
        "resources": [
            {"type": one.thing.kind, "id": one.thing.id, "own": one.own, "because": one.because}
            for one in found.choices
        ],
        "only_tags": proof.holds,
        "plan": plan_file.document(stack, plan) | {"rollouts": rollouts_document(previews)},
    }
    echo(dumps(document))


def _show_text(
    out: Path,
    found: Imported,
    proof: Proof,
    plan: Plan,
    previews: tuple[RolloutPreview, ...],
    stack: Stack,
    pasted: dict[str, str],
) -> None:
    from reconciler.cli.output.import_text import import_text
    from reconciler.cli.output.plan_text import plan_text

    look = stack.look
    say(look.paint(stack.banner, "bold") + "\n", look)
    say(import_text(str(out), found, proof, look, pasted), look)
    if not proof.holds:
        say("\n" + plan_text(plan, look, previews, verbose=stack.verbose), look)
