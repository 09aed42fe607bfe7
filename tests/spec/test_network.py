"""What a Network compiles to."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from reconciler.local.strict.endpoint_services import names
from reconciler.model.resource import Desired
from reconciler.spec.compile import compile_specs
from reconciler.spec.documents.network import Endpoint
from tests.spec.folder import lay


def compiled(text: str) -> dict[str, Desired[Any]]:
    """By address, with `text` laid over the base."""
    specs = lay(text)
    assert specs.ok, specs.diagnostics
    return {str(want.address): want for want in compile_specs(specs, account="123456789012")}


def test_every_endpoint_is_one_that_aws_has() -> None:
    """AWS refuses an endpoint to a service name that it does not know."""
    found = compiled(f"kind: Network\nname: my-workspace\nendpoints: [{', '.join(get_args(Endpoint))}]\n")
    services = {want.spec.service for name, want in found.items() if name.startswith("vpc-endpoint/")}
    assert len(services) == len(get_args(Endpoint)) + 1 + 2, "ECR has two, and ECS three"
    assert services <= names("us-west-2")


@pytest.mark.parametrize("service", ["sqs", "sns", "events", "kinesis-firehose", "elasticfilesystem", "monitoring"])
def test_what_tasks_call_is_reached_without_the_internet(service: str) -> None:
    """A worker on a queue, a log router, a client of CloudWatch: not only what starts a task has an endpoint."""
    found = compiled(f"kind: Network\nname: my-workspace\nendpoints: [{service}]\n")
    spec = found[f"vpc-endpoint/my-workspace-{service}"].spec
    assert (spec.service, spec.type, spec.private_dns) == (f"com.amazonaws.us-west-2.{service}", "Interface", True)


def test_routes_to_other_networks_stand_beside_those_to_the_internet() -> None:
    """In every route table, or in those that are named."""
    found = compiled(
        """
kind: Network
name: my-workspace
routes:
  - {destination: 10.9.0.0/16, target: tgw-0123456789abcdef0}
  - {destination: 10.10.0.0/16, target: pcx-0123456789abcdef0, tables: [private1-a]}
"""
    )
    routes = {name: set(want.spec.routes) for name, want in found.items() if name.startswith("route-table/")}
    assert routes == {
        "route-table/private1-a": {"10.9.0.0/16", "10.10.0.0/16"},
        "route-table/public1-a": {"0.0.0.0/0", "10.9.0.0/16"},
        "route-table/public1-c": {"0.0.0.0/0", "10.9.0.0/16"},
    }
    assert found["route-table/private1-a"].spec.routes["10.10.0.0/16"] == "pcx-0123456789abcdef0"


def test_a_policy_of_an_endpoint_is_for_everybody_inside() -> None:
    """Both endpoints of ECR have it; without one, AWS's own stays."""
    found = compiled(
        """
kind: Network
name: my-workspace
endpoints: [s3, {service: ecr, policy: [{actions: "ecr:*", resources: "*"}]}]
"""
    )
    policies = {name: want.spec.policy for name, want in found.items() if name.startswith("vpc-endpoint/")}
    assert policies["vpc-endpoint/my-workspace-s3"] is None
    assert policies["vpc-endpoint/my-workspace-ecr.api"] == policies["vpc-endpoint/my-workspace-ecr.dkr"]
    (statement,) = policies["vpc-endpoint/my-workspace-ecr.api"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"AWS": ("*",)}, ("ecr:*",))


def test_a_second_range_holds_subnets_and_reaches_endpoints() -> None:
    """Its subnets use the endpoints like those of the first."""
    found = compiled(
        """
kind: Network
name: my-workspace
secondary_cidrs: [100.64.0.0/16]
endpoints: [logs]
subnets:
  - {name: app-private1-a, zone: us-west-2a, cidr: 100.64.0.0/24, access: private}
  - {name: app-public1-a, zone: us-west-2a, cidr: 10.0.1.0/24, access: public}
  - {name: app-public1-c, zone: us-west-2c, cidr: 10.0.2.0/24, access: public}
"""
    )
    assert found["vpc/my-workspace"].spec.secondary == ("100.64.0.0/16",)
    rules = found["security-group-rules/my-workspace-endpoints"].spec.ingress
    assert {rule.source for rule in rules} == {"10.0.0.0/20", "100.64.0.0/16"}


def test_a_prefix_list_is_the_other_side_of_a_rule() -> None:
    """By its id, such as that of CloudFront's addresses."""
    found = compiled(
        """
kind: Network
name: my-workspace
security_groups:
  - name: my-app-lb-sg
    ingress: [{port: 80, from: pl-82a045eb}, {port: 9000, from: 203.0.113.7/32}]
  - name: my-app-task-sg
    ingress: [{port: 80, from: my-app-lb-sg}]
"""
    )
    sources = {rule.source for rule in found["security-group-rules/my-app-lb-sg"].spec.ingress}
    assert sources == {"pl-82a045eb", "203.0.113.7/32"}
