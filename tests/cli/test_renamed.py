"""Commands about a service that has another name in AWS than in the specs."""

from __future__ import annotations

import json

from reconciler.cli.output.exits import Exit
from tests.cli.cli_runner import onstage
from tests.harness.emulated_stack import SERVICE, emulated_stack

SIDECAR = {
    "      environment: {GREETING: Hello World}\n": "      environment: {GREETING: Hello World}\n"
    "    sidecar:\n      image: {registry: my-app-frontend, tag: v1}\n      essential: false\n"
}
RENAMED = {
    f"kind: Service\nname: {SERVICE}\n": f"kind: Service\nname: web\nmoved_from: {SERVICE}\naws_name: {SERVICE}\n"
}


def test_a_service_is_found_by_its_name_in_aws() -> None:
    """Its tasks and its revisions have that name, whatever the document is called."""
    with emulated_stack() as stage, onstage(stage) as type_:
        stage.change(SIDECAR)
        stage.serving()
        before = json.loads(type_("history", SERVICE, "-o", "json").out)["releases"]
        stage.change(RENAMED)
        assert type_("apply", "-y").code == Exit.DONE
        ran = type_("status", "web")
        assert ran.code == Exit.DONE, ran.err
        after = json.loads(type_("history", "web", "-o", "json").out)["releases"]
        assert [row["revision"] for row in after] == [row["revision"] for row in before] != []
        ran = type_("rollback", "web", "--to", "none")
        assert ran.code == Exit.BLOCKED
        assert f"known are {before[0]['release']}" in ran.err
