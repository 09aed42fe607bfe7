"""A service moves from Terraform, as the guide says: Terraform itself forgets it, and sees no change afterwards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.local.server import Server
from tests.harness.cli import recorded, run
from tests.importing.account import TAGS_ONLY
from tests.local.terraform.test_terraform import LOOKS, NOTHING_TO_CHANGE, server, terraform

__all__ = ["server"]

pytestmark = pytest.mark.slow
OUTPUTS = re.compile(r'^output "service" .*\n', re.MULTILINE)


def without(text: str, *resources: tuple[str, str]) -> str:
    """Terraform's configuration with `removed` blocks in the place of resources."""
    for kind, name in resources:
        text, count = re.subn(rf'^resource "{kind}" "{name}" {{\n.*?^}}\n', "", text, flags=re.MULTILINE | re.DOTALL)
        assert count == 1
        text += f"\nremoved {{\n  from = {kind}.{name}\n  lifecycle {{ destroy = false }}\n}}\n"
    return text


def test_a_service_moves_out_of_terraform(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tags are written; a new version rolls out; destroy leaves what was referred to, which stays Terraform's."""
    made = terraform("one_service", tmp_path, server)
    variables = {
        "region": "us-west-2",
        "image": "public.ecr.aws/nginx/nginx:1.27",
        "desired_count": 2,
        "team": "terraform",
    }
    made.apply(**variables)
    count = len(made.resources())
    monkeypatch.chdir(tmp_path)
    for name, value in (("AWS_ENDPOINT_URL", server.url), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    imported = run("import", "--cluster", "web", "--region", "us-west-2", "-o", "json")
    assert imported.code == Exit.DONE, imported.out + imported.err
    result = json.loads(imported.out)
    assert {one["own"] for one in result["resources"]} == {False}
    (pasted,) = result["handover"]
    assert set(re.findall(r"from = (\w+)\.NAME", pasted["text"])) == {"aws_ecs_service", "aws_ecs_task_definition"}

    main = made.folder / "main.tf"
    kept = without(OUTPUTS.sub("", main.read_text()), ("aws_ecs_service", "web"), ("aws_ecs_task_definition", "web"))
    main.write_text(kept)
    forgot = made.run("apply", "-auto-approve", *LOOKS, *(f"-var={name}={value}" for name, value in variables.items()))
    assert "0 added, 0 changed, 0 destroyed" in forgot.stdout, forgot.stdout + forgot.stderr

    with recorded() as calls:
        applied = run("apply", "specs", "-y")
    assert applied.code == Exit.DONE, applied.out + applied.err
    written = [call.operation for call in calls if not is_read(call)]
    assert set(written) <= TAGS_ONLY
    assert made.plan(**variables)[0] == NOTHING_TO_CHANGE, made.plan(**variables)[1]

    document = tmp_path / "specs/services/web.yaml"
    document.write_text(document.read_text().replace("nginx:1.27", "nginx:1.28"))
    rolled = run("apply", "specs", "-y", "--wait")
    assert rolled.code == Exit.DONE, rolled.out + rolled.err
    assert made.plan(**variables)[0] == NOTHING_TO_CHANGE, made.plan(**variables)[1]

    destroyed = run("destroy", "specs", "-y")
    assert destroyed.code == Exit.DONE, destroyed.out + destroyed.err
    code, plan = made.plan(**variables)
    assert code == NOTHING_TO_CHANGE, plan
    print(f"{count} resources of Terraform's, 2 moved; {len(written)} writes of tags, 0 others; residue 0")
    made.destroy(**variables)
