"""`output`: the URLs, ids and ARNs of what is deployed, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler import errors
from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import recorded
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack

URL = "listener/my-app-alb-production.url"


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[EmulatedStack, Typed]]:
    with emulated_stack() as stage, onstage(stage) as typed:
        stage.infrastructure()
        yield stage, typed


def test_what_is_deployed_is_listed_and_nothing_is_written(deployed: tuple[EmulatedStack, Typed]) -> None:
    """A line for each value; as JSON the same, and nothing else on standard output."""
    _, typed = deployed
    with recorded() as calls:
        table, document = typed("output"), typed("output", "-o", "json")
    assert table.code == document.code == Exit.DONE
    outputs = json.loads(document.out)["outputs"]
    assert [tuple(line.split()) for line in table.out.splitlines()] == list(outputs.items())
    assert outputs[URL].startswith("http://my-app-alb-")
    assert outputs[f"service/{SERVICE}.url"] == outputs[URL]
    assert outputs["vpc/my-workspace.id"].startswith("vpc-")
    assert outputs["load-balancer/my-app-alb.arn"].startswith("arn:aws:elasticloadbalancing:")
    assert outputs["repository/my-app-frontend.uri"].endswith("/my-app-frontend")
    assert calls
    assert {str(call) for call in calls if not is_read(call)} == set()


def test_one_output_is_its_value_alone(deployed: tuple[EmulatedStack, Typed]) -> None:
    """`$(reconciler output NAME)` is the value; with `-o json` the document has that output only."""
    _, typed = deployed
    everything = json.loads(typed("output", "-o", "json").out)["outputs"]
    assert typed("output", URL).out == f"{everything[URL]}\n"
    assert json.loads(typed("output", URL, "-o", "json").out)["outputs"] == {URL: everything[URL]}


def test_an_unknown_output_is_an_error_that_names_the_nearest(deployed: tuple[EmulatedStack, Typed]) -> None:
    """Exit 1, and nothing on standard output that a script would take for the value."""
    _, typed = deployed
    ran = typed("output", "vpc/my-workspac.id")
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert "'vpc/my-workspace.id'" in ran.err


def test_what_cannot_be_read_is_reported(deployed: tuple[EmulatedStack, Typed]) -> None:
    """The rest is listed with exit 1; one value that is known is printed, one that is not is an error."""
    stage, typed = deployed

    def deny(call: Call) -> None:
        if call.operation == "DescribeRepositories":
            raise errors.Denied("no", call=str(call), code="AccessDenied")

    stage.transport.before = deny
    try:
        ran = typed("output", "-o", "json")
        assert ran.code == Exit.FAILED
        assert "repository" in json.loads(ran.out)["unread"]
        assert URL in json.loads(ran.out)["outputs"]
        assert typed("output", URL).code == Exit.DONE
        ran = typed("output", "repository/my-app-frontend.uri")
        assert (ran.code, ran.out) == (Exit.FAILED, "")
        assert "cannot read repository" in ran.err
    finally:
        stage.transport.before = None
