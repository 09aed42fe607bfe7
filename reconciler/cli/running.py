"""run: the loop, as a process: a source, a lease, and everything that watches it. And reconcile: poke it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from reconciler import errors, events
from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where
from reconciler.cli.terminal import Look, look_of, say

if TYPE_CHECKING:
    from reconciler.aws.client import Transport
    from reconciler.cli.connect import Signed
    from reconciler.clock import Clock
    from reconciler.engine.drift import Rule
    from reconciler.engine.loop import Loop, Sink
    from reconciler.engine.notify import Notifier
    from reconciler.engine.reconcile import Wish
    from reconciler.engine.report import PassReport
    from reconciler.model.delivery import Delivery
    from reconciler.model.release import Subject
    from reconciler.source.base import Source
    from reconciler.spec.specs import Specs
    from reconciler.store.base import Entry, Store
    from reconciler.store.lease import Lease

log = structlog.get_logger()

HAND_OVER_SECONDS = 8.0
"""After SIGTERM the calls under way have so long; ECS sends SIGKILL thirty seconds after it."""

STORE_SECONDS = 5.0


@click.command()
@options.specs
@click.option("--source", metavar="URL", help="A Git repository: https://…#branch:path. Default: FOLDER, watched.")
@click.option("--poll", default=30.0, metavar="SECONDS", help="How often to ask the Git repository.", show_default=True)
@click.option("--any-history", is_flag=True, help="Take commits that do not descend from the one applied last.")
@click.option("--allowed-signers", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Take only commits signed by one of these SSH keys (ssh-keygen's format).")  # fmt: skip
@click.option("--interval", default=15.0, metavar="SECONDS", help="Between two fast passes.", show_default=True)
@click.option("--listen", metavar="HOST:PORT", help="Serve /healthz, /readyz and /metrics.")
@click.option("--notify", multiple=True, metavar="WHERE", help="slack:URL, webhook:URL or sns:ARN; several times.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), help="Default: text on a terminal, JSON elsewhere."
)
@options.store
@options.aws
@options.look
def run(
    folder: Path | None,
    environment: str | None,
    source: str | None,
    poll: float,
    any_history: bool,
    allowed_signers: Path | None,
    interval: float,
    listen: str | None,
    notify: tuple[str, ...],
    output: str | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Keep AWS equal to the specs until SIGTERM: every change is applied, drift is put back, versions roll out."""
    from reconciler.cli import logs
    from reconciler.clock import SystemClock

    text = output == "text" or (output is None and sys.stdout.isatty())
    look = look_of(sys.stdout, color) if text else None
    where = Where(aws["profile"], aws["region"], aws["assume_role"], aws["local"], aws["store"])
    logs.configure(verbose if text else max(verbose, 1))
    stop, wake = threading.Event(), threading.Event()
    with contextlib.ExitStack() as inside:
        caught = inside.enter_context(_stopping(stop, wake))
        clock = SystemClock()
        told = _source(folder, source, poll, any_history, allowed_signers, where)
        inside.callback(getattr(told, "close", lambda: None))
        with _waiting_room(listen) as beat:
            first = _first_good(told, environment, clock, stop, beat)
        if first is None:
            return _left(caught)
        post = _Post(first, told, environment, where, interval, listen, notify, look, verbose, stop, wake)
        post.serve(inside)
        return _left(caught)


def _left(caught: list[int]) -> int:
    return Exit.INTERRUPTED if caught == [signal.SIGINT] else Exit.DONE


# -- where the specs come from


def _source(
    folder: Path | None, url: str | None, poll: float, any_history: bool, signers: Path | None, where: Where
) -> Source:
    from reconciler.clock import SystemClock
    from reconciler.source import credentials, location, signatures
    from reconciler.source.directory import Directory

    if url is None or not location.is_git(url):
        return Directory(options.find_specs(folder if url is None else Path(url)), SystemClock())
    from reconciler.source.git import Git

    place, clock = location.parse(url), SystemClock()
    allowed = signatures.allowed_signers(signers.read_text(encoding="utf-8")) if signers is not None else ()
    return Git(
        place,
        clock,
        credentials=credentials.from_environment(place, os.environ, clock, aws=lambda: _keys(where)),
        signers=allowed,
        must_descend=not any_history,
        interval=poll,
    )


def _keys(where: Where) -> Any:
    """The caller's own AWS credentials, which CodeCommit takes a signature by."""
    from reconciler.aws.session import Boto
    from reconciler.source.credentials import AwsKeys

    found = Boto(where.region or "us-east-1", profile=where.profile, assume_role=where.assume_role).credentials()
    return AwsKeys(*found)


@contextlib.contextmanager
def _waiting_room(listen: str | None) -> Iterator[Callable[[], None]]:
    """Alive and not ready, for as long as no specs say what to do."""
    if listen is None:
        yield lambda: None
        return
    from reconciler.server.app import serve
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics
    from reconciler.server.standing import Standing

    def nothing_yet() -> Standing:
        return Standing(lease_held=False)

    health = Health(nothing_yet)
    serving = serve(*_address(listen), health, Metrics(nothing_yet))
    try:
        yield health.beat
    finally:
        serving.close()


def _address(listen: str) -> tuple[str, int]:
    """Raises `click.UsageError`."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise click.UsageError(f"--listen is HOST:PORT, not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _first_good(
    source: Source, environment: str | None, clock: Any, stop: threading.Event, beat: Callable[[], None]
) -> Specs | None:
    """The specs as soon as they say which stack they are for; None where we are stopped before that."""
    told = ""
    while not stop.is_set():
        beat()
        try:
            specs = source.fetch().specs(environment)
            if specs.ok:
                return specs
            wrong = "; ".join(str(one) for one in specs.diagnostics[:5])
        except (errors.SourceUnreachable, errors.RevisionRejected) as error:
            wrong = str(error)
        if wrong != told:
            log.error(events.SPEC_REJECTED, source=source.name, message=f"{wrong}; nothing is enforced")
        told = wrong
        clock.wait(stop, source.interval)
    return None


# -- the post of the one who may write


@dataclass(slots=True)
class _Post:
    specs: Specs
    source: Source
    environment: str | None
    where: Where
    interval: float
    listen: str | None
    notify: tuple[str, ...]
    look: Look | None
    verbose: int
    stop: threading.Event
    wake: threading.Event

    def serve(self, inside: contextlib.ExitStack) -> None:
        """Contend for the lease, reign, and hand over; again and again, until we are stopped."""
        from reconciler.aws.session import Boto
        from reconciler.cli import logs
        from reconciler.cli.connect import sign_in
        from reconciler.cli.holding import holder, open_store
        from reconciler.clock import SystemClock
        from reconciler.source.watch import Watch
        from reconciler.store.lease import Lease
        from reconciler.store.renewal import Renewal, acquired

        level = self.verbose if self.look is not None else max(self.verbose, 1)
        signed = sign_in(self.specs, self.where, verbose=level)
        inside.callback(signed.aws.close)
        inside.enter_context(_hurry(self.stop, signed.aws.close))
        assert self.specs.stack is not None
        stack, identity = self.specs.stack.name, signed.identity
        unfenced = Boto(
            identity.region,
            profile=self.where.profile,
            endpoint=signed.transport.endpoint,
            assume_role=self.where.assume_role,
            stack=stack,
            anonymous=self.where.local,
            read_timeout=STORE_SECONDS,
        )
        store = open_store(self.where.store, unfenced, stack, identity.account, identity.region)
        inside.callback(store.close)
        clock = SystemClock()
        lease = Lease(store.records, holder("run"), clock)
        logs.configure(level, stack=stack, region=identity.region, account=identity.account)
        loop, watched = self._loop(signed, store, lease, unfenced, inside)
        with Watch(self.source, clock, last=lambda: loop.handled, wake=self.wake.set):
            while not self.stop.is_set():
                try:
                    if not acquired(lease, watched, self.stop, patience=None):
                        return
                except errors.StoreUnreachable as error:
                    log.warning(events.LEASE_UNSURE, reason=str(error), left=0)
                    watched.wait(self.stop, STORE_SECONDS)
                    continue
                log.info(events.LEASE_HELD, holder=lease.holder, epoch=lease.epoch)
                signed.gate.guard(lease)
                try:
                    with Renewal(lease, clock) as renewal:
                        loop.run(renewal.lost)
                except errors.LeaseLost as error:
                    log.error(events.LEASE_LOST, reason=str(error))
                finally:
                    _release(lease)

    def _loop(
        self, signed: Signed, store: Store, lease: Lease, unfenced: Transport, inside: contextlib.ExitStack
    ) -> tuple[Loop, Clock]:
        """The loop with everything that listens to it, and the clock by which it contends for the lease."""
        from reconciler.cli.rolling import reach_of
        from reconciler.clock import SystemClock
        from reconciler.engine.loop import Loop, Rhythm
        from reconciler.engine.notify import Notifier, parse
        from reconciler.engine.smoke import Smoke
        from reconciler.model.kind import discover
        from reconciler.model.planner import World

        def reach(delivery: Delivery, subject: Subject) -> str:
            return reach_of(signed.identity.endpoint, loop.world or World())(delivery, subject)

        assert self.specs.stack is not None
        loop = Loop(
            signed.aws,
            discover(),
            self.source,
            self._compiler(signed),
            Smoke(
                lambda delivery, subject: reach_of(signed.identity.endpoint, loop.world or World())(delivery, subject)
            ),
            begin=signed.gate.begin,
            environment=self.environment,
            rhythm=Rhythm(fast=self.interval),
            stop=self.stop,
            wake=self.wake,
        )
        notifiers = [Notifier(parse(text, unfenced), stack=self.specs.stack.name) for text in self.notify]
        for notifier in notifiers:  # all of them together get two seconds in the end
            inside.callback(notifier.close, 2.0 / len(notifiers))
        sinks: list[Sink] = [_kept(store), *notifiers, *([_told(self.look)] if self.look is not None else [])]
        clock: Clock = SystemClock()
        reports: list[Callable[[PassReport], None]] = []
        if self.listen is not None:
            clock = self._watched(self.listen, loop, lease, notifiers, sinks, reports, inside)
        loop.sinks, loop.reports = tuple(sinks), tuple(reports)
        return loop, clock

    def _watched(
        self,
        listen: str,
        loop: Loop,
        lease: Lease,
        notifiers: list[Notifier],
        sinks: list[Sink],
        reports: list[Callable[[PassReport], None]],
        inside: contextlib.ExitStack,
    ) -> Clock:
        """Serve how it stands; what beats for it, and its clock."""
        from reconciler.clock import SystemClock
        from reconciler.server import standing
        from reconciler.server.app import serve
        from reconciler.server.health import Beating, Health, Watched
        from reconciler.server.metrics import Metrics

        def how() -> standing.Standing:
            return standing.of(loop, lease, notifiers)

        health, metrics = Health(how), Metrics(how)
        serving = serve(*_address(listen), health, metrics)
        inside.callback(serving.close)
        log.info(events.LISTENING, url=serving.url)
        loop.aws.transport = Watched(loop.aws.transport, health, metrics.refused)
        begin = loop.begin

        def beating() -> None:
            health.beat()
            begin()

        loop.begin = beating
        sinks += [health.on_entry, metrics.on_entry]
        reports += [health.on_pass, metrics.on_pass]
        return Beating(SystemClock(), health)

    def _compiler(self, signed: Signed) -> Callable[[Specs], tuple[Wish, tuple[Rule, ...]]]:
        """What a revision wants, held against where this process was started for."""
        from reconciler.cli.connect import wish_of
        from reconciler.engine.drift import Mode, Rule
        from reconciler.model.guard import Guard
        from reconciler.model.planner import Consent

        began = self.specs.stack
        assert began is not None

        def compile_(specs: Specs) -> tuple[Wish, tuple[Rule, ...]]:
            stack = specs.stack
            assert stack is not None
            if (stack.name, stack.region) != (began.name, began.region):
                raise errors.SpecInvalid(
                    f"the Stack is {stack.name!r} in {stack.region} now, and this loop is for {began.name!r} in "
                    f"{began.region}; start another loop for it"
                )
            if stack.account is not None and stack.account != signed.identity.account:
                raise errors.WrongAccount(
                    f"the Stack is pinned to account {stack.account}, and this is {signed.identity.account}"
                )
            guard = Guard(stack.guard.max_delete, stack.guard.max_delete_percent)
            rules = tuple(Rule(one.match, Mode(one.mode), one.path, one.reason) for one in stack.drift)
            return wish_of(specs, signed.identity, guard, Consent()), rules

        return compile_


def _release(lease: Lease) -> None:
    """Let others in at once; where the store does not answer, they come in when the lease is over."""
    try:
        lease.release()
    except errors.StoreUnreachable as error:
        log.warning(events.LEASE_UNSURE, reason=str(error), left=0)


def _told(look: Look) -> Sink:
    """For the person who watches."""

    def tell(entry: Entry) -> None:
        from reconciler.cli.views.entry_text import entry_text

        say(entry_text(entry, look), look)
        sys.stdout.flush()

    return tell


def _kept(store: Store) -> Sink:
    """Into the store's events; a store that does not answer loses the memory of what happened, and no more."""

    def keep(entry: Entry) -> None:
        try:
            store.events.append(entry)
        except errors.StoreUnreachable as error:
            log.debug(events.MEMORY_FAILED, reason=str(error))

    return keep


# -- signals


@contextlib.contextmanager
def _stopping(stop: threading.Event, wake: threading.Event) -> Iterator[list[int]]:
    """SIGTERM and Ctrl-C let what is under way end; a second one ends the process at once."""
    caught: list[int] = []

    def handle(number: int, _: Any) -> None:
        if caught:
            os._exit(Exit.TERMINATED if number == signal.SIGTERM else Exit.INTERRUPTED)
        caught.append(number)
        stop.set()
        wake.set()
        log.info(events.STOPPING, signal=signal.Signals(number).name)

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _hurry(stop: threading.Event, close: Callable[[], None]) -> Iterator[None]:
    """Once stopped, retries and waits are given a moment, and then no more."""
    over = threading.Event()

    def watch() -> None:
        stop.wait()
        if not over.wait(HAND_OVER_SECONDS):
            close()

    thread = threading.Thread(target=watch, name="hand-over", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        stop.set()


# -- poke


@click.command()
@options.specs
@click.option("-w", "--wait", is_flag=True, help="Until the loop has looked at everything and says so.")
@click.option("--timeout", default=120.0, metavar="SECONDS", help="How long to wait for the loop.")
@click.option("--suspend", is_flag=True, help="Have the loop leave the whole stack alone.")
@click.option("--resume", is_flag=True, help="Have it go on.")
@options.aws
@options.look
def reconcile(
    folder: Path | None,
    environment: str | None,
    wait: bool,
    timeout: float,
    suspend: bool,
    resume: bool,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Poke the loop: it looks at everything now. Exit 4: nobody has answered in time."""
    from reconciler.cli.connect import connect
    from reconciler.cli.rolling import scene
    from reconciler.engine.reconcile import look
    from reconciler.model import words
    from reconciler.model.resource import tag_value

    where = Where(aws["profile"], aws["region"], aws["assume_role"], aws["local"])
    stack = connect(folder, environment, where, color=color, verbose=verbose)
    try:
        world, _ = look(stack.aws, stack.kinds, stack.wish)
        scene(stack, world)
        wanted = {want.address for want in stack.wish.desired}
        ours = [one for one in world.found.get("service", ()) if one.address in wanted]
        if not ours:
            raise errors.ReconcilerError("the stack has no service yet, on which the loop would find the word")
        board = min(ours, key=lambda one: one.address.name)
        poke = uuid.uuid4().hex[:8]
        tags = {words.POKE: poke}
        if suspend:
            tags[words.SUSPEND] = tag_value(stack.identity.who)
        stack.aws.run(_tag(board.id, tags))
        if resume:
            stack.aws.run(_untag(board.id, words.SUSPEND))
        if not wait:
            click.echo(f"Said; the loop hears it within its interval. ({poke})")
            return Exit.DONE
        return _answered(stack, board, poke, timeout)
    finally:
        stack.aws.close()


def _answered(stack: Any, board: Any, poke: str, timeout: float) -> int:
    from reconciler.model import words
    from reconciler.rollout.reading import ecs

    clock, never = stack.aws.clock, threading.Event()
    end = clock.monotonic() + timeout * getattr(clock, "speed", 1.0)

    def look() -> Any:
        answer = yield ecs.describe_services(cluster=board.facts["cluster"], services=[board.id], include=["TAGS"])
        return {tag["key"]: tag["value"] for tag in answer["services"][0].get("tags") or ()}

    while True:
        tags = stack.aws.run(look())
        if words.of_tags(tags).poked == poke:
            click.echo(f"The loop has looked at everything: revision {tags[words.POKED].partition(':')[2]}.")
            return Exit.DONE
        if clock.monotonic() >= end:
            click.echo("Nobody has answered yet: is `reconciler run` running?", err=True)
            return Exit.TIMED_OUT
        clock.wait(never, 1.0)


def _tag(arn: str, tags: dict[str, str]) -> Any:
    from reconciler.rollout.reading import ecs

    yield ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": value} for key, value in sorted(tags.items())])


def _untag(arn: str, key: str) -> Any:
    from reconciler.rollout.reading import ecs

    yield ecs.untag_resource(resourceArn=arn, tagKeys=[key])
