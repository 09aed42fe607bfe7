"""A stack that was applied, and whose tags are taken away, is imported as it was declared.

What differs from its own documents is listed here, field by field: with `adopt` nothing is changed, and without it only
what no document states.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.model import ownership
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack
from tests.harness.seed import SEED
from tests.importing.account import TAGS_ONLY, TRUST, Account, account, writes

NETWORK = frozenset({"internet-gateway", "route-table", "security-group", "security-group-rules", "subnet", "vpc"})
"""What import refers to."""
ROLLING = {
    "deployment: careful\n": "",
    "target_groups: [my-app-frontend-tg-1, my-app-frontend-tg-2]": "target_groups: [my-app-frontend-tg-1]\n"
    "  match: {path: /shop/*, priority: 20}",
}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path) as found:
        yield found


def forgotten(stage: EmulatedStack) -> None:
    """Nothing of the stack has a tag of ours any more."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    stage.own(world)
    for found in world:
        if found.parent is None and ownership.owner(found.tags) is not None:
            stage.aws.run(discover()[found.address.kind].update_tags(found, {}, _ours(found)))
    ecs = stage.laptop.client("ecs")
    for arn in ecs.list_task_definitions()["taskDefinitionArns"]:  # earlier revisions, too
        tags = ecs.list_tags_for_resource(resourceArn=arn)["tags"]
        ours = [tag["key"] for tag in tags if tag["key"].startswith("reconciler:")]
        if ours:
            ecs.untag_resource(resourceArn=arn, tagKeys=ours)


def _ours(found: Observed[object]) -> list[str]:
    return [key for key in found.tags if key.startswith("reconciler:")]


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def differences(plan: Plan) -> list[str]:
    assert plan.refusals == ()
    return sorted(f"{action.address}.{change}" for action in plan.actions for change in action.changes)


EVERYTHING = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: shop
cidr: 10.1.0.0/20
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.1.0.0/24, access: public}
  - {name: public-c, zone: us-west-2c, cidr: 10.1.1.0/24, access: public}
security_groups:
  - {name: shop, ingress: [{port: 80, from: anywhere}, {port: 8080, from: shop}]}
---
kind: Cluster
name: shop
default_strategy: [{name: FARGATE_SPOT, weight: 2, base: 1}]
---
kind: Role
name: shop-app
assumed_by: ecs-tasks.amazonaws.com
policies:
  - arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
  - name: queue
    statements:
      - actions: [sqs:SendMessage, sqs:ReceiveMessage]
        resources: arn:aws:sqs:us-west-2:123456789012:shop
        condition: {Bool: {aws:SecureTransport: "true"}}
---
kind: LoadBalancer
name: shop
subnets: [public-a, public-c]
security_groups: [shop]
idle_timeout: 2m
listeners:
  http: {port: 80, default_action: {redirect: {host: www.example.com, path: /moved, status: 302}}}
  http-8080: {port: 8080}
rules:
  rule-7: {listener: http, match: {host: old.example.com, priority: 7}, redirect: {protocol: HTTPS}}
---
kind: DeploymentStrategy
name: rolling
type: rolling
rolling: {min_percent: 50, max_percent: 150, rollback: false}
---
kind: Service
name: shop
cluster: shop
task:
  cpu: 512
  memory: 1024
  containers:
    app:
      image: public.ecr.aws/nginx/nginx:1.27
      ports: [8080, {port: 8081, name: admin}]
      command: [serve, "--verbose", "yes"]
      environment: {MODE: production, RATE: "1.10", EMPTY: "", QUOTE: 'a "b": {c} # d', LINES: "one\ntwo"}
      secrets:
        PARAMETER: ssm:/shop/key
        WHOLE: SECRET
        PART: "SECRET:password::"
      health_check: {command: [CMD-SHELL, "curl -f localhost:8080 || exit 1"], interval: 20s, retries: 5}
      cpu: 256
      memory: 512
      user: app
      readonly_root: true
      stop_timeout: 1m
      ulimits: {nofile: {soft: 1024, hard: 4096}}
    sidecar:
      image: public.ecr.aws/nginx/nginx:1.27
      essential: false
      depends_on: {app: HEALTHY}
  logs: {group: /shop/logs, retention_days: 14}
  role: shop-app
  execution_role: arn:aws:iam::123456789012:role/elsewhere
  architecture: ARM64
  ephemeral_storage: 40
desired_count: 2
placement: {subnets: [public-a, public-c], security_groups: [shop], public_ip: true}
traffic:
  load_balancer: shop
  container: app
  port: 8080
  target_groups: [shop]
  health_check: {path: /healthz, interval: 15s, timeout: 4s, unhealthy_threshold: 3, matcher: 200-299}
  deregistration_delay: 1m
  listener: http
  match: {path: [/shop/*, /cart], header: {X-Shop: a}, query: lang=en, source_ip: 10.0.0.0/8, priority: 30}
deployment: rolling
grace_period: 1m30s
exec: true
scaling: {min: 2, max: 9, cpu: 55, memory: 70, scale_in_cooldown: 1m}
---
kind: Service
name: all-the-rest
cluster: shop
task:
  cpu: 256
  memory: 512
  containers: {app: {image: "public.ecr.aws/nginx/nginx:1.27", port: 80}}
placement: {subnets: [public-a], security_groups: [shop], public_ip: true}
traffic: {load_balancer: shop, container: app, target_groups: [all-the-rest], listener: http-8080}
"""


def test_every_field_of_a_rolling_service_comes_back(there: Account, tmp_path: Path) -> None:
    """What was declared under its own names is stated again, field by field, in everything that the stack owns."""
    there.client("iam").create_role(RoleName="elsewhere", AssumeRolePolicyDocument=json.dumps(TRUST))
    there.client("ssm").put_parameter(Name="/shop/key", Value="x", Type="SecureString")
    secret = there.client("secretsmanager").create_secret(Name="shop", SecretString='{"password": "x"}')["ARN"]
    own = tmp_path / "own"
    own.mkdir()
    (own / "stack.yaml").write_text(EVERYTHING.replace("SECRET", secret))
    stage = EmulatedStack(there.stage.laptop, folder=own)
    assert not stage.apply(has_ended).went_wrong
    forgotten(stage)
    ran = there.imported(cluster="shop")
    assert ran.code == Exit.DONE, ran.out + ran.err
    again = there.opened()
    again.apply()
    assert set(writes(again.transport.sent)) <= TAGS_ONLY
    again.change({"adopt: true\n": ""})
    assert differences(planned(again)) == []
    mine, theirs = (
        {want.address: want for want in one.desired_state.desired if want.address.kind not in NETWORK}
        for one in (stage, again)
    )
    looked_up = {address for address in (*mine, *theirs) if discover()[address.kind].of_others}
    assert set(theirs) - set(mine) - looked_up == {Address("role", "elsewhere")}
    assert set(mine) - looked_up <= set(theirs)


@pytest.mark.parametrize("engine", ["ecs_native", "codedeploy"])
def test_an_engine_that_shifts_traffic_stays(there: Account, engine: str) -> None:
    """Import chooses the engine that deploys the service, with both of its target groups and listeners."""
    stage = EmulatedStack(
        there.stage.laptop, folder=SEED, texts={"type: blue_green\n": f"type: blue_green\nengine: {engine}\n"}
    )
    stage.infrastructure()
    stage.push("v1")
    assert not stage.apply(has_ended).went_wrong
    forgotten(stage)
    ran = there.imported(cluster="my-app-cluster")
    assert ran.code == Exit.DONE, ran.out + ran.err
    again = there.opened()
    again.apply()
    assert set(writes(again.transport.sent)) <= TAGS_ONLY
    again.change({"adopt: true\n": ""})
    assert differences(planned(again)) == []


@pytest.mark.parametrize("engine", ["ecs_native", "codedeploy"])
def test_an_engine_that_shifts_traffic_by_rules_of_a_load_balancer_of_others_stays(there: Account, engine: str) -> None:
    """The load balancer is referred to, and an apply writes tags, none of them on it."""
    texts = {
        "type: blue_green\n": f"type: blue_green\nengine: {engine}\n",
        "traffic:\n": "traffic:\n  match: {path: /*, priority: 10}\n",
    }
    stage = EmulatedStack(there.stage.laptop, folder=SEED, texts=texts)
    stage.infrastructure()
    stage.push("v1")
    assert not stage.apply(has_ended).went_wrong
    forgotten(stage)
    elb = there.client("elbv2")
    (balancer,) = (one["LoadBalancerArn"] for one in elb.describe_load_balancers()["LoadBalancers"])
    tags = [{"Key": "ManagedBy", "Value": "Terraform"}]
    elb.add_tags(ResourceArns=[balancer], Tags=tags)
    before = elb.describe_tags(ResourceArns=[balancer])["TagDescriptions"][0]["Tags"]
    ran = there.imported(cluster="my-app-cluster")
    assert ran.code == Exit.DONE, ran.out + ran.err
    text = there.text("services/my-app-frontend.yaml")
    for line in ("load_balancer: {name: my-app-alb}", "listener: 80", "test_listener: 9000"):
        assert line in text
    again = there.opened()
    again.apply()
    assert set(writes(again.transport.sent)) <= TAGS_ONLY
    assert elb.describe_tags(ResourceArns=[balancer])["TagDescriptions"][0]["Tags"] == before


def test_what_an_apply_would_change_is_listed(there: Account) -> None:
    """A deployment group has the waiting times of the console: the exit code says that more than tags would be written,
    the plan which fields, and a comment why."""
    stage = EmulatedStack(
        there.stage.laptop, folder=SEED, texts={"type: blue_green\n": "type: blue_green\nengine: codedeploy\n"}
    )
    stage.infrastructure()
    stage.push("v1")
    assert not stage.apply(has_ended).went_wrong
    forgotten(stage)
    there.client("codedeploy").update_deployment_group(
        applicationName="AppECS-my-app-cluster-my-app-frontend",
        currentDeploymentGroupName="DgpECS-my-app-cluster-my-app-frontend",
        blueGreenDeploymentConfiguration={
            "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 5},
            "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
        },
    )
    ran = there.imported("-o", "json", cluster="my-app-cluster")
    assert ran.code == Exit.PENDING, ran.out + ran.err
    result = json.loads(ran.out)
    assert result["only_tags"] is False
    changes = {tuple(one["path"]) for action in result["plan"]["actions"] for one in action["changes"]}
    assert changes == {("ready_wait",), ("termination_wait",)}
    assert "# The deployment group waits 0 minutes" in there.text("deployment.yaml")


def test_the_seed_stack_is_imported_as_it_was_declared(there: Account) -> None:
    """With ECS's rolling deployment: an apply writes tags alone, and once `adopt` is taken out of the documents, they
    change nothing."""
    stage = EmulatedStack(there.stage.laptop, folder=SEED, texts=dict(ROLLING))
    stage.infrastructure()
    stage.push("v1")
    assert not stage.apply(has_ended).went_wrong
    forgotten(stage)
    ran = there.imported(cluster="my-app-cluster")
    assert ran.code == Exit.DONE, ran.out + ran.err
    assert "# for the next version, write {registry: my-app-frontend, tag: …}" in there.everything()
    again = there.opened()
    again.apply()
    assert set(writes(again.transport.sent)) <= TAGS_ONLY
    again.change({"adopt: true\n": ""})
    assert differences(planned(again)) == []
