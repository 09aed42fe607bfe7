"""Check the account for what would make an apply fail."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_stack


@click.command()
@options.specs
@options.output("text", "json", "github")
@click.option("--read-secrets", is_flag=True, help="Read the values of secrets, to check their JSON keys.")
@options.store
@options.consent
@with_stack
def doctor(stack: Stack, output: str, read_secrets: bool) -> int:
    """Check the account for what would make the next apply, or a rollout, fail. Only reads.

    Permissions, service-linked roles, quotas, free addresses, images, secrets, certificates, the network of the tasks,
    and others that manage the same resources. Exits with 1 if something would fail; warnings do not count.
    """
    from reconciler.cli.examination import examined
    from reconciler.cli.execute import report_calls
    from reconciler.cli.output.findings_text import findings_document, findings_github, findings_text, summary
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.rollout_session import controller_of, open_rollouts
    from reconciler.doctor.check import Severity
    from reconciler.rollout_driver.preview import with_attempts

    report = controller_of(stack).look()
    previews = open_rollouts(stack, report.world).previews()
    plan = with_attempts(report.plan, previews)
    findings = examined(stack, plan, report.world, previews, read_secrets=read_secrets)
    failed = any(one.severity is Severity.ERROR for one in findings)
    match output:
        case "json":
            document = {
                "format_version": FORMAT_VERSION,
                "stack": stack.target.place.stack,
                "failed": failed,
                "findings": findings_document(findings),
            }
            echo(dumps(document))
        case "github":
            echo(findings_github(findings), nl=False, commands=True)
        case _:
            text = [findings_text(findings, stack.look, verbose=stack.verbose)] if findings else []
            say(stack.look.paint(stack.banner, "bold") + "\n", stack.look)
            say("\n".join([*text, summary(findings)]), stack.look)
    report_calls(stack)
    return Exit.FAILED if failed else Exit.DONE
