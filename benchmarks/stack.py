"""The stack that is measured: S services with blue/green target groups, all behind one load balancer.

`everything` adds what else a stack may have a service of: a repository, autoscaling, private subnets and their NAT.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

NAME = "bench"
CLUSTER = "bench-cluster"
IMAGE = "public.ecr.aws/nginx/nginx:1.27"
OTHER_IMAGE = "public.ecr.aws/nginx/nginx:1.28"

_SHARED = """\
kind: Stack
name: bench
region: us-west-2
tags: {team: benchmarks}
quotas: {rules_per_load_balancer: 10000, target_groups_per_load_balancer: 10000, targets_per_load_balancer: 100000}
---
kind: Cluster
name: bench-cluster
capacity_providers: [FARGATE]
---
kind: LoadBalancer
name: bench-alb
subnets: [bench-public-a, bench-public-c]
security_groups: [bench-lb]
listeners:
  production: {port: 80, protocol: HTTP}
  test: {port: 9000, protocol: HTTP}
---
kind: DeploymentStrategy
name: careful
type: blue_green
promotion: {mode: timed, after: 2h}
"""

_NETWORK = """\
kind: Network
name: bench
cidr: 10.8.0.0/16
nat: {nat}
subnets:
  - {{name: bench-public-a, zone: us-west-2a, cidr: 10.8.0.0/20, access: public}}
  - {{name: bench-public-c, zone: us-west-2c, cidr: 10.8.16.0/20, access: public}}
  - {{name: bench-tasks, zone: us-west-2a, cidr: 10.8.32.0/19, access: {access}}}
security_groups:
  - name: bench-lb
    ingress:
      - {{port: 80, from: 203.0.113.0/24}}
      - {{port: 9000, from: 203.0.113.7/32}}
  - name: bench-task
    ingress:
      - {{port: 80, from: bench-lb}}
"""

_SERVICE = """\
kind: Service
name: {name}
cluster: bench-cluster
task:
  cpu: 256
  memory: 512
  containers:
    web:
      image: {image}
      port: 80
      environment: {{GREETING: hello, NUMBER: "{number}"}}
  logs: {{retention_days: 30}}
placement: {{subnets: [bench-tasks], security_groups: [bench-task]{public}}}
traffic:
  load_balancer: bench-alb
  container: web
  target_groups: [{name}-1, {name}-2]
  match: {{path: "/{name}/*", priority: {number}}}
  deregistration_delay: 30s
deployment: careful
"""

_REST = """\
scaling: {{min: 1, max: 4, cpu: 60}}
---
kind: Registry
name: {name}
immutable_tags: true
keep_images: 10
"""


def service_name(number: int) -> str:
    return f"svc-{number:04d}"


def write(folder: Path, services: int, *, everything: bool = False, changed: int = 0, first: int = 1) -> Path:
    """The specs of `services` services, numbered from `first`, in `folder`; those up to `changed` run another image."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stack.yaml").write_text(_SHARED, encoding="utf-8")
    network = _NETWORK.format(nat="single" if everything else "none", access="private" if everything else "public")
    (folder / "network.yaml").write_text(network, encoding="utf-8")
    for number in range(first, first + services):
        name = service_name(number)
        image = OTHER_IMAGE if number <= changed else IMAGE
        if everything:
            image = f"{{registry: {name}, tag: {'v2' if number <= changed else 'v1'}}}"
        text = _SERVICE.format(name=name, number=number, image=image, public="" if everything else ", public_ip: true")
        text += _REST.format(name=name) if everything else ""
        (folder / f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder
