"""What the commands that look at rollouts or drive them have in common: from a stack to its jobs, and to an exit."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

import click

from reconciler import errors
from reconciler.cli.connect import Stack
from reconciler.cli.emulator_client import urls_of
from reconciler.cli.exits import Exit
from reconciler.cli.terminal import Look, look_of, say
from reconciler.cli.views.failure_text import failure_text
from reconciler.cli.views.rollout_text import turn_line, under_way
from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import ActiveRevision, FixedRevision
from reconciler.controller.schedule import COMMAND
from reconciler.controller.until import Applied, Ending, Observer, RolloutSummary
from reconciler.model.planner import ObservedState
from reconciler.model.resource import Address
from reconciler.reconcile import pass_
from reconciler.reconcile.observe import observe, owned_ids
from reconciler.rollout.engine import Prefetched
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.driver import RolloutDriver, StepResult
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.smoke_tests import Reach, SmokeTests
from reconciler.rollout_driver.targets import NotReady, ServiceRollout, jobs_of, known_of
from reconciler.source.base import Revision

HEARTBEAT_SECONDS = 10.0


@dataclass(slots=True)
class Scene:
    """A stack's rollouts, ready to be looked at or driven. `known` is what was read of them on the way here."""

    stack: Stack
    rollouts: RolloutDriver
    jobs: tuple[ServiceRollout, ...]
    missing: dict[Address, NotReady]
    known: dict[Address, Prefetched]
    suspended_by: str = ""

    def job(self, name: str | None) -> ServiceRollout:
        """The one service of that name, or the only one there is.

        Raises `click.UsageError` for a name that the specs do not know, `errors.ReconcilerError` where it is not there.
        """
        delivery = delivery_of(self.stack.wish.deliveries, name)
        for job in self.jobs:
            if job.delivery.service == delivery.service:
                return job
        raise errors.ReconcilerError(f"{delivery.service}: {self.missing[delivery.service].because}")


def delivery_of(deliveries: tuple[RolloutSpec, ...], name: str | None) -> RolloutSpec:
    """Raises `click.UsageError`."""
    names = [one.name for one in deliveries]
    if name is None:
        if len(deliveries) != 1:
            raise click.UsageError(f"say which service; there are: {', '.join(names) or 'none'}")
        return deliveries[0]
    wanted = name.removeprefix("service/")
    if wanted not in names:
        close = get_close_matches(wanted, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(names) or 'none'}."
        raise click.UsageError(f"the specs know no service {wanted!r}.{hint}")
    return deliveries[names.index(wanted)]


def scene(stack: Stack, world: ObservedState | None = None) -> Scene:
    """`world`, where it was looked at already."""
    wish = stack.wish
    if world is None:
        world = observe(stack.aws, stack.kinds, wish.place, wish.desired)
    stack.aws.mine.add(*sorted(owned_ids(world, wish.place.stack, {})))
    jobs, missing = jobs_of(wish.deliveries, wish.desired, world, wish.place.stack)
    rollouts = RolloutDriver(
        stack.aws,
        SmokeTests(reach_of(stack.identity.endpoint, world)),
        FailureReporter({want.address: want for want in wish.desired}),
    )
    return Scene(stack, rollouts, jobs, missing, known_of(jobs, world), pass_.suspended_by(wish, world))


def controller_of(stack: Stack, observer: Observer | None = None) -> Controller:
    """The controller of a command."""

    def reach(delivery: RolloutSpec, subject: RolloutTarget) -> str:
        return reach_of(stack.identity.endpoint, controller.world or ObservedState())(delivery, subject)

    controller = Controller(
        stack.aws,
        stack.kinds,
        FixedRevision(ActiveRevision(Revision(""), stack.wish)),
        EventRecorder(stack.aws.clock),
        SmokeTests(reach),
        observer=observer,
        rhythm=COMMAND,
    )
    return controller


def reach_of(endpoint: str | None, world: ObservedState) -> Reach:
    """The laptop AWS says where its listeners are; a real load balancer has a name in the DNS."""
    names = {one.id: one.facts.get("dns_name", "") for one in world.found.get("load-balancer", ())}
    listeners = {one.id: one.spec for one in world.found.get("listener", ())}

    def reach(delivery: RolloutSpec, subject: RolloutTarget) -> str:
        assert subject.test is not None, "a strategy with tests has a test listener"
        arn = subject.test.listener
        url = urls_of(endpoint).get(arn)
        if url is not None:
            return url
        listener = listeners.get(arn)
        protocol = "http" if listener is None else str(listener.protocol).lower()
        balancer = arn.replace(":listener/", ":loadbalancer/", 1).rpartition("/")[0]
        return f"{protocol}://{names.get(balancer, '')}:{delivery.ports[1]}"

    return reach


# -- while they are followed


class Reporter:
    """One line whenever a rollout says something new, on stderr; and a heartbeat where nothing does."""

    def __init__(self, stack: Stack, look: Look) -> None:
        self.stack, self.look = stack, look
        self._last: dict[Address, str] = {}
        self._at = stack.aws.clock.monotonic()

    def __call__(self, turn: StepResult) -> None:
        line = turn_line(turn, self.look)
        now = self.stack.aws.clock.monotonic()
        settling = turn.settling and turn.job.address in self._last
        if (line == self._last.get(turn.job.address) or settling) and now - self._at < HEARTBEAT_SECONDS:
            return
        if line == self._last.get(turn.job.address) and turn.step is not None and not turn.busy:
            line = self.look.paint(line, "dim")
        else:
            self._last[turn.job.address] = line
        self._at = now
        say(line, self.look, err=True)


def report_rollouts(
    controller: Controller, goal: Applied, ending: Ending, look: Look, *, waited: bool, verbose: int
) -> int:
    """Say where the rollouts of a run stand, and the exit code that comes of it."""
    turns = tuple(controller.queue.turns.values())
    code = result(RolloutSummary(turns, tuple(goal.diagnoses), ending), look, waited=waited, verbose=verbose)
    if code == Exit.DONE and waited and controller.queue.missing:
        return Exit.PENDING
    if code == Exit.DONE and not waited and any(not turn.at_rest for turn in turns):
        click.echo("`reconciler status --watch` shows it; the loop, or `apply --wait`, brings it to its end.", err=True)
    return code


def result(followed: RolloutSummary, look: Look, *, waited: bool, verbose: int = 0) -> int:
    """What is said at the end, and the exit code: the worst that is true of any service."""
    for diagnosis in followed.diagnoses:
        say("\n" + failure_text(diagnosis, look, verbose=verbose), look, err=True)
    if followed.interrupted:
        return Exit.INTERRUPTED
    for turn in followed.refused:
        click.echo(f"error: {turn.job.address}: {turn.error}", err=True)
    if followed.refused:
        return Exit.FAILED
    told = {diagnosis.story.address for diagnosis in followed.diagnoses}
    for turn in followed.went_wrong:
        assert turn.step is not None
        if str(turn.job.address) not in told:
            text = f"{look.sign('bad')} {turn.job.address}   {turn.step.because}"
            say(look.paint(text, "red"), look, err=True)
    for turn in followed.turns:
        if turn.step is not None and not turn.at_rest and turn not in followed.went_wrong:
            click.echo(under_way(turn))
    if followed.went_wrong:
        return Exit.ROLLED_BACK
    if followed.timed_out and waited:
        return Exit.WAITING if followed.waits_for_person else Exit.TIMED_OUT
    return Exit.DONE


def looks(color: str) -> tuple[Look, Look]:
    """How stdout and stderr look."""
    import sys

    return look_of(sys.stdout, color), look_of(sys.stderr, color)
