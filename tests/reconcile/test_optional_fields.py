"""Optional fields that set members of AWS's APIs: stated, changed, removed, and what somebody else has set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.ownership import FIELDS
from reconciler.model.plan import Plan
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets: [{name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}]
security_groups: [{name: app}]
---
kind: Cluster
name: prod
# the cluster
---
kind: Task
name: nightly
cluster: prod
run: {schedule: "cron(0 3 * * ? *)"}
task:
  cpu: 256
  memory: 512
  # the task
  containers:
    app:
      image: "public.ecr.aws/nginx/nginx:1.27"
      # the container
    side: {image: "public.ecr.aws/nginx/nginx:1.27", essential: false}
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
---
kind: DeploymentStrategy
name: plain
type: rolling
rolling:
  max_percent: 200
  # the strategy
---
kind: Service
name: web
cluster: prod
deployment: plain
task:
  cpu: 256
  memory: 512
  containers:
    app: {image: "public.ecr.aws/nginx/nginx:1.27"}
  # its task
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
# the service
"""
CONTAINER = (
    ("mounts", "[{volume: data, path: /a}]", "[{volume: data, path: /a, read_only: true}]", "mountPoints"),
    ("volumes_from", "[side]", "[{container: side, read_only: true}]", "volumesFrom"),
    ("tmpfs", "[{path: /run, size: 64}]", "[{path: /run, size: 64, options: [noexec]}]", "linuxParameters.tmpfs"),
    ("logs", "{driver: splunk, options: {splunk-url: a}}", "{driver: splunk, options: {}}", "logConfiguration"),
    ("firelens", "{type: fluentbit}", "{type: fluentbit, config_file: /extra.conf}", "firelensConfiguration"),
    ("environment_files", '["arn:aws:s3:::bucket/a.env"]', '["arn:aws:s3:::bucket/b.env"]', "environmentFiles"),
    ("registry_credentials", "secretsmanager:hub", "secretsmanager:quay", "repositoryCredentials"),
    ("restart", "true", "{ignored_exit_codes: [0], attempt_period: 60s}", "restartPolicy"),
    ("labels", "{team: web, tier: a}", "{team: shop}", "dockerLabels"),
    ("init", "true", "false", "linuxParameters.initProcessEnabled"),
    ("capabilities", "{add: [SYS_PTRACE]}", "{drop: [NET_RAW]}", "linuxParameters.capabilities"),
    ("start_timeout", "60s", "90s", "startTimeout"),
    ("memory_reservation", "64", "128", "memoryReservation"),
    ("working_directory", "/a", "/b", "workingDirectory"),
    ("interactive", "true", "false", "interactive"),
    ("tty", "true", "false", "pseudoTerminal"),
    ("system_controls", '{net.core.somaxconn: "1024"}', '{net.core.somaxconn: "2048"}', "systemControls"),
)
TASK = (
    ("volumes", "{data: {}}", "{data: {efs: {file_system: fs-12345678}}}", "volumes"),
    ("pid_mode", "task", "", "pidMode"),
)
SERVICE = (
    ("managed_tags", "true", "false", "enableECSManagedTags"),
    ("propagate_tags", "service", "task_definition", "propagateTags"),
    ("availability_zone_rebalancing", "false", "true", "availabilityZoneRebalancing"),
)
STRATEGY = (
    ("alarms", "[errors]", "{names: [errors], rollback: false}", "alarms"),
    ("reset_on_healthy_task", "false", "true", "resetOnHealthyTask"),
    ("failure_threshold", "{count: 3}", "{percent: 20, bounded: false}", "thresholdConfiguration"),
)
KEY = "arn:aws:kms:us-west-2:123456789012:key/1f0c9e55"
CLUSTER = (("exec_logging", f"{{log_group: /exec, kms_key: '{KEY}'}}", "{bucket: sessions, encrypted: true}", "exec"),)
MANAGED = (("volumes", "{data: {ebs: {size: 20}}}", "{data: {ebs: {size: 30}}}", "volumeConfigurations"),)
"""Field, one value of it, another one or none, and the member that it sets."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[EmulatedStack]:
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        stage.laptop.client("logs").create_log_group(logGroupName="/exec")
        yield stage


def state(stage: EmulatedStack, number: int | None) -> None:
    """The document with the first or second value of each field, or without them."""
    entries = {
        "      # the container": CONTAINER,
        "  # the task": TASK,
        "# the cluster": CLUSTER,
        "# the service": SERVICE,
        "  # the strategy": STRATEGY,
        "  # its task": MANAGED,
    }
    texts = {}
    for place, rows in entries.items():
        indent = place.partition("#")[0]
        lines = [] if number is None else [f"{indent}{row[0]}: {row[1 + number]}" for row in rows if row[1 + number]]
        texts[place] = "\n".join(lines)
    stage.change(texts)


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def changed(plan: Plan) -> set[str]:
    """The members that a plan changes, as short as they are in the tables."""
    found = set()
    for action in plan.actions:
        for change in action.changes:
            if change.path[0] == "exec":
                found.add("exec")
            if "aws" in change.path:
                path = change.path[change.path.index("aws") + 1 :]
                steps = path if path[0] == "deploymentConfiguration" else path[: 1 + (path[0] == "linuxParameters")]
                nested = next((row[3] for row in STRATEGY if row[3] in steps), "")
                found.add(nested or ".".join(steps))
    return found


def registered(stage: EmulatedStack) -> dict[str, Any]:
    answer = stage.laptop.client("ecs").describe_task_definition(taskDefinition="nightly", include=["TAGS"])
    return {**answer["taskDefinition"], "tags": answer["tags"]}


def there(stage: EmulatedStack) -> set[str]:
    """The members of the tables that the newest revision has."""
    body = registered(stage)
    app = next(item for item in body["containerDefinitions"] if item["name"] == "app")
    found = set()
    for item, rows in ((app, CONTAINER), (body, TASK)):
        for *_, member in rows:
            top, _, inner = member.partition(".")
            value = item.get(top)
            if value and (not inner or value.get(inner)):
                found.add(member)
    return found


OF_TASKS = {member for *_, member in (*CONTAINER, *TASK)}
OF_SERVICES = {member for *_, member in (*CLUSTER, *SERVICE, *STRATEGY, *MANAGED)}
ALL = OF_TASKS | OF_SERVICES
USUAL = {
    "enableECSManagedTags": False,
    "propagateTags": "NONE",
    "availabilityZoneRebalancing": "ENABLED",
    "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    "resetOnHealthyTask": True,
    "thresholdConfiguration": {"type": "BOUNDED_PERCENT", "value": 50},
    "volumeConfigurations": [],
}


def service(stage: EmulatedStack) -> dict[str, Any]:
    """The members of the tables that the service has, by their last names, with its tags."""
    (found,) = stage.laptop.client("ecs").describe_services(cluster="prod", services=["web"], include=["TAGS"])[
        "services"
    ]
    (newest,) = (one for one in found["deployments"] if one["status"] == "PRIMARY")
    configuration = found["deploymentConfiguration"]
    members = {**found, **configuration, **configuration["deploymentCircuitBreaker"]}
    members["volumeConfigurations"] = newest.get("volumeConfigurations", [])
    return {**{name: members[name] for name in USUAL}, "tags": {one["key"]: one["value"] for one in found["tags"]}}


def exec_logging(stage: EmulatedStack) -> dict[str, Any]:
    ecs = stage.laptop.client("ecs")
    (found,) = ecs.describe_clusters(clusters=["prod"], include=["CONFIGURATIONS"])["clusters"]
    configured: dict[str, Any] = found["configuration"]["executeCommandConfiguration"]
    return configured


def deployed(stage: EmulatedStack) -> None:
    assert not stage.apply(has_ended).went_wrong
    stage.apply()


@pytest.mark.slow
def test_a_stated_member_is_applied_changed_and_removed(stage: EmulatedStack) -> None:
    """What a field states is what AWS has, only that changes with it, and without its line the member is gone."""
    state(stage, 0)
    deployed(stage)
    assert there(stage) == OF_TASKS
    assert not [name for name, value in USUAL.items() if service(stage)[name] == value]
    assert planned(stage).actions == ()

    state(stage, 1)
    assert changed(planned(stage)) == ALL
    deployed(stage)
    logs = {"s3BucketName": "sessions", "s3EncryptionEnabled": True}
    assert exec_logging(stage) == {"logging": "OVERRIDE", "logConfiguration": logs}
    assert planned(stage).actions == ()

    state(stage, 0)
    deployed(stage)
    state(stage, None)
    gone = {member if "linux" not in member else "linuxParameters" for member in ALL}
    assert changed(planned(stage)) == gone | {"volumes"}
    deployed(stage)
    assert there(stage) == set()
    assert planned(stage).actions == ()
    assert planned(stage).warnings == ()
    assert not any(tag["key"] == FIELDS for tag in registered(stage)["tags"])
    assert {name: value for name, value in service(stage).items() if name in USUAL} == USUAL
    assert FIELDS not in service(stage)["tags"]
    assert exec_logging(stage) == {"logging": "DEFAULT"}


def test_a_field_takes_over_what_was_set_under_aws(stage: EmulatedStack) -> None:
    """With the same value there is no new revision, only a tag; from then on the member goes with the field."""
    state(stage, None)
    stage.apply()
    edited(stage, dockerLabels={"team": "web"})
    stage.apply()
    before = registered(stage)["revision"]
    stage.change({"      # the container": "      labels: {team: web}"})
    (action,) = planned(stage).actions
    assert (action.changes, [*action.tags.put]) == ((), [FIELDS])
    stage.apply()
    assert registered(stage)["revision"] == before
    stage.change({"      # the container": ""})
    stage.apply()
    assert there(stage) == set()


def edited(stage: EmulatedStack, **members: Any) -> None:
    """A revision that was made in the console, which copies everything, tags included."""
    body = registered(stage)
    app = next(item for item in body["containerDefinitions"] if item["name"] == "app")
    app |= members
    taken = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "runtimePlatform", "tags")
    sent = {name: body[name] for name in (*taken, "containerDefinitions")}
    stage.laptop.client("ecs").register_task_definition(**sent)


def test_what_somebody_else_has_set_is_kept_until_a_field_states_it(stage: EmulatedStack) -> None:
    """An upgrade to a version with a field for it changes nothing; `null` removes it, and a field takes it over."""
    state(stage, None)
    stage.apply()
    edited(stage, dockerLabels={"made": "by hand", "team": "ops"}, linuxParameters={"initProcessEnabled": True})
    assert changed(planned(stage)) == set()
    (note,) = planned(stage).warnings
    assert "containers.app.dockerLabels" in note.because

    stage.change({"      # the container": "      labels: {team: web}"})
    stage.apply()
    assert registered(stage)["containerDefinitions"][0]["dockerLabels"] == {"team": "web"}
    assert there(stage) == {"dockerLabels", "linuxParameters.initProcessEnabled"}

    stage.change({"      # the container": "      aws: {linuxParameters: {initProcessEnabled: null}}"})
    stage.apply()
    assert there(stage) == set()
    assert planned(stage).actions == planned(stage).warnings == ()
