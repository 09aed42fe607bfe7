"""A rollout of a service whose users sign in: every write of weights leaves the sign-in where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.elb.state import Rule
from tests.harness.emulated_stack import emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}
  - {name: public-b, zone: us-west-2b, cidr: 10.0.1.0/24, access: public}
security_groups:
  - {name: front, ingress: [{port: 443, from: anywhere}, {port: 9000, from: 203.0.113.0/24}]}
  - {name: app, ingress: [{port: 80, from: front}]}
---
kind: Cluster
name: prod
---
kind: LoadBalancer
name: front
subnets: [public-a, public-b]
security_groups: [front]
listeners:
  production: {port: 443, protocol: HTTPS, certificates: [{domain: shop.example.com}]}
  test: {port: 9000}
---
kind: DeploymentStrategy
name: canary
type: canary
steps: [{weight: 20, pause: 1m}]
promotion: {mode: auto}
---
kind: Service
name: web
cluster: prod
deployment: canary
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task: {cpu: 256, memory: 512, containers: {app: {image: "public.ecr.aws/nginx/nginx:1.27", port: 80}}}
traffic:
  load_balancer: front
  container: app
  target_groups: [web-1, web-2]
  # match
  sign_in:
    oidc:
      issuer: https://login.example.com
      authorization_endpoint: https://login.example.com/authorize
      token_endpoint: https://login.example.com/token
      user_info_endpoint: https://login.example.com/userinfo
      client_id: shop
      client_secret: ssm:/shop/login
"""


@pytest.mark.slow
@pytest.mark.parametrize("match", ["", "match: {path: /shop/*, priority: 7}"])
def test_a_rollout_keeps_the_sign_in_of_production(match: str, tmp_path: Path) -> None:
    """In a rule and in a default action; the test listener has none at any time."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS.replace("# match", match))
    with emulated_stack(folder=tmp_path) as stage:
        arn = stage.laptop.client("acm").request_certificate(DomainName="shop.example.com")["CertificateArn"]
        stage.laptop.aws.world.rest.state("acm")._certificates[arn].status = "ISSUED"
        stage.laptop.client("ssm").put_parameter(Name="/shop/login", Value="hidden", Type="SecureString")

        def rules(port: int) -> list[Rule]:
            elb = stage.laptop.aws.world.elb
            (listener,) = (one.arn for one in elb.listeners.values() if one.port == port)
            return [one for one in elb.rules_of(listener) if one.actions[-1]["Type"] == "forward"]

        assert not stage.apply(has_ended).went_wrong
        seen: set[tuple[int, ...]] = set()
        stage.change({"nginx:1.27": "nginx:1.28"})

        def look(*_: object) -> bool:
            (production,) = rules(443)
            assert [one["Type"] for one in production.actions] == ["authenticate-oidc", "forward"]
            assert production.client_secret == "hidden"
            assert all(len(one.actions) == 1 for one in rules(9000))
            seen.add(tuple(one["Weight"] for one in production.actions[-1]["ForwardConfig"]["TargetGroups"]))
            return has_ended(*_)

        assert not stage.apply(look).went_wrong
        assert {(100, 0), (80, 20), (0, 100)} <= seen
