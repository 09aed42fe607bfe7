"""Names of AWS resources derived from documents: one function each, used by the compiler and the checks.

Names that users write (load balancers, target groups, clusters, services, repositories, roles, security groups) are
used in AWS with the Stack's prefix and suffix (`NamedInAws.name_in_aws`); the ones below are derived from them.
"""

from __future__ import annotations

from reconciler.rollout.fallback_state import suffix


def vpc(network: str) -> str:
    return f"{network}-vpc"


def subnet(network: str, subnet: str) -> str:
    return f"{network}-subnet-{subnet}"


def route_table(network: str, table: str) -> str:
    return f"{network}-rtb-{table}"


def internet_gateway(network: str) -> str:
    return f"{network}-igw"


def egress_only_internet_gateway(network: str) -> str:
    return f"{network}-eigw"


def nat_gateway(network: str, zone: str) -> str:
    """The gateway in one zone; its elastic IP has the same name."""
    return f"{network}-nat-{zone}"


def endpoint(network: str, service: str) -> str:
    """`service` as AWS ends it: s3, ecr.api, ecr.dkr, logs."""
    return f"{network}-vpce-{service}"


def endpoint_group(network: str) -> str:
    """The security group of a network's interface endpoints: 443 from inside the network."""
    return f"{network}-endpoints"


def on_demand(service: str, number: int) -> str:
    """A service beside one that prefers Spot."""
    return service + suffix(number)


def log_group(workload: str) -> str:
    """Of a Service or Task that names none itself."""
    return f"/ecs/{workload}"


def execution_role(workload: str) -> str:
    """What ECS may do to start a task."""
    return f"{workload}-execution"


def task_role(workload: str) -> str:
    """Made where ECS Exec is on and the document names no role."""
    return f"{workload}-task"


def schedule_role(task: str) -> str:
    """What EventBridge Scheduler starts a task with."""
    return f"{task}-schedule"


def codedeploy_role(service: str) -> str:
    """What CodeDeploy deploys the service with."""
    return f"{service}-codedeploy"


def infrastructure_role(service: str) -> str:
    """What ECS shifts the service's traffic with."""
    return f"{service}-infrastructure"


def hook_role(service: str) -> str:
    """What ECS calls the functions of the service's lifecycle hooks with."""
    return f"{service}-hooks"


def volume_role(service: str) -> str:
    """What ECS manages the volumes of the service's tasks with."""
    return f"{service}-volumes"


def instance_role(capacity: str) -> str:
    """What the ECS agent of EC2 capacity runs as; its instance profile has the same name."""
    return f"{capacity}-instance"


def alarm(service: str, what: str) -> str:
    """`what` is cpu, memory, or 5xx or unhealthy with a target group."""
    return f"{service}-{what}"


def scaling_policy(service: str, metric: str) -> str:
    """`metric` is cpu, memory or requests."""
    return f"{service}-{metric}"


def event_queue(stack_id: str) -> str:
    """Of the queue and of the rule. SQS takes fewer signs than a Stack's name may have."""
    return f"{stack_id.replace('@', '-').replace('.', '-')}-events"


def dead_letters(queue: str) -> str:
    return f"{queue}-dead"
