"""AWS's rules that moto does not keep, kept on the seam: a crash test over a lenient world passes for the wrong reason.

Only what the promises need. Each rule says what AWS does; where moto already does it, there is none here.

- A client token that comes again is answered as the first time, and with other parameters refused, also when what it
  made is gone (ECS and EC2 API references; how long, AWS does not say).
- CreateService for a name that is active is refused: "Creation of service was not idempotent."
- CreateLoadBalancer, CreateTargetGroup and CreateListener succeed for what exists with the same settings, and refuse
  the name, or the port, with other ones (ELB API reference: "each call succeeds").
- A family without an active revision is answered with ClientException, where moto breaks down.
- A VPC has one internet gateway, and a gateway one VPC (EC2 API reference, AttachInternetGateway).
- What something stands in cannot be deleted: DependencyViolation for a VPC with a gateway or a group of its own, for a
  subnet and a group that a load balancer is in, for a group that an endpoint is in, for a subnet with a NAT gateway or
  an endpoint in it, for a group that another one's rule names, for a gateway while a NAT gateway holds a public
  address; AuthFailure for an address in use, which one is no more once its NAT gateway is deleted: then another gateway
  may have it (VPC user guide, NAT gateways); ClusterContainsServicesException.
- Scaling policies go with their target (Application Auto Scaling API reference, DeregisterScalableTarget).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.errors import translate
from reconciler.aws.retry import TOKENS
from reconciler.model.resource import Call

Answer = dict[str, Any]


class Strict:
    """A transport over moto that refuses what AWS refuses."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self._tokens: dict[tuple[str, str], tuple[str, Answer]] = {}
        self._rules: Mapping[str, Callable[[Call], Answer | None]] = {
            "AttachInternetGateway": self._attach_internet_gateway,
            "CreateListener": self._create_listener,
            "CreateLoadBalancer": self._create_load_balancer,
            "CreateService": self._create_service,
            "CreateTargetGroup": self._create_target_group,
            "DeleteCluster": self._delete_cluster,
            "DeleteSecurityGroup": self._delete_security_group,
            "DeleteNatGateway": self._delete_nat_gateway,
            "DeleteSubnet": self._delete_subnet,
            "DeleteVpc": self._delete_vpc,
            "DeregisterScalableTarget": self._deregister_scalable_target,
            "DescribeTaskDefinition": self._describe_task_definition,
            "DetachInternetGateway": self._detach_internet_gateway,
            "ReleaseAddress": self._release_address,
        }

    def perform(self, call: Call) -> Answer:
        token = next((str(call.params[name]) for name in sorted(TOKENS) if name in call.params), None)
        key, said = (str(call), token or ""), json.dumps(call.params, sort_keys=True, default=str)
        if token is not None and key in self._tokens:
            before, answer = self._tokens[key]
            if before != said:
                code = "ConflictException" if call.service == "ecs" else "IdempotentParameterMismatch"
                raise refusal(call, code, "the token was used with other parameters")
            return answer
        rule = self._rules.get(call.operation)
        there = rule(call) if rule is not None else None
        answer = there if there is not None else self.inner.perform(call)
        if token is not None:
            self._tokens[key] = (said, answer)
        return answer

    def _ask(self, service: str, operation: str, **params: Any) -> Answer:
        return self.inner.perform(Call(service, operation, params))

    # -- what exists already

    def _create_service(self, call: Call) -> Answer | None:
        found = self._ask("ecs", "DescribeServices", cluster=call.params["cluster"], services=[_name_of(call)])
        if any(service["status"] != "INACTIVE" for service in found["services"]):
            raise refusal(call, "InvalidParameterException", "Creation of service was not idempotent.")
        return None

    def _create_load_balancer(self, call: Call) -> Answer | None:
        for one in self._ask("elbv2", "DescribeLoadBalancers")["LoadBalancers"]:
            if one["LoadBalancerName"] == call.params["Name"]:
                subnets = {zone["SubnetId"] for zone in one["AvailabilityZones"]}
                same = (
                    one["Scheme"] == call.params.get("Scheme", "internet-facing")
                    and subnets == set(call.params["Subnets"])
                    and set(one["SecurityGroups"]) == set(call.params["SecurityGroups"])
                )
                if same:
                    return {"LoadBalancers": [one]}
                raise refusal(call, "DuplicateLoadBalancerName", "a load balancer of that name exists")
        return None

    def _create_target_group(self, call: Call) -> Answer | None:
        for one in self._ask("elbv2", "DescribeTargetGroups")["TargetGroups"]:
            if one["TargetGroupName"] == call.params["Name"]:
                if all(one.get(key) == call.params[key] for key in ("Port", "Protocol", "VpcId", "HealthCheckPath")):
                    return {"TargetGroups": [one]}
                raise refusal(call, "DuplicateTargetGroupName", "a target group of that name exists")
        return None

    def _create_listener(self, call: Call) -> Answer | None:
        there = self._ask("elbv2", "DescribeListeners", LoadBalancerArn=call.params["LoadBalancerArn"])["Listeners"]
        for one in there:
            if one["Port"] == call.params["Port"]:
                if one["Protocol"] == call.params["Protocol"] and _groups(one) == _groups(call.params):
                    return {"Listeners": [one]}
                raise refusal(call, "DuplicateListener", "a listener of that port exists")
        return None

    def _attach_internet_gateway(self, call: Call) -> Answer | None:
        gateway, vpc = call.params["InternetGatewayId"], call.params["VpcId"]
        for one in self._ask("ec2", "DescribeInternetGateways")["InternetGateways"]:
            for attached in one["Attachments"]:
                if one["InternetGatewayId"] == gateway:
                    raise refusal(call, "Resource.AlreadyAssociated", f"{gateway} is attached already")
                if attached["VpcId"] == vpc:
                    text = f"Network {vpc} already has an internet gateway attached"
                    raise refusal(call, "InvalidParameterValue", text)
        return None

    def _describe_task_definition(self, call: Call) -> None:
        name = str(call.params["taskDefinition"]).rpartition("/")[2]
        if ":" not in name:
            found = self._ask("ecs", "ListTaskDefinitions", familyPrefix=name, status="ACTIVE")["taskDefinitionArns"]
            if not any(arn.rpartition("/")[2].partition(":")[0] == name for arn in found):
                raise refusal(call, "ClientException", "Unable to describe task definition.")

    # -- what something stands in

    def _delete_vpc(self, call: Call) -> None:
        vpc = call.params["VpcId"]
        gateways = self._ask("ec2", "DescribeInternetGateways")["InternetGateways"]
        groups = self._ask("ec2", "DescribeSecurityGroups", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
        inside = [one for one in gateways if any(each["VpcId"] == vpc for each in one["Attachments"])]
        inside += [one for one in groups["SecurityGroups"] if one["GroupName"] != "default"]
        inside += self._nat_gateways(vpc)
        if inside:
            raise refusal(call, "DependencyViolation", f"{vpc} has dependencies and cannot be deleted")

    def _detach_internet_gateway(self, call: Call) -> None:
        if self._nat_gateways(call.params["VpcId"]):
            text = f"Network {call.params['VpcId']} has some mapped public address(es)"
            raise refusal(call, "DependencyViolation", text)

    def _nat_gateways(self, vpc: str) -> list[Any]:
        found = self._ask("ec2", "DescribeNatGateways")["NatGateways"]
        return [one for one in found if one["VpcId"] == vpc and one["State"] in _STANDING]

    def _delete_subnet(self, call: Call) -> None:
        subnet = call.params["SubnetId"]
        for one in self._ask("elbv2", "DescribeLoadBalancers")["LoadBalancers"]:
            if any(zone["SubnetId"] == subnet for zone in one["AvailabilityZones"]):
                raise refusal(call, "DependencyViolation", f"{subnet} has dependencies and cannot be deleted")
        gateways = self._ask("ec2", "DescribeNatGateways")["NatGateways"]
        endpoints = self._ask("ec2", "DescribeVpcEndpoints")["VpcEndpoints"]
        inside = any(one["SubnetId"] == subnet and one["State"] in _STANDING for one in gateways)
        if inside or any(subnet in one.get("SubnetIds", ()) and one["State"] in _STANDING for one in endpoints):
            raise refusal(call, "DependencyViolation", f"{subnet} has dependencies and cannot be deleted")

    def _delete_security_group(self, call: Call) -> None:
        group = call.params["GroupId"]
        used = any(
            group in one.get("SecurityGroups", ())
            for one in self._ask("elbv2", "DescribeLoadBalancers")["LoadBalancers"]
        )
        rules = self._ask("ec2", "DescribeSecurityGroupRules")["SecurityGroupRules"]
        named = any(
            one.get("ReferencedGroupInfo", {}).get("GroupId") == group and one["GroupId"] != group for one in rules
        )
        endpoints = self._ask("ec2", "DescribeVpcEndpoints")["VpcEndpoints"]
        used |= any(group == each["GroupId"] for one in endpoints for each in one.get("Groups", ()))
        if used or named:
            raise refusal(call, "DependencyViolation", f"{group} has a dependent object")

    def _release_address(self, call: Call) -> None:
        address = call.params["AllocationId"]
        gateways = self._ask("ec2", "DescribeNatGateways")["NatGateways"]
        holding = [one for one in gateways if one["State"] in _STANDING]
        if any(each["AllocationId"] == address for one in holding for each in one["NatGatewayAddresses"]):
            raise refusal(call, "AuthFailure", "You do not have permission to access the specified resource.")

    def _delete_cluster(self, call: Call) -> None:
        cluster = call.params["cluster"]
        arns = self._ask("ecs", "ListServices", cluster=cluster)["serviceArns"]
        found = self._ask("ecs", "DescribeServices", cluster=cluster, services=arns)["services"] if arns else []
        if any(service["status"] != "INACTIVE" for service in found):
            raise refusal(call, "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are")

    def _deregister_scalable_target(self, call: Call) -> None:
        """Its policies go with it."""
        target = {key: call.params[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
        found = self._ask("application-autoscaling", "DescribeScalingPolicies", ServiceNamespace="ecs")
        for policy in found["ScalingPolicies"]:
            if policy["ResourceId"] == target["ResourceId"]:
                self._ask("application-autoscaling", "DeleteScalingPolicy", PolicyName=policy["PolicyName"], **target)

    def _delete_nat_gateway(self, call: Call) -> Answer:
        """moto keeps its address associated, and gives it to nobody again."""
        answer = self.inner.perform(call)
        held = self._ask("ec2", "DescribeNatGateways", NatGatewayIds=[call.params["NatGatewayId"]])["NatGateways"]
        for address in held[0]["NatGatewayAddresses"]:
            found = self._ask("ec2", "DescribeAddresses", AllocationIds=[address["AllocationId"]])["Addresses"]
            if found[0].get("AssociationId"):
                self._ask("ec2", "DisassociateAddress", AssociationId=found[0]["AssociationId"])
        return answer


def refusal(call: Call, code: str, message: str = "", status: int = 400) -> errors.AwsError:
    """AWS's error as the product gets to see it: through its own translation."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate(call, ClientError(response, call.operation))


_STANDING = frozenset({"pending", "available", "deleting"})


def _name_of(call: Call) -> str:
    return str(call.params["serviceName"])


def _groups(item: Mapping[str, Any]) -> set[tuple[str, int]]:
    found = set()
    for action in item["DefaultActions"]:
        for group in action.get("ForwardConfig", {}).get("TargetGroups", ()):
            found.add((group["TargetGroupArn"], group.get("Weight", 1)))
    return found
