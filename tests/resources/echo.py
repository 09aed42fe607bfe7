"""An AWS that shows what it was sent: one resource, as its create call made it and its updates have changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.resource import Call
from reconciler.resources._service_fields import OF_A_DEPLOYMENT
from tests.resources.talk import Talk, pairs
from tests.resources.workload import ECS, lower_pairs

KINDS = {
    "TargetGroup": ("TargetGroups", "TargetGroupArn"),
    "Listener": ("Listeners", "ListenerArn"),
    "Rule": ("Rules", "RuleArn"),
    "LoadBalancer": ("LoadBalancers", "LoadBalancerArn"),
}
"""Kinds of Elastic Load Balancing: the member of answers that lists them, and the one that is their ARN."""


class Echo(Talk):
    """`plain` is what AWS shows of the resource beside what was sent; `tags` are the ones that it has."""

    def __init__(self, plain: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        self.plain, self.tags, self.item = dict(plain), tags, dict[str, Any]()
        answers: dict[str, Any] = {
            "RegisterTaskDefinition": self._registered,
            "DescribeTaskDefinition": lambda _: {"taskDefinition": self.item, "tags": self.item["tags"]},
            "ListTaskDefinitions": self._revisions,
            "CreateService": self._service,
            "UpdateService": self._service,
            "DescribeServices": lambda _: {"services": [self.item], "failures": []},
            "DescribeTags": self._tags,
            "DescribeTargetGroupAttributes": {"Attributes": []},
            "DescribeLoadBalancerAttributes": {"Attributes": []},
            "ModifyIpPools": lambda call: self._kept(call, "LoadBalancers"),
        }
        for kind, (several, _) in KINDS.items():
            written, read = _answers(self, several)
            answers |= {f"Create{kind}": written, f"Modify{kind}": written, f"Describe{several}": read}
        super().__init__(**answers)

    def _kept(self, call: Call, several: str) -> dict[str, Any]:
        sent = {name: value for name, value in call.params.items() if name in _SHOWN}
        self.item = {**self.plain, **self.item, **sent}
        return {several: [self.item]}

    def _tags(self, call: Call) -> dict[str, Any]:
        described = [{"ResourceArn": arn, "Tags": pairs(self.tags)} for arn in call.params["ResourceArns"]]
        return {"TagDescriptions": described if self.item else []}

    def _service(self, call: Call) -> dict[str, Any]:
        before = self.item or self.plain
        (deployment,) = before["deployments"]
        lifted = {name: value for name, value in call.params.items() if name in OF_A_DEPLOYMENT}
        sent = {name: value for name, value in call.params.items() if name in before or name in _SHOWN}
        sent = {name: value for name, value in sent.items() if name not in (*OF_A_DEPLOYMENT, "tags")}
        configuration = {**before["deploymentConfiguration"], **sent.pop("deploymentConfiguration", {})}
        self.item = {
            **before, **sent, "deployments": [{**deployment, **lifted}], "tags": lower_pairs(self.tags),
            "deploymentConfiguration": configuration,
        }  # fmt: skip
        return {"service": self.item}

    def _registered(self, call: Call) -> dict[str, Any]:
        revision = self.item.get("revision", 0) + 1
        arn = f"{ECS}:task-definition/{call.params['family']}:{revision}"
        self.item = {**call.params, "taskDefinitionArn": arn, "revision": revision, "status": "ACTIVE"}
        return {"taskDefinition": self.item}

    def _revisions(self, call: Call) -> dict[str, Any]:
        there = call.params["status"] == "ACTIVE" and self.item
        return {"taskDefinitionArns": [self.item["taskDefinitionArn"]] if there else []}


def _answers(echo: Echo, several: str) -> tuple[Any, Any]:
    return lambda call: echo._kept(call, several), lambda _: {several: [echo.item] if echo.item else []}


_SHOWN = frozenset(
    {
        *(
            "AlpnPolicy",
            "MutualAuthentication",
            "DefaultActions",
            "Actions",
            "Conditions",
            "Transforms",
            "IpAddressType",
        ),
        *("TargetControlPort", "HealthCheckEnabled", "Matcher", "IpamPools", "CustomerOwnedIpv4Pool"),
        *("EnablePrefixForIpv6SourceNat", "Protocol", "Port"),
        *("serviceRegistries", "placementConstraints", "placementStrategy", "enableECSManagedTags", "propagateTags"),
        *("availabilityZoneRebalancing", "deploymentConfiguration"),
    }
)
"""Members that answers have by the same name."""
