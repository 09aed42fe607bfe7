"""Adoption of what another tool has made: what the document does not state stays, and nothing is lost unasked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.output.plan_text import counts, plan_text
from reconciler.cli.output.terminal import Look
from reconciler.model.adoption import entry
from reconciler.model.plan import Plan, RefusalCode, Verb
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.account_snapshot import census
from tests.harness.emulated_stack import EmulatedStack, emulated_stack
from tests.reconcile.legacy_account import APP, DOCUMENTS, VOLUMES, made

Stage = Callable[..., EmulatedStack]
PLAIN = Look()


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[Stage]:
    """A stage with the account of another tool, and documents in which some texts may be replaced."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:

        def begun(*extra: dict[str, Any], **texts: str) -> EmulatedStack:
            made(stage, *extra)
            stage.change(texts)
            return stage

        yield begun


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def snapshot(stage: EmulatedStack) -> dict[str, list[Any]]:
    """All that is there, but for tags."""
    return {
        kind: [_untagged(json.loads(item)) for item in items]
        for kind, items in census(stage.transport.perform).items()
        if not kind.endswith("tags")
    }


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untagged(item) for key, item in value.items() if key.lower() not in ("tags", "tagset")}
    return [_untagged(item) for item in value] if isinstance(value, list) else value


def definition(stage: EmulatedStack) -> dict[str, Any]:
    ecs = stage.laptop.client("ecs")
    (service,) = ecs.describe_services(cluster="prod", services=["web"])["services"]
    found: dict[str, Any] = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    return found


def test_adoption_changes_nothing(legacy: Stage) -> None:
    """Everything that the documents name is tagged, nothing else is written, and so it stays in later passes."""
    stage = legacy()
    before, plan = snapshot(stage), planned(stage)
    assert plan.refusals == ()
    assert {str(action.address): [*map(str, action.changes)] for action in plan.actions if action.changes} == {}
    assert {action.verb for action in plan.actions} == {Verb.ADOPT}
    stage.apply()
    for _ in range(3):
        assert planned(stage).actions == ()
        stage.apply()
        stage.laptop.advance(60)
    assert snapshot(stage) == before


def test_a_new_version_carries_what_the_document_cannot_say(legacy: Stage) -> None:
    """The next revision is registered in the family that ran, with everything of the one before but the image."""
    stage = legacy()
    stage.apply()
    before = definition(stage)
    stage.change({'app: {image: "public.ecr.aws/nginx/nginx:1.27"': 'app: {image: "public.ecr.aws/nginx/nginx:1.28"'})
    plan = planned(stage)
    assert plan.refusals == ()
    assert sorted(str(change) for action in plan.actions for change in action.changes) == [
        "containers.app.image",
        "task_definition",
    ]
    stage.apply()
    after = definition(stage)
    revision = ("revision", "taskDefinitionArn", "registeredAt", "registeredBy", "containerDefinitions")
    assert {key: value for key, value in after.items() if key not in revision} == {
        key: value for key, value in before.items() if key not in revision
    }
    (old,), (new,) = before["containerDefinitions"], after["containerDefinitions"]
    assert new.pop("image") == "public.ecr.aws/nginx/nginx:1.28"
    assert new == {key: value for key, value in old.items() if key != "image"}
    assert new["dockerLabels"] == APP["dockerLabels"]
    assert new["linuxParameters"]["initProcessEnabled"] is True
    assert new["logConfiguration"]["options"] == APP["logConfiguration"]["options"]
    assert after["volumes"] == VOLUMES
    assert planned(stage).actions == ()


def test_an_adoption_that_starts_a_rollout_counts_it(legacy: Stage) -> None:
    """The summary says how many rollouts follow, also from a service that is taken over with the change."""
    stage = legacy(**{"nginx:1.27": "nginx:1.28"})
    plan = planned(stage)
    (service,) = [action for action in plan.actions if action.address.kind == "service"]
    assert service.verb is Verb.ADOPT
    assert service.rolls
    assert "1 rollout," in counts(plan, PLAIN)


SIDECAR = {"name": "sidecar", "image": "public.ecr.aws/x/agent:1", "essential": False, "cpu": 64, "memory": 64}
LOSSES = {
    "an environment variable": (
        {"port: 8080}": "port: 8080, environment: {GREETING: Hello}}"},
        "task-definition/web.containers.app.environment.MODE",
        "production",
    ),
    "a secret": (
        {"port: 8080}": "port: 8080, secrets: {OTHER: ssm:/other}}"},
        "task-definition/web.containers.app.secrets.KEY",
        "parameter/key",
    ),
    "an inbound rule": (
        {"- {name: app}": "- {name: app, ingress: [{port: 80, from: anywhere}, {port: 8080, from: 10.0.0.0/16}]}"},
        "security-group-rules/app.ingress.tcp 8080 from 0.0.0.0/0",
        "0.0.0.0/0",
    ),
    "a policy of a role": (
        {
            "assumed_by: ecs-tasks.amazonaws.com": "assumed_by: ecs-tasks.amazonaws.com\n"
            "policies: [{name: new, statements: [{actions: s3:PutObject, resources: 'arn:aws:s3:::b/x'}]}]"
        },
        "role/app.policies.read",
        "s3:GetObject",
    ),
    "a scaling policy": (
        {"task:\n  cpu: 512": "scaling: {min: 2, max: 9, cpu: 55}\ntask:\n  cpu: 512"},
        "scaling/web.policies.by load",
        "55",
    ),
    "what a listener answers": (
        {"  match: {path: /api/*, priority: 10}\n": ""},
        "listener/edge-web.default_action.fixed-response",
        "410",
    ),
}


KINDS = {
    "task-definition": "Service",
    "scaling": "Service",
    "security-group-rules": "Network",
    "role": "Role",
    "listener": "LoadBalancer",
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_refused_until_the_document_accepts_it(name: str, legacy: Stage) -> None:
    """The refusal names what would go, with its value and the consent; with it, it is shown as a loss and goes."""
    texts, path, value = LOSSES[name]
    stage = legacy(**texts)
    (refusal,) = planned(stage).refusals
    assert refusal.code is RefusalCode.LOSS
    assert f"[{path}]" in refusal.hint
    assert value in refusal.because
    kind = KINDS[path.partition("/")[0]]
    head = DOCUMENTS.partition(f"kind: {kind}")[2].partition("adopt: true")[0]
    stage.change({f"kind: {kind}{head}adopt: true": f'kind: {kind}{head}adopt: {{accept_loss: ["{path}"]}}'})
    plan = planned(stage)
    assert plan.refusals == ()
    (lost,) = [(a.address, change) for a in plan.actions for change in a.changes if change.loss]
    assert entry(lost[0], lost[1].path) == path
    assert "# lost" in plan_text(plan, PLAIN)
    stage.apply()
    assert planned(stage).actions == ()


def test_all_losses_are_refused_at_once(legacy: Stage) -> None:
    """Also of what refers to a resource that would lose something: one edit of the documents accepts them."""
    names = ("a policy of a role", "an environment variable", "a scaling policy")
    stage = legacy(**{old: new for name in names for old, new in LOSSES[name][0].items()})
    refused = {str(one.address) for one in planned(stage).refusals if one.code is RefusalCode.LOSS}
    assert refused == {"role/app", "task-definition/web", "scaling/web"}


def test_a_container_that_the_document_does_not_mention_is_a_loss(legacy: Stage) -> None:
    """A sidecar of another tool is not left out of the next revision in silence."""
    stage = legacy(SIDECAR)
    (refusal,) = planned(stage).refusals
    assert (refusal.code, str(refusal.address)) == (RefusalCode.LOSS, "task-definition/web")
    assert "task-definition/web.containers.sidecar" in refusal.hint


def test_a_refusal_shows_no_secret(legacy: Stage) -> None:
    """A value whose name is a secret's is redacted."""
    sidecar = {**SIDECAR, "environment": [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}]}
    stage = legacy(sidecar)
    (refusal,) = planned(stage).refusals
    assert "containers.sidecar" in refusal.because
    assert "hunter2" not in refusal.because + refusal.hint


def test_without_adopt_the_defaults_hold_again(legacy: Stage) -> None:
    """Once the document no longer says so, it is compared like any other."""
    stage = legacy()
    stage.apply()
    stage.change({"kind: LoadBalancer\nname: edge\nadopt: true": "kind: LoadBalancer\nname: edge\nscheme: internal"})
    changes = [str(change) for action in planned(stage).actions for change in action.changes]
    assert "attributes.deletion_protection.enabled" in changes
