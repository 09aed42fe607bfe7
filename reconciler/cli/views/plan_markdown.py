"""A plan as a pull-request comment."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.terminal import Look
from reconciler.cli.views.plan_text import counts, plan_text
from reconciler.model.plan import Plan, Verb
from reconciler.rollout.outlook import RolloutPreview

LONGEST = 60_000  # GitHub takes 65,536 characters in a comment


def plan_markdown(plan: Plan, title: str, ahead: Sequence[RolloutPreview] = ()) -> str:
    plain = Look()
    body = plan_text(plan, plain, ahead)
    if len(body) > LONGEST:
        body = body[:LONGEST] + "\n… (cut; `reconciler diff` shows the rest)"
    open_ = " open" if plan.count(Verb.DELETE, Verb.REPLACE) or plan.refusals else ""
    return (
        f"### `reconciler` · {title}\n\n{counts(plan, plain, ahead)}\n\n"
        f"<details{open_}><summary>Plan</summary>\n\n```diff\n{body}\n```\n\n</details>\n"
    )
