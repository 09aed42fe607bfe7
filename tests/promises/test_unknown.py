"""S17: unknown is not absent. A read that fails, in whatever way, never leads to a creation or a deletion."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.retry import is_read
from reconciler.aws.session import Boto
from reconciler.model.resource import Call
from tests.conftest import REGION
from tests.harness.faults import Failing, Fault
from tests.harness.forked_runs import Account, Stack, apart, run, stack
from tests.promises.conftest import Record, mostly_slow, sample_or_all
from tests.promises.scenarios import Noting, applied, reference, violations

FAULTS = (Fault.DENIED, Fault.EMPTY, Fault.THROTTLED, Fault.TIMEOUT, Fault.SERVER_ERROR, Fault.GARBLED)


def without(wanted: Stack, *kinds: str) -> Stack:
    """The same without some of what is there, so that deletions are wanted."""
    kept = tuple(each for each in wanted.desired_state.desired if each.address.kind not in kinds)
    return replace(wanted, desired_state=replace(wanted.desired_state, desired=kept))


def same(one: Call) -> Any:
    """Whether a call is `one`."""
    return lambda call: str(call) == str(one) and call.params == one.params


@pytest.mark.parametrize("less", [(), ("service", "scaling", "task")], ids=["as wanted", "with deletions"])
@pytest.mark.parametrize("faults", sample_or_all(FAULTS[1:2], FAULTS))
def test_no_failing_read_makes_or_deletes_anything(
    account: Account, record: Record, faults: tuple[Fault, ...], less: tuple[str, ...]
) -> None:
    """Over an account that has everything: each read fails in each way, and nothing at all is written."""
    applied()(account)
    wanted = without(stack(), *less)
    for _ in range(3):  # until the task of the stack has ended, and that is stored
        run(account, stack())
    noting = Noting(account)
    run(noting, stack())  # its reads are those of any pass
    reads = {f"{call} {call.params}": call for call in noting.calls if is_read(call)}
    problems, worlds, before = [], 0, account.ledger.executed.copy()
    for text, read in reads.items():
        for kind in faults:
            failing, worlds = Failing(account, kind, same(read)), worlds + 1
            with suppress(errors.Refused, errors.AwsError):
                run(failing, wanted)
            written = account.ledger.executed - before
            if written:
                problems.append(f"{text}, {kind}: {dict(written)}")
                before = account.ledger.executed.copy()
            assert failing.met, f"{text} was not asked"
    what = f"every read of a pass × {len(faults)} faults, {'with deletions wanted' if less else 'as wanted'}"
    record("S17", what, worlds=worlds, violations=len(problems))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("number", sample_or_all(2, None))
def test_a_read_that_fails_while_things_are_made_leaves_nothing_doubled(
    account: Account, record: Record, number: int | None
) -> None:
    """During an apply each read, those inside creations too, fails until the run gives up; the next ends as ever."""
    wanted = stack()
    right = reference(account, wanted)

    def world(read: Call, kind: Fault) -> list[str]:
        before = account.lasting()
        with suppress(errors.Refused, errors.AwsError):
            run(Failing(account, kind, same(read)), wanted)
        return violations(account, wanted, right, before)

    chosen = [(read, kind) for read in right.reads for kind in FAULTS]
    if number is not None:
        chosen = chosen[:: len(chosen) // number][:number]
    problems = [
        f"{read} {read.params}, {kind}: {text}"
        for read, kind in chosen
        for text in apart(lambda one=read, how=kind: world(one, how))  # type: ignore[misc]
    ]
    record("S17", "every read of an apply × faults, then a run without", worlds=len(chosen), violations=len(problems))
    assert not problems, "\n".join(problems)


# -- pages


class Pages(BaseHTTPRequestHandler):
    """Answers from a list, one a request."""

    answers: list[tuple[int, str, bytes]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, sort, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", sort)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(*answers: tuple[int, str, bytes]) -> Iterator[str]:
    handler = type("Handler", (Pages,), {"answers": list(answers)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


JSON = "application/x-amz-json-1.1"
FIRST = (200, JSON, b'{"clusterArns": ["arn:aws:ecs:us-west-2:1:cluster/a"], "nextToken": "more"}')
SECONDS: dict[str, tuple[int, str, bytes]] = {
    "server error": (500, JSON, b'{"__type": "ServerException", "message": "no"}'),
    "throttled": (400, JSON, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'),
    "denied": (400, JSON, b'{"__type": "AccessDeniedException", "message": "no"}'),
    "same token again": FIRST,
    "a proxy's page": (200, "text/html", b"<html>try again</html>"),
    "cut short": (200, JSON, b'{"clusterArns": ["arn:aws:ecs:us-west-2:1:clu'),
}


@pytest.mark.parametrize("second", mostly_slow(SECONDS, "cut short", "a proxy's page", "same token again"))
def test_half_of_a_listing_is_no_listing(record: Record, second: str) -> None:
    """Where the second page fails, in whatever way, there is an error and never the first page alone."""
    with answering(FIRST, SECONDS[second], SECONDS[second]) as url:
        boto = Boto(REGION, endpoint=url, anonymous=True)
        with pytest.raises(errors.AwsError):
            boto.perform(Call("ecs", "ListClusters"))
    record("S17", f"second page: {second}", worlds=1, violations=0)


def test_all_pages_are_one_listing() -> None:
    """The same without a fault, so that it is the fault that counts."""
    last = (200, JSON, b'{"clusterArns": ["arn:aws:ecs:us-west-2:1:cluster/b"]}')
    with answering(FIRST, last) as url:
        answer = Boto(REGION, endpoint=url, anonymous=True).perform(Call("ecs", "ListClusters"))
    assert [arn.rpartition("/")[2] for arn in answer["clusterArns"]] == ["a", "b"]


XML = "text/xml"
BODIES: dict[str, bytes] = {
    "a proxy's page": b"<html>try again</html>",
    "nothing": b"",
    "cut short": b"<?xml version='1.0'?><DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1",
    "not XML": b"\x00\x01\x02",
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_makes_no_sense_is_an_error_that_tells_none_of_it(body: str) -> None:
    """What a type would read as nothing at all is not handed on as an answer that lists nothing; and what stands in the
    body may be a secret."""
    from reconciler.aws.client import AwsClient
    from reconciler.model.resource_type import Scope
    from reconciler.model.type_registry import discover
    from tests.conftest import ACCOUNT

    with answering(*[(200, XML, BODIES[body])] * 40) as url:
        from reconciler.clock import ManualClock

        aws = AwsClient(Boto(REGION, endpoint=url, anonymous=True), clock=ManualClock())
        with pytest.raises(errors.Ambiguous) as caught:
            aws.run(discover()["vpc"].observe(Scope("s", REGION, ACCOUNT)))
        aws.close()
    assert "vpc-1" not in str(caught.value)
    assert "try again" not in str(caught.value)
