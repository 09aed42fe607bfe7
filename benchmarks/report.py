"""docs/reference/performance.md, from measurements made now: `python -m benchmarks.against_terraform --write`."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import against_terraform, events, own_share, passes, plan, rollouts

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"
PASSES = (1, 20, 100, 500)
EVERYTHING = (1, 10, 100)
AT_REST = (1, 100, 500)
TRIALS = 20

_TEXT = """\
# Performance

<!-- Written by `python -m benchmarks.against_terraform --write`. -->

Measured on {when}, on {machine}, load {load} when it began.
Other work on the machine makes walls and CPU longer and leaves calls as they are.
The stack: one VPC, one load balancer with two listeners, S services with two target groups, two listener rules, a role,
a log group and a task definition each.
The backend is the AWS emulator behind a gate that counts requests, takes its time, and has AWS's own token buckets.

## What a pass reads

- **Full**, what `diff` does: everything, each target group's attributes included, which is a call each.
- **Medium**, every few minutes in a loop: every type in batches, without what takes a call for each single resource.
- **Fast**, every half minute: services, listeners and rules, which move by themselves; the rest is from the last pass.

Descriptions of task definitions that run are kept in `~/.cache/reconciler/revisions` (0700, files 0600): a revision
never changes, and the tag sweep says whether its tags still are what they were.
Tags are taken from the sweep where they are as the specs want them; whatever differs has its tags read from its own
service before anything is done about it.

The client keeps to four fifths of the rates that AWS publishes, halves that when it is throttled all the same, and lets
the calls of a rollout go first.
So a full pass of a hundred services takes as long as AWS lets it: two hundred attribute reads at eight a second.

Where the CPU of a `diff` of a hundred services goes, by the samples of py-spy and yappi:

- **Starting**, more than a third: classes of pydantic and of dataclasses, boto3, the YAML of a hundred files. structlog
  is loaded when there is something to say, deepdiff not at all, models of AWS services when their service is called,
  and on the way out Python does not look through all memory for circles.
- **botocore**, a fifth, some two milliseconds a call: signing, sending, taking XML apart; and making its clients. Its
  user agent is worked out once instead of twice a call, its service models are found without looking through four
  hundred folders, and TLS authorities are loaded once, or never where there is no TLS. The rest is the price of boto3.
- **Compiling, planning and working out rollouts** of 816 resources, an eighth. References are resolved once for the
  same ids, and in a loop once for all passes.

The sweep's pages come one after the other, so that whatever does not look into it is read meanwhile.

`python -m benchmarks.passes --services {sizes}`

{passes}

## A stack that uses everything

With a repository, a lifecycle policy and autoscaling for each service, private subnets and their NAT.

`python -m benchmarks.passes --everything --services {every}`

{everything}

## Planning alone

`python -m benchmarks.plan`

{plan}

## Many rollouts at once

A new version of every service, brought to the gate where it waits for its promotion, and looked after there.
Ten rollouts look at their services, listeners, rules and groups in as many calls as one; targets and tasks are each
one's own.
Those that merely wait are looked at the less often the more there are: every fifteen seconds up to fifteen of them,
every hundred seconds a hundred, so that most of the ten reads a second that ELB gives an account is left to others.
The loop hears a person's word at its next fast pass all the same; `apply --wait`, which makes no passes, when it is
the service's turn.
The second row is a first look at all, the third begins with another.

`python -m benchmarks.rollouts`

{rollouts}

## Our own share of a release

What a release takes beyond AWS: from the moment at which AWS is ready for the next step to our call, and until all of
production has the release. Promotion is automatic, there are no tests, and the emulator has AWS's durations.
The goal is 5 s on average.

`python -m benchmarks.own_share`

{own_share}

## A queue of events

Calls an hour of a stack without a rollout, with and without [events of AWS](../guides/events.md), by the depth of their
pass; beside them the long polls, and the checks of the rule and of the trail.

`python -m benchmarks.events`

{events}

## Against Terraform

Terraform 1.11 with AWS provider 5.100, the same stack and backend in the same run, 20 ms a call, without AWS's buckets
but where the row says so.
`one image changed` is up to where the rollout begins; `nothing changed` counts the process's start, a medium pass of
the loop does not.

`python -m benchmarks.against_terraform --services {compared}`

{terraform}
"""


def write(sizes: list[int]) -> None:
    began = {"when": f"{datetime.now(UTC):%Y-%m-%d}", "load": f"{os.getloadavg()[0]:.1f}"}
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    rows = plan.table([plan.measure(services) for services in plan.SERVICES])
    measured = "\n\n".join(_passes(services, everything=False) for services in PASSES)
    everything = "\n\n".join(_passes(services, everything=True) for services in EVERYTHING)
    PAGE.write_text(
        _TEXT.format(
            **began,
            machine=machine,
            sizes=" ".join(map(str, PASSES)),
            every=" ".join(map(str, EVERYTHING)),
            compared=" ".join(map(str, sizes)),
            passes=measured,
            everything=everything,
            plan=rows,
            own_share=own_share.table(),
            events="\n".join(events.lines(AT_REST, TRIALS)),
            rollouts=rollouts.compare(rollouts.SERVICES, rollouts.SECONDS),
            terraform=against_terraform.compare(sizes),
        ),
        encoding="utf-8",
    )


def _passes(services: int, *, everything: bool) -> str:
    rows = passes.measure(services, delay=0.05, everything=everything)
    full = sum(next(row for row in rows if row["what"] == "full, no delay")["calls"].values())
    least = passes.floor(services, everything=everything)
    text = f"{passes.table(rows)}\n\nA full pass of {services}: {full / least:.2f} x of the floor, {least} calls."
    print(text, file=sys.stderr, flush=True)  # it goes on for minutes
    return text
