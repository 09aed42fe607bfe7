"""What another team owns in the account: a network, a load balancer with two listeners, and rules of theirs.

platform = Platform(stage.laptop)         # made by others, without tags of reconciler
before = platform.state()
…
assert platform.state() == before         # nothing of theirs was written
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.local.inprocess import Laptop

PRODUCTION, TEST = 443, 9000
NAME: Final = "shared"
TAKEN: Final = 10
"""The priority of the rule that they have on each listener."""
REPLY: Final = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}


@dataclass(slots=True)
class Platform:
    laptop: Laptop
    ports: tuple[int, ...] = (PRODUCTION, TEST)
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    group: str = ""
    balancer: str = ""
    listeners: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ec2, elb = self.laptop.client("ec2"), self.elb
        self.vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}]
        (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
        ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        for number, zone in enumerate(("us-west-2a", "us-west-2b")):
            made = ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=zone)
            self.subnets.append(made["Subnet"]["SubnetId"])
        self.group = ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        made = elb.create_load_balancer(Name=NAME, Subnets=self.subnets, SecurityGroups=[self.group])
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        for port in self.ports:
            made = elb.create_listener(
                LoadBalancerArn=self.balancer, Port=port, Protocol="HTTP", DefaultActions=[REPLY]
            )
            self.listeners[port] = made["Listeners"][0]["ListenerArn"]
            condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/theirs"]}}
            elb.create_rule(ListenerArn=self.listeners[port], Priority=TAKEN, Conditions=[condition], Actions=[REPLY])

    @property
    def elb(self) -> Any:
        return self.laptop.client("elbv2")

    def rules(self, port: int) -> dict[str, dict[str, Any]]:
        """All rules of a listener, by priority."""
        answer = self.elb.describe_rules(ListenerArn=self.listeners[port])
        return {rule["Priority"]: rule for rule in answer["Rules"]}

    def weights(self, port: int, priority: int) -> dict[str, int]:
        """The name of a target group → its weight, of the rule with a priority."""
        groups = self.elb.describe_target_groups()["TargetGroups"]
        names = {group["TargetGroupArn"]: group["TargetGroupName"] for group in groups}
        (action,) = self.rules(port)[str(priority)]["Actions"]
        return {names[one["TargetGroupArn"]]: one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]}

    def state(self) -> Any:
        """Everything of theirs that can be read, with its tags, without the rules of others."""
        elb, ec2 = self.elb, self.laptop.client("ec2")
        subnets = ec2.describe_subnets(SubnetIds=self.subnets)["Subnets"]
        arns = [self.balancer, *self.listeners.values()]
        return (
            elb.describe_load_balancers(LoadBalancerArns=[self.balancer])["LoadBalancers"],
            elb.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"],
            [self.rules(port)[str(priority)] for port in self.ports for priority in (TAKEN, "default")],
            elb.describe_tags(ResourceArns=arns)["TagDescriptions"],
            [one | {"AvailableIpAddressCount": 0} for one in subnets],
            ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"],
            ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"],
        )
