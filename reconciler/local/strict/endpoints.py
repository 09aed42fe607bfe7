"""EC2: VPC endpoints, which are of a service that there is, and hold interfaces and routes.

EC2 API reference, the operation's own page.
"""

from __future__ import annotations

import re

from reconciler.local.network import attach
from reconciler.local.refusal import Refusal
from reconciler.local.strict import endpoint_services, members
from reconciler.local.strict.rule import After, Before, Form, listed
from reconciler.local.wire import Response
from reconciler.local.world import World


def create_vpc_endpoint(world: World, form: Form) -> None:
    """CreateVpcEndpoint, "ServiceName": InvalidServiceName for one that is not there."""
    name = str(form.get("ServiceName", ""))
    ours = {one.service_name for one in world.network.ec2.configurations.values()}
    if name not in endpoint_services.names(world.region) | ours:
        raise Refusal("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")


def describe_vpc_endpoint_services(world: World, form: Form) -> None:  # noqa: ARG001 — every rule has this signature
    """DescribeVpcEndpointServices: moto imports everything to look for a few, and does not take its own filters."""
    ec2 = world.network.ec2
    zones = tuple(zone.name for zone in ec2.describe_availability_zones())
    ec2._collect_default_endpoint_services = lambda _, region: list(endpoint_services.described(region, zones))
    ec2._filter_endpoint_services = lambda names, filters, there: endpoint_services.chosen(there, names, filters)


def delete_vpc_endpoints(world: World, form: Form) -> None:
    """moto looks for the routes of a gateway endpoint where they are not; they go here."""
    ec2 = world.network.ec2
    for endpoint_id in listed(form, "VpcEndpointId"):
        endpoint = ec2.vpc_end_points.get(endpoint_id)
        if endpoint is None or endpoint.vpc_endpoint_type == "Interface":
            continue
        for table_id in endpoint.route_table_ids or []:
            if table := ec2.route_tables.get(table_id):
                kept = {key: route for key, route in table._routes.items() if route.gateway_id != endpoint_id}
                table._routes = kept
        endpoint.route_table_ids = []


def vpc_endpoint_created(world: World, form: Form, response: Response) -> Response | None:
    """Its interfaces have the groups that were asked for and addresses of their subnets."""
    members.endpoint_created(world, form, response)
    found = re.search(rb"<vpcEndpointId>(vpce-[0-9a-f]+)", response.body)
    endpoint = world.network.ec2.vpc_end_points[found[1].decode()] if found else None
    if endpoint is None:
        return None
    endpoint.vpc_endpoint_type = endpoint.vpc_endpoint_type or "Gateway"
    for interface_id in endpoint.network_interface_ids or []:
        interface = world.network.ec2.enis[interface_id]
        wanted = listed(form, "SecurityGroupId")
        chosen = [world.network.ec2.get_security_group_from_id(group_id) for group_id in wanted]
        interface._group_set = [group for group in chosen if group] or interface._group_set
        interface.description = f"VPC Endpoint Interface {endpoint.id}"
        world.network.readdress(interface)
        attach(interface, "amazon-aws", "vpc_endpoint")
    return None


BEFORE: dict[tuple[str, str], Before] = {
    ("ec2", "CreateVpcEndpoint"): create_vpc_endpoint,
    ("ec2", "DeleteVpcEndpoints"): delete_vpc_endpoints,
    ("ec2", "DescribeVpcEndpointServices"): describe_vpc_endpoint_services,
}
AFTER: dict[tuple[str, str], After] = {("ec2", "CreateVpcEndpoint"): vpc_endpoint_created}
