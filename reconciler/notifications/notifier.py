"""Notifier: sends events to Slack, a webhook or an SNS topic, without ever blocking the controller.

    controller ──► Notifier(event) ──► bounded queue ──► its own thread ──► target
                                       full: the oldest is dropped   up to four attempts

A notification that cannot be delivered is counted and logged. Every event is in the log as well.

    slack:https://hooks.slack.com/services/…      anything that takes {"text": …}
    webhook:https://…                             the whole message as JSON; signed with RECONCILER_WEBHOOK_SECRET
    sns:arn:aws:sns:REGION:ACCOUNT:TOPIC          plain text, with the event and the stack as attributes

It is one module because a target is a few lines beside the queue that they share.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson

from reconciler import errors, events
from reconciler.aws.client import Transport
from reconciler.clock import Clock
from reconciler.log import log
from reconciler.model.event import Event
from reconciler.model.resource import ServiceApi
from reconciler.notifications.delivery import DeliveryThread, Undelivered
from reconciler.notifications.message import Message, notice_of
from reconciler.notifications.webhook_client import Answered, Place, Unreachable, place_of, post

sns = ServiceApi("sns")


SECRET: Final = "RECONCILER_WEBHOOK_SECRET"
TARGETS: Final = "RECONCILER_NOTIFY"
"""Further targets, separated by spaces: the URL of a webhook is a secret, and command lines are not for those."""
SIGNATURE: Final = "X-Reconciler-Signature-256"

MOST_WAITING: Final = 100
ATTEMPTS: Final = 4
FIRST_PAUSE: Final = 1.0
"""Seconds before the second attempt; doubled before each further one."""
QUIET_SECONDS: Final = 3600.0
"""Recurring drift is sent at most once in this time."""
MOST_REMEMBERED: Final = 1000
BLOCK: Final = 3000
"""Characters of a text in a block of Slack's."""

_REPEATS = frozenset({events.DRIFT_FOUND, events.DRIFT_REPAIRED, events.DRIFT_ATTRIBUTED})
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")


class Target(Protocol):
    @property
    def label(self) -> str:
        """Its name in logs and metrics."""

    def send(self, notice: Message) -> None:
        """One attempt. Raises `Undelivered`."""


Post = Callable[[Place, bytes, Mapping[str, str]], Answered]


@dataclass(frozen=True, slots=True)
class Slack:
    """Slack shows `blocks` of plain text, in which it formats nothing and links nothing; what takes only `text`, such
    as Mattermost, shows that.
    """

    place: Place
    post: Post = post
    label: str = "slack"

    def send(self, notice: Message) -> None:
        cause = notice.details.get("cause", "")
        rows = [notice.message, f"Cause: {cause}" if cause else ""]
        rows += [f"Revision: {notice.revision}" if notice.revision else "", *(f"Next: {one}" for one in notice.next)]
        lines = [_escaped(row, BLOCK) for row in (notice.headline, *rows) if row]
        blocks = [{"type": "section", "text": {"type": "plain_text", "text": line, "emoji": False}} for line in lines]
        _post(self.post, self.place, orjson.dumps({"text": "\n".join(lines), "mrkdwn": False, "blocks": blocks}), {})


@dataclass(frozen=True, slots=True)
class Webhook:
    """`secret` signs the body: `sha256=` and the HMAC in hexadecimal, as in GitHub's webhooks."""

    place: Place
    secret: bytes = field(default=b"", repr=False)
    post: Post = post

    @property
    def label(self) -> str:
        return "webhook"

    def send(self, notice: Message) -> None:
        body = orjson.dumps(notice.document())
        signed = {SIGNATURE: f"sha256={hmac.new(self.secret, body, hashlib.sha256).hexdigest()}"} if self.secret else {}
        _post(self.post, self.place, body, signed)


@dataclass(frozen=True, slots=True)
class Topic:
    arn: str
    transport: Transport
    label: str = "sns"

    def send(self, notice: Message) -> None:
        fifo = self.arn.endswith(".fifo")
        call = sns.publish(
            TopicArn=self.arn,
            Subject=notice.headline.encode("ascii", "replace").decode()[:100],
            Message=notice.text(),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (("event", notice.event), ("stack", notice.stack))
                if value
            },
            MessageGroupId=(notice.stack or "reconciler") if fifo else None,
            MessageDeduplicationId=notice.id if fifo else None,
        )
        try:
            self.transport.perform(call)
        except errors.ReconcilerError as refusal:
            passing = isinstance(refusal, errors.Throttled | errors.Ambiguous)
            raise Undelivered(str(refusal), again=passing) from refusal


def from_environment(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The targets that are not on the command line."""
    return tuple(environ.get(TARGETS, "").split())


def parse(text: str, transport: Transport | None = None, *, environ: Mapping[str, str] = os.environ) -> Target:
    """`transport` calls SNS; it needs no lease, and its region is the topic's.

    Raises `errors.SpecInvalid`, which repeats nothing of a URL but its host.
    """
    kind, _, rest = text.partition(":")
    match kind:
        case "slack":
            return Slack(place_of(rest))
        case "webhook":
            return Webhook(place_of(rest), environ.get(SECRET, "").encode())
        case "sns" if not _TOPIC.fullmatch(rest):
            raise errors.SpecInvalid("the notification target is not sns:arn:aws:sns:REGION:ACCOUNT:TOPIC")
        case "sns" if transport is None:
            raise errors.SpecInvalid("an SNS target needs AWS credentials")
        case "sns":
            assert transport is not None
            return Topic(rest, transport)
        case _:
            raise errors.SpecInvalid(
                "a notification target is slack:https://…, webhook:https://…, sns:arn:…, github:OWNER/REPO or "
                "gitlab:GROUP/PROJECT"
            )


class Notifier(DeliveryThread[deque[Message]]):
    """Event sink for one target. A call takes microseconds and never raises."""

    def __init__(
        self, target: Target, *, stack: str = "", clock: Clock | None = None, most: int = MOST_WAITING
    ) -> None:
        super().__init__(target.label, deque(), clock)
        self._target = target
        self._stack = stack
        self._most = most
        self._told: OrderedDict[tuple[str, ...], float] = OrderedDict()
        self._start()

    def __call__(self, entry: Event) -> None:
        notice = notice_of(entry, self._stack)
        if notice is None:
            return
        with self._changed:
            if self._closing or self._repeated(notice):
                return
            if len(self._waiting) >= self._most:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(notice)
            self._changed.notify()

    def _repeated(self, notice: Message) -> bool:
        if notice.event not in _REPEATS:
            return False
        now, before = self._clock.monotonic(), self._told.get(notice.key)
        if before is not None and now - before < QUIET_SECONDS:
            return True
        self._told[notice.key] = now
        self._told.move_to_end(notice.key)
        while len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        return False

    # -- its own thread

    def _run(self) -> None:
        while (notice := self._take()) is not None:
            try:
                delivered = self._deliver(notice)
            except Exception as error:  # noqa: BLE001 - one failed notification must not stop all others
                # the message and the traceback may contain the URL
                log.error(events.NOTIFY_FAILED, to=self.label, notice=notice.event, because=type(error).__name__)
                delivered = False
            with self._changed:
                self._sent += delivered
                self._failed += not delivered

    def _take(self) -> Message | None:
        with self._changed:
            return self._waiting.popleft() if self._awaited() else None

    def _deliver(self, notice: Message) -> bool:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._target.send(notice)
            except Undelivered as error:
                last = attempt == ATTEMPTS or not error.again or self._over.is_set()
                if not last:
                    self._clock.wait(self._over, error.pause or FIRST_PAUSE * 2 ** (attempt - 1))
                    continue
                log.warning(
                    events.NOTIFY_FAILED, to=self.label, notice=notice.event, because=str(error), attempts=attempt
                )
                return False
            return True
        raise AssertionError("the last attempt returns")


def _post(send: Post, place: Place, body: bytes, headers: Mapping[str, str]) -> None:
    try:
        answered = send(place, body, headers)
    except Unreachable as error:
        raise Undelivered(f"{place.host}: {error}", again=True) from None
    if 200 <= answered.status < 300:
        return
    passing = answered.status in (408, 425, 429) or answered.status >= 500
    raise Undelivered(f"{place.host} returned status {answered.status}", again=passing, pause=answered.pause)


_MENTION = re.compile(r"(?<!\w)@(?=\w)|@(?=everyone|here|channel|all\b)", re.ASCII)


def _escaped(text: str, most: int) -> str:
    """Escapes `&`, `<` and `>`, as Slack asks for in every text: `<!channel>` and `<links>` are made of them.

    A mention such as `@everyone` calls nobody: Discord and Mattermost know it in plain text, too.
    """
    shown = _MENTION.sub("@ ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
    return shown if len(shown) <= most else _escaped(f"{text[: len(text) * 2 // 3]}…", most)
