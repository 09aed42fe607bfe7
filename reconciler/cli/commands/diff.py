"""Show the changes that `apply` would make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import Look, echo, say
from reconciler.cli.session import Stack, with_stack

if TYPE_CHECKING:
    from reconciler.cli.applied_specs import Applied
    from reconciler.doctor.check import Finding
    from reconciler.model.plan import Plan
    from reconciler.model.resource import Address
    from reconciler.rollout.outlook import RolloutPreview


@click.command()
@options.specs
@options.output("text", "json", "markdown", "github")
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan to FILE for `apply`."
)
@click.option("--who", is_flag=True, help="Ask CloudTrail who has made the differences outside the specs.")
@click.option("--base", metavar="COMMIT", help="The commit that was applied last, by its id, branch or tag, to tell "
              "drift from changes of the specs. Default: the one that the controller has recorded.")  # fmt: skip
@options.only
@options.consent
@options.store
@with_stack
def diff(stack: Stack, output: str, out: Path | None, base: str | None, who: bool, only: tuple[str, ...]) -> int:
    """Show the changes that `apply` would make, without making them.

    With --only, just those of the named resources and of what they need; what is left out is listed.

    Where a controller has found out who made a difference outside the specs, it is named. With --who, CloudTrail is
    asked about the others, ten resources at most and for ten seconds; that needs `cloudtrail:LookupEvents`.

    Exits with 0 if there is nothing to change, 2 if changes are pending and 5 if the plan is blocked.
    """
    from reconciler.cli import plan_file, selection
    from reconciler.cli.applied_specs import applied_specs
    from reconciler.cli.examination import examined_cheaply
    from reconciler.cli.execute import report_calls
    from reconciler.cli.output.plan_text import effective
    from reconciler.cli.plan_authors import plan_authors
    from reconciler.cli.rollout_session import controller_of, open_rollouts
    from reconciler.rollout_driver.preview import with_attempts

    selection.select(stack, only)
    report = controller_of(stack).look()
    selection.check(stack, report.world)
    session = open_rollouts(stack, report.world)
    previews = selection.shown(session.previews(), report.plan)
    plan = with_attempts(report.plan, previews)
    if out is not None:
        plan_file.write(out, stack, plan)
    applied = applied_specs(stack, plan, report.world, base, session.applied)
    authors = plan_authors(stack, plan, applied.origins, ask=who)
    _show(stack, plan, previews, examined_cheaply(stack, plan, report.world, previews), applied, authors, output)
    report_calls(stack)
    if plan.refusals:
        return Exit.BLOCKED
    begins = any((preview.pending and not preview.quarantined) or preview.moving for preview in previews)
    pending = effective(plan, previews) or plan.waiting or plan.deferred or plan.failed or begins
    return Exit.PENDING if pending else Exit.DONE


def _show(
    stack: Stack,
    plan: Plan,
    previews: tuple[RolloutPreview, ...],
    findings: tuple[Finding, ...],
    applied: Applied,
    authors: Mapping[Address, str],
    output: str,
) -> None:
    from reconciler.cli.output.findings_text import findings_document, findings_github, findings_text

    match output:
        case "json":
            from reconciler.cli import plan_file
            from reconciler.cli.output.plan_json import dumps, origins_document, rollouts_document

            more = {
                "rollouts": rollouts_document(previews),
                "findings": findings_document(findings),
                "origins": origins_document(applied.origins),
                "authors": {str(address): text for address, text in authors.items()},
            }
            echo(dumps(plan_file.document(stack, plan) | more))
        case "markdown":
            from reconciler.cli.output.plan_markdown import plan_markdown

            echo(plan_markdown(plan, stack.banner, previews, findings_text(findings, Look()), applied, authors))
        case "github":
            from reconciler.cli.output.plan_github import plan_github

            echo(plan_github(plan) + findings_github(findings), nl=False, commands=True)
        case _:
            from reconciler.cli.output.plan_text import plan_text

            say(stack.look.paint(stack.banner, "bold") + "\n", stack.look)
            shown = plan_text(
                plan, stack.look, previews, verbose=stack.verbose, origins=applied.origins, authors=authors
            )
            say(shown, stack.look)
            if findings:
                say("\n" + findings_text(findings, stack.look), stack.look, nl=False)
