"""Reference of the limits for what comes from outside: the numbers come from the code, the meanings from here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from reconciler.exchange import size

REJECTED = "the revision is rejected"
E1018 = f"E1018; in Git, {REJECTED}"
UNREACHABLE = "the source counts as unreachable"
NOT_ANSWERED = "the call counts as not answered"


def count(number: float) -> str:
    return f"{number:,}"


def seconds(number: float) -> str:
    return f"{number:g} s"


Row = tuple[str, str, Callable[..., str], str]
"""What is limited, `module.CONSTANT`, how the value is written, and what happens beyond it."""

GROUPS: dict[str, tuple[Row, ...]] = {
    "Specs": (
        ("one spec file", "spec.discovery.LARGEST_FILE", size, "E1004"),
        ("all spec files together", "spec.discovery.LARGEST_FOLDER", size, "E1018"),
        ("spec files", "spec.discovery.MOST_FILES", count, "E1018"),
        (
            "files and folders of any kind",
            "spec.discovery.MOST_ENTRIES",
            count,
            E1018,
        ),
        ("folders in folders", "spec.discovery.DEEPEST", count, E1018),
        ("documents", "spec.load.MOST_DOCUMENTS", count, "E1023"),
        ("services", "spec.load.MOST_SERVICES", count, "E1023"),
        ("levels of nesting in YAML", "spec.parse.DEEPEST", count, "E1005"),
        ("values in all files, aliases counted in full", "spec.parse.MOST_VALUES", count, "E1006"),
        ("findings that are shown", "spec.checks.MOST_FINDINGS", count, "E1020"),
        ("drift rules of a Stack, each a pattern", "spec.documents.stack.MOST_DRIFT_RULES", count, "E1106"),
        ("characters of such a pattern", "spec.documents.stack.LONGEST_PATTERN", count, "E1106"),
        (
            "copy of the last accepted revision, compressed",
            "controller.accepted_revision.LARGEST",
            size,
            "it is not stored, and the log says so",
        ),
        ("characters of a reason", "cli.options.LONGEST_REASON", count, "the command exits with 64"),
        (
            "events of AWS that wait for the controller",
            "controller.event_listener.MOST_EVENTS",
            count,
            "what the oldest are about is read all the same; who caused it is not known",
        ),
        ("requests that wait for the store", "controller.audit.MOST_PENDING", count, "further ones are not recorded"),
        (
            "kinds of stopped tasks whose logs are read in one look",
            "controller.stops.MOST_DIAGNOSED",
            count,
            "the others are kept without log lines",
        ),
        ("requests that the store keeps", "store.audit_trail.MOST", count, "the oldest go"),
        (
            "kinds of stopped tasks that it keeps",
            "store.task_stops.MOST",
            count,
            "of the service with most, the oldest",
        ),
        ("differences outside the specs that it keeps", "store.drift_journal.MOST", count, "the oldest go"),
        (
            "each of them, compressed",
            "store.journal.LARGEST",
            size,
            "the oldest log lines go, then the oldest entries",
        ),
    ),
    "Git": (
        ("time for what a host says about its branches", "source.transport.REFS_SECONDS", seconds, UNREACHABLE),
        ("what a host says about its branches", "source.transport.LARGEST_REFS", size, UNREACHABLE),
        ("time for one pack", "source.transport.FETCH_SECONDS", seconds, UNREACHABLE),
        ("silence of a host", "source.transport.SILENCE_SECONDS", seconds, UNREACHABLE),
        ("one pack", "source.transport.LARGEST_PACK", size, REJECTED),
        ("objects in a pack", "source.pack.MOST_OBJECTS", count, REJECTED),
        ("one object of a pack, unpacked", "source.pack.LARGEST_OBJECT", size, REJECTED),
        ("an object with those that it is a delta of, unpacked", "source.pack.LARGEST_CHAIN", size, REJECTED),
        ("all objects of a pack, unpacked", "source.pack.LARGEST_INFLATED", size, REJECTED),
        ("a commit, a tag, or the list of one folder", "source.tree.LARGEST_NODE", size, REJECTED),
        ("commits back to the last applied one", "source.git.DEEPEST", count, REJECTED),
        (
            "commits between a stored revision and the one before it",
            "source.commit.MOST_HISTORY",
            count,
            "it is not known to follow that one",
        ),
    ),
    "AWS": (
        ("silence of a service", "aws.session.SILENCE_SECONDS", seconds, NOT_ANSWERED),
        ("time for a call with its credentials and pages", "aws.session.CALL_SECONDS", seconds, NOT_ANSWERED),
        ("answer with all its pages", "aws.session.LARGEST_ANSWER", size, NOT_ANSWERED),
        (
            "time after which an unanswered call is not sent again",
            "aws.client.ANSWER_SECONDS",
            seconds,
            "the pass fails and is repeated",
        ),
        ("a record of CloudTrail", "aws.cloudtrail.LARGEST", lambda n: f"{n:,} characters", "it is left out"),
        ("texts in the parameters of its call", "aws.cloudtrail.MOST_TEXTS", count, "the others are not compared"),
        ("levels of nesting there", "aws.cloudtrail.DEEPEST", count, "what is deeper counts as being there"),
        ("characters of a name or a user agent", "aws.cloudtrail.LONGEST", count, "it is cut"),
        (
            "differences whose authors are looked up",
            "controller.drift_recorder.MOST_PENDING",
            count,
            "the authors of further ones are not looked up",
        ),
        (
            "writes of others that events of a queue have named",
            "controller.drift_recorder.MOST_HEARD",
            count,
            "the oldest are forgotten",
        ),
        ("pages of a log stream that are read at a time", "queries.logs.PAGES", count, "older lines are left out"),
        ("tasks whose logs are read", "queries.logs.MOST_TASKS", count, "the others are counted"),
    ),
    "Smoke tests": (
        ("time for one request", "rollout_driver.smoke_tests.ANSWER_SECONDS", seconds, "the request failed"),
        ("body that is looked at", "rollout_driver.smoke_tests.MOST_BYTES", size, "the rest is not read"),
    ),
    "Notifications": (
        ("time for one webhook", "notifications.webhook_client.SECONDS", seconds, "the attempt failed"),
        ("head of the response", "notifications.webhook_client.LARGEST_HEAD", size, "the rest is not read"),
        ("response of GitHub or GitLab", "notifications.webhook_client.LARGEST_BODY", size, "the attempt failed"),
        ("statuses of a commit, in pages", "notifications.forge.MOST_PAGES", count, "the others are sent again"),
        ("commit statuses that wait", "notifications.commit_notifier.MOST_WAITING", count, "the oldest is dropped"),
        ("notifications that wait", "notifications.notifier.MOST_WAITING", count, "the oldest is dropped and counted"),
    ),
    "HTTP endpoint": (
        ("head of a request", "server.app.LARGEST_HEAD", size, "431"),
        ("time for one request", "server.serving.REQUEST_SECONDS", seconds, "the connection is closed"),
        ("time for one response", "server.serving.RESPONSE_SECONDS", seconds, "the connection is closed"),
        ("connections at a time", "server.serving.MOST_AT_ONCE", count, "503"),
        ("further ones from the machine itself", "server.serving.MOST_LOCAL", count, "503"),
        ("wait of a connection for its next request", "server.serving.IDLE_SECONDS", seconds, "it is closed"),
    ),
    "Console": (
        ("form", "console.responses.LARGEST_FORM", size, "413"),
        ("requests such as a promotion a minute, of one person", "console.routes.ACTS_A_MINUTE", count, "429"),
        ("pages that read from AWS a minute, of one person", "console.routes.QUESTIONS_A_MINUTE", count, "429"),
        ("attempts to sign in with a link a minute", "console.routes.SIGN_INS_A_MINUTE", count, "429"),
        ("sessions", "console.access.MOST_SESSIONS", count, "the oldest ends"),
        ("time of a session", "console.access.SESSION_SECONDS", seconds, "it ends"),
        ("log lines of a page", "cli.console.questions.MOST_LINES", count, "the oldest are left out"),
    ),
    "Any host": (("time for its name", "exchange.RESOLVE_SECONDS", seconds, "it counts as unreachable"),),
    "Process": (
        (
            "output of `run` that waits to be read",
            "cli.output.queued.MOST_WAITING",
            lambda n: f"{n:,} characters",
            "what is new is lost, and counted in the log",
        ),
        ("time for calls in flight after SIGTERM", "cli.signals.CUT_SECONDS", seconds, "they are ended"),
        (
            "time until the process has ended",
            "cli.signals.HAND_OVER_SECONDS",
            seconds,
            "it exits; the lease expires",
        ),
    ),
}

INTRODUCTION = """\
What is read from outside has limits, so that nobody who writes specs, hosts them or answers a request can hold up or \
exhaust the controller.
Times are those of a whole exchange, from connecting to the last byte.
A revision that is rejected is reported with the reason, and the last accepted one remains active; so it does while \
the source is unreachable.
"""


def value(constant: str) -> float:
    """Raises `AttributeError` for a constant that does not exist."""
    module, name = constant.rsplit(".", 1)
    found: float = getattr(import_module(f"reconciler.{module}"), name)
    return found


def page() -> str:
    parts = ["# Limits\n", INTRODUCTION]
    for title, rows in GROUPS.items():
        parts.append(f"## {title}\n\n| what | at most | beyond it |\n| --- | --- | --- |")
        parts += [f"| {what} | {shown(value(constant))} | {beyond} |" for what, constant, shown, beyond in rows]
        parts.append("")
    return "\n".join(parts)
