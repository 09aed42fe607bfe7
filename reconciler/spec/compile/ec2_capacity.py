"""Compilation of a Cluster's EC2 capacity, from the role of its instances to the capacity provider.

In the order in which AWS needs them, and deletes them against it: cluster, role, instance profile, launch template,
Auto Scaling group, capacity provider, and what attaches the capacity provider to the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from reconciler.model.resource import Address, Desired, Keep, Link, Path, Ref
from reconciler.resources.auto_scaling_group import AutoScalingGroupSpec
from reconciler.resources.capacity_provider import CapacityProviderSpec
from reconciler.resources.cluster_capacity import ClusterCapacitySpec
from reconciler.resources.instance_profile import EC2, InstanceProfileSpec
from reconciler.resources.launch_template import LaunchTemplateSpec
from reconciler.spec import names
from reconciler.spec.compile import role
from reconciler.spec.compile.context import Context, strategy, unstated
from reconciler.spec.documents import Cluster
from reconciler.spec.documents.cluster import Ec2Capacity

IMAGES: Final = {
    "X86_64": "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
    "ARM64": "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
}
"""ECS developer guide, "Retrieving Amazon ECS-optimized Linux AMI metadata"."""
AGENT_POLICY: Final = "service-role/AmazonEC2ContainerServiceforEC2Role"
"""ECS developer guide, "Amazon ECS container instance IAM role"."""


def compile_ec2_capacity(context: Context, cluster: Cluster) -> Iterator[Desired[Any]]:
    for index, capacity in enumerate(cluster.ec2_capacity):
        yield from _instances(context, cluster, capacity, index)
    if cluster.ec2_capacity:
        own = (Ref(Address("capacity-provider", capacity.name)) for capacity in cluster.ec2_capacity)
        kept: dict[Path, Keep] = unstated(cluster, default_strategy="default_strategy")
        kept |= {} if "capacity_providers" in cluster.model_fields_set else {("providers",): Keep.ITEMS}
        yield context.desired(
            cluster,
            Address("cluster-capacity", cluster.name),
            ClusterCapacitySpec(
                cluster=Ref(Address("cluster", cluster.name)),
                providers=(*cluster.capacity_providers, *own),
                default_strategy=strategy(cluster.default_strategy, cluster),
            ),
            "ec2_capacity",
            kept=kept,
        )


def _instances(context: Context, cluster: Cluster, capacity: Ec2Capacity, index: int) -> Iterator[Desired[Any]]:
    path, name, in_aws = ("ec2_capacity", index), capacity.name, capacity.name_in_aws
    if capacity.role is None:
        yield _role(context, cluster, capacity)
    in_profile: Link = Ref(Address("role", names.instance_role(name)))
    profile = Address("instance-profile", names.instance_role(name))
    yield context.desired(
        cluster,
        profile,
        InstanceProfileSpec(
            name=capacity.role_in_aws(names.instance_role),
            role=in_profile if capacity.role is None else context.role(capacity.role),
            path=context.stack.roles.path,
        ),
        *path,
        tags=role.in_region(context),
    )
    template, group = Address("launch-template", name), Address("auto-scaling-group", name)
    yield context.desired(
        cluster,
        template,
        LaunchTemplateSpec(
            name=in_aws,
            cluster=Ref(Address("cluster", cluster.name)),
            image=_image(capacity),
            instance_profile=Ref(profile),
            security_groups=context.security_groups(capacity.security_groups),
            public_ip=capacity.public_ip,
            volume=capacity.volume,
        ),
        *path,
        name=in_aws,
    )
    yield context.desired(
        cluster,
        group,
        AutoScalingGroupSpec(
            name=in_aws,
            template=Ref(template),
            instance_types=capacity.instance_types,
            subnets=context.subnets(capacity.subnets),
            min=capacity.min,
            max=capacity.max,
            protected=capacity.termination_protection,
        ),
        *path,
        name=in_aws,
    )
    yield context.desired(
        cluster,
        Address("capacity-provider", name),
        CapacityProviderSpec(
            name=in_aws,
            group=Ref(group),
            target_capacity=capacity.target_capacity,
            termination_protection=capacity.termination_protection,
            draining=capacity.draining,
        ),
        *path,
    )


def _role(context: Context, cluster: Cluster, capacity: Ec2Capacity) -> Desired[Any]:
    """With AWS's own policy for the ECS agent. EC2 is trusted without conditions, as AWS documents it."""
    want = role.generated(context, cluster, names.instance_role, EC2, None, {}, of=capacity)
    policy = f"arn:{context.partition}:iam::aws:policy/{AGENT_POLICY}"
    return replace(want, spec=want.spec.model_copy(update={"managed": (policy,)}))


def _image(capacity: Ec2Capacity) -> str:
    """As a launch template takes it: EC2 looks up a parameter with each start."""
    if capacity.image is None:
        return f"resolve:ssm:{IMAGES[capacity.architecture]}"
    return f"resolve:{capacity.image}" if capacity.image.startswith("ssm:") else capacity.image
