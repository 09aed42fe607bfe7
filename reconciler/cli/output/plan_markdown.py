"""A plan as a pull-request comment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reconciler.cli.output.plan_text import counts, plan_text
from reconciler.cli.output.terminal import Look
from reconciler.model.plan import Plan, Verb
from reconciler.model.resource import NOTHING, Address
from reconciler.rollout.outlook import RolloutPreview

LONGEST = 60_000  # GitHub's limit of a comment is 65,536 characters


def plan_markdown(
    plan: Plan,
    title: str,
    previews: Sequence[RolloutPreview] = (),
    findings: str = "",
    authors: Mapping[Address, str] = NOTHING,
) -> str:
    """The plan, and below it `findings`, what would make it fail, as text."""
    plain = Look()
    body = plan_text(plan, plain, previews, authors=authors)
    body += f"\n\n{findings.strip()}" if findings else ""
    if len(body) > LONGEST:
        body = body[:LONGEST] + "\n… (truncated; run `reconciler diff` for the rest)"
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", body)), 0)  # nothing in it ends the block
    open_ = " open" if plan.count(Verb.DELETE, Verb.REPLACE) or plan.refusals or findings else ""
    return (
        f"### `reconciler` · {title}\n\n{counts(plan, plain, previews)}\n\n"
        f"<details{open_}><summary>Plan</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>\n"
    )
