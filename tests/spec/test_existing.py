"""References to what others own: what they compile to, and what is refused without a call of AWS."""

from __future__ import annotations

import pytest

from reconciler.model.resource import Address, Ref
from reconciler.spec.compile import compile_deliveries
from tests.spec import folder
from tests.spec.test_start import compiled

SERVICE = """kind: Service
name: my-app-frontend
traffic:
  load_balancer: {name: shared}
  listener: 443
  test_listener: 9000
  match: {host: shop.example.com, priority: 120}
"""
OF_ELB = "arn:aws:elasticloadbalancing:us-west-2:123456789012:"
BALANCER = f"{OF_ELB}loadbalancer/app/shared/0123456789abcdef"
LISTENER = f"{OF_ELB}listener/app/shared/0123456789abcdef/fedcba9876543210"


def test_a_load_balancer_of_others_is_looked_up_with_the_listeners_that_are_used() -> None:
    """And the rules on them are the stack's."""
    wants = compiled(SERVICE)
    at = Address("existing-load-balancer", "shared")
    found = {want.address.name: want.spec for want in wants.values() if want.address.kind == "existing-listener"}
    assert {name: (spec.load_balancer, spec.listener) for name, spec in found.items()} == {
        "shared:443": (Ref(at), "443"),
        "shared:9000": (Ref(at), "9000"),
    }
    assert (wants[at].spec.name, wants[at].where) == ("shared", "case.yaml:4:3")
    for name, port in (("production", 443), ("test", 9000)):
        rule = wants[Address("listener-rule", f"my-app-frontend-{name}")]
        assert rule.spec.listener == Ref(Address("existing-listener", f"shared:{port}"))
    (delivery,) = compile_deliveries(folder.lay(SERVICE))
    assert delivery.ports == (443, 9000)


def test_by_arn_they_are_the_same() -> None:
    text = SERVICE.replace("{name: shared}", BALANCER).replace("443", LISTENER)
    wants = compiled(text)
    at = Address("existing-load-balancer", "app/shared/0123456789abcdef")
    assert wants[at].spec.name == BALANCER
    listener = Address("existing-listener", "app/shared/0123456789abcdef:fedcba9876543210")
    assert wants[listener].spec.listener == LISTENER
    assert wants[Address("listener-rule", "my-app-frontend-production")].spec.listener == Ref(listener)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{name: shared}", "name:shared", "E1109 case.yaml 4:18 name:shared"),
        ("{name: shared}", "{id: shared}", "E1105 case.yaml 4:3 load_balancer"),
        ("{name: shared}", "{name: a b}", "E1109 case.yaml 4:3 load_balancer"),
        ("{name: shared}", f"{OF_ELB}loadbalancer/shared", f"E1109 case.yaml 4:18 {OF_ELB}loadbalancer/shared"),
        (
            "{name: shared}",
            BALANCER.replace("us-west-2", "eu-west-1"),
            f"E2016 case.yaml 4:18 {BALANCER.replace('us-west-2', 'eu-west-1')}",
        ),
        ("{name: shared}", BALANCER.replace("app", "net"), f"E2006 case.yaml 4:18 {BALANCER.replace('app', 'net')}"),
        ("  match: {host: shop.example.com, priority: 120}\n", "", "E2006 case.yaml 4:3 load_balancer"),
        ("  listener: 443\n", "", "E4025 case.yaml 4:3 load_balancer"),
        ("listener: 443", "listener: production", "E4025 case.yaml 5:13 production"),
        ("listener: 443", "listener: 70000", "E4025 case.yaml 5:13 70000"),
        (
            "listener: 443",
            f"listener: {LISTENER.replace('shared', 'other')}",
            f"E4025 case.yaml 5:13 {LISTENER.replace('shared', 'other')}",
        ),
        ("  test_listener: 9000\n", "", "E6009 base.yaml 49:1 traffic"),
        ("listener: 9000", "listener: 443", "E6009 case.yaml 6:18 443"),
        ("priority: 120}\n", "priority: 120}\n  protocol: TCP\n", "E2006 case.yaml 8:13 TCP"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_place(old: str, new: str, told: str) -> None:
    """Without any call of AWS, and nothing else is said."""
    assert old in SERVICE
    found = [folder.told(one) for one in folder.lay(SERVICE.replace(old, new, 1)).diagnostics]
    assert told in found
    assert {one.split()[0] for one in found} - {"E1112"} == {told.split()[0]}


def test_two_services_do_not_share_a_priority_on_a_listener_of_others() -> None:
    """Those of others are only known once the listener is looked up."""
    other = """---
kind: Service
name: other
cluster: my-app-cluster
task: {cpu: 256, memory: 512, containers: {web: {image: {registry: my-app-frontend, tag: v1}, port: 80}}}
placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}
traffic:
  load_balancer: {name: shared}
  listener: 443
  container: web
  target_groups: [other]
  deregistration_delay: 30s
  match: {path: /other, priority: 120}
"""
    assert folder.rules(folder.lay(SERVICE + other)) == {"E4011"}
    assert folder.rules(folder.lay(SERVICE + other.replace("120", "121"))) == set()


@pytest.mark.parametrize("kind", ["Cluster", "Role"])
def test_a_document_may_be_named_like_an_id(kind: str) -> None:
    """Clusters and roles go by ARNs or names, so that `cluster-main` is the name of a document."""
    name = f"{kind.lower()}-shared"
    place = f"cluster: {name}" if kind == "Cluster" else f"task: {{role: {name}}}"
    document = f"kind: {kind}\nname: {name}\n" + ("assumed_by: ecs-tasks.amazonaws.com\n" if kind == "Role" else "")
    wants = compiled(f"{document}---\nkind: Service\nname: my-app-frontend\n{place}\n")
    assert Address(kind.lower(), name) in wants
    assert Address(f"existing-{kind.lower()}", name) not in wants


BY_NAME = """kind: Stack
name: my-app
account: "123456789012"
---
kind: Registry
name: own
---
kind: Cluster
name: my-app-cluster
container_insights: enabled
exec_logging: {log_group: /exec}
---
kind: Alarm
name: errors
metric: {namespace: AWS/SQS, name: errors}
above: 1
notify: ["arn:aws:sns:us-west-2:210987654321:theirs", "arn:aws:sns:us-west-2:123456789012:pages"]
---
kind: Service
name: my-app-frontend
alarms: {notify: ["arn:aws:sns:us-west-2:123456789012:pages"]}
scaling: {min: 1, max: 4, backlog: {queue: my-app-frontend, per_task: 10}}
task:
  logs: {group: /shared}
  containers:
    frontend:
      logs: {options: {awslogs-group: /own, awslogs-stream-prefix: a}}
    own: {image: "123456789012.dkr.ecr.us-west-2.amazonaws.com/own:v1", essential: false}
    other: {image: "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/other:v1", essential: false}
    far: {image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/far:v1", essential: false}
    foreign:
      image: 210987654321.dkr.ecr.us-west-2.amazonaws.com/foreign:v1
      essential: false
      logs: {options: {awslogs-group: /shared, awslogs-stream-prefix: a}}
    created:
      image: public.ecr.aws/nginx/nginx:1.27
      essential: false
      logs: {options: {awslogs-group: /created, awslogs-create-group: "true", awslogs-stream-prefix: a}}
---
kind: Task
name: nightly
cluster: my-app-cluster
run: {schedule: rate(1 day), dead_letter_queue: dead}
task: {cpu: 256, memory: 512, containers: {a: {image: "public.ecr.aws/nginx/nginx:1.27"}}}
placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}
"""


def test_what_goes_by_its_name_is_looked_up_for_what_uses_it() -> None:
    """Not what the stack itself makes, what is in another account or region, and what AWS makes when it is used."""
    wants = compiled(BY_NAME)
    found = {str(at): want.where for at, want in wants.items() if want.address.kind in KINDS}
    assert found == {
        "existing-log-group//exec": "case.yaml:11:27",
        "existing-topic/pages": "case.yaml:17:55",
        "existing-queue/my-app-frontend": "case.yaml:22:44",
        "existing-log-group//own": "case.yaml:27:39",
        "existing-repository/team/other": "case.yaml:29:20",
        "existing-queue/dead": "case.yaml:43:49",
    }
    users = {
        str(at): {str(one) for one in want.after if one.kind in KINDS}
        for at, want in wants.items()
        if any(one.kind in KINDS for one in want.after)
    }
    alarms = {one: {"existing-topic/pages"} for one in users if one.startswith("alarm/")}
    assert len(alarms) > 2
    assert users == {
        **alarms,
        "cluster/my-app-cluster": {"existing-log-group//exec"},
        "scaling/my-app-frontend": {"existing-queue/my-app-frontend"},
        "schedule/nightly": {"existing-queue/dead"},
        "task-definition/my-app-frontend": {"existing-log-group//own", "existing-repository/team/other"},
    }


KINDS = {"existing-topic", "existing-queue", "existing-repository", "existing-log-group"}


@pytest.mark.parametrize("listener", ["{lookup: ssm:/net/listener}", LISTENER])
def test_a_listener_of_the_stack_goes_by_its_name(listener: str) -> None:
    (found,) = folder.lay(f"{{kind: Service, name: my-app-frontend, traffic: {{listener: {listener}}}}}").diagnostics
    assert (found.rule, "listeners go by their names" in found.message) == ("E2002", True)
