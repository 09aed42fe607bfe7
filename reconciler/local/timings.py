"""How long things take on the local AWS emulator, in seconds of its clock.

The defaults are AWS's own order of events with the waiting taken out, so that a person at a laptop sees every state and
never waits long for one. `aws()` has AWS's durations, for tests on a stepped clock; `instant()` has none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    load_balancer_provisioning: float = 3.0
    """provisioning → active."""
    load_balancer_interfaces: float = 5.0
    """How long a deleted load balancer's network interfaces stay."""
    task_provisioning: float = 0.5
    """PROVISIONING: the network interface is made."""
    task_pull: float = 0.0
    """PENDING beyond what the runner itself takes: the image is pulled."""
    task_deprovisioning: float = 0.5
    """DEPROVISIONING: the network interface goes."""
    task_interface: float = 2.0
    """How long a stopped task's network interface stays in its subnet."""
    task_kept: float = 3600.0
    """How long a stopped task is still described."""
    health_checks: bool = False
    """Whether a scripted target is healthy only after the checks of its group; one that is a process always is."""
    steady_after: float = 2.0
    """How long a task without any health check must have run before its service counts it as healthy."""
    retry_first: float = 1.0
    """Before a task that failed to start is replaced; doubles with each further failure."""
    retry_most: float = 900.0
    alarm_poll: float = 5.0
    """Between two looks at the alarms of a deployment."""
    service_kept: float = 3600.0
    """How long an INACTIVE service is still described."""
    deployment_stage: float = 0.5
    """What each stage of a native or CodeDeploy deployment takes that has nothing to wait for."""
    network_shift: float = 0.0
    """What a native deployment waits besides once it has shifted traffic of a network load balancer."""
    green_within: float = 86_400.0
    """A native deployment's green must be healthy within this, else it rolls back."""
    install_within: float = 3_600.0
    """The same for CodeDeploy."""
    iam_propagation: float = 0.0
    """How long other services cannot assume a new role."""
    nat_gateway_provisioning: float = 0.0
    event_delivery: float = 0.2
    """From what happens to the event of it in a target's queue."""
    api_event_delivery: float = 1.0
    """The same of an API call, whose event comes by way of CloudTrail."""
    lookup_delay: float = 5.0
    """From an API call until LookupEvents shows it."""
    certificate_validation: float = 3.0
    """Between the record of a certificate and the certificate."""

    @classmethod
    def instant(cls) -> Timings:
        """Nothing takes time, except what must end by itself: a retry, and what is kept to be looked at."""
        return cls(
            load_balancer_provisioning=0,
            load_balancer_interfaces=0,
            task_provisioning=0,
            task_deprovisioning=0,
            task_interface=0,
            steady_after=0,
            deployment_stage=0,
            event_delivery=0,
            api_event_delivery=0,
            lookup_delay=0,
            certificate_validation=0,
        )

    @classmethod
    def aws(cls) -> Timings:
        """What AWS takes, where it is published or was observed: ELB and ECS developer guides, waiters of botocore."""
        return cls(
            load_balancer_provisioning=120,
            load_balancer_interfaces=180,
            task_provisioning=10,
            task_pull=15,
            task_deprovisioning=10,
            task_interface=60,
            health_checks=True,
            steady_after=40,
            retry_first=10,
            alarm_poll=60,
            deployment_stage=20,
            network_shift=600,
            iam_propagation=10,
            nat_gateway_provisioning=90,
            event_delivery=0.5,
            api_event_delivery=60,
            lookup_delay=300,
            certificate_validation=180,
        )
