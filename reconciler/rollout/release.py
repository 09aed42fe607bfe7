"""Release: everything of a service that is rolled out and rolled back together, and its rollout target in AWS.

Its id is a short hash of what determines its tasks: image, task definition, network, capacity and health check. Scaling
and listener conditions follow a release (reconcile/filters.py): changing them creates no new release and does not lift
a quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from reconciler.model import elb_actions

ID_LENGTH: Final = 12

Ports: TypeAlias = tuple[int | str, int | str]
"""The ports of the production and of the test listener, for people; "?" of one that is known by its ARN only, and
`SERVICE_CONNECT` where there is none."""


SERVICE_CONNECT: Final = "Service Connect"
"""In the place of a port: how requests come in where there is no load balancer."""


def entrance(port: int | str) -> str:
    """A port of a listener as it is shown, or what is in its place."""
    return str(port) if port == SERVICE_CONNECT else f":{port}"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Health check of a target group; times in seconds. `matcher` are codes of HTTP, or of gRPC."""

    path: str
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str
    port: str = "traffic-port"
    protocol: str = "HTTP"
    grpc: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    provider: str
    weight: int = 1
    base: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container port that ECS registers in a target group."""

    group: str
    container: str
    port: int


@dataclass(frozen=True, slots=True)
class Version:
    """A release that was in production, and the revision (`family:number`) of its tasks."""

    release: str
    task_definition: str


@dataclass(frozen=True, slots=True)
class Release:
    """What is to run. `task_definition` is an ARN; `health` belongs to the release's target group.

    `attached_to` are the names of the target groups, if they are part of the release: of deployments that ECS runs.
    `members` are the API members of the service whose change starts new tasks, as JSON.
    `service_connect` is that member of ECS's calls as JSON, "" where it is off. `aliases` are the ids that the
    same release has under other engines. `rotation_of` are the ids of releases that differ from it in nothing but
    versions of secrets, parameters and files.
    """

    id: str
    task_definition: str = ""
    container: str = ""
    port: int = 0
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_ip: bool = False
    launch_type: str | None = None
    capacity: tuple[Capacity, ...] = ()
    platform_version: str | None = None
    health: HealthCheck | None = None
    attached_to: tuple[str, ...] = ()
    members: str = ""
    service_connect: str = ""
    aliases: tuple[str, ...] = ()
    rotation_of: tuple[str, ...] = ()
    commit: str = ""

    @property
    def on_fargate(self) -> bool:
        return self.launch_type != "EC2" and all(one.provider.startswith("FARGATE") for one in self.capacity)


_OF_NO_TASK: Final = frozenset({"id", "task_definition", "aliases", "rotation_of", "commit"})
"""Fields of a release that do not make its tasks what they are; of the task definition its hash counts."""


def restart_id(restart: Version) -> str:
    """The id of a restart: of a release, as it is deployed once more in another revision with the same content."""
    from reconciler.model.stable_digest import digest

    return digest(["restart", restart.release, restart.task_definition], ID_LENGTH)


def release_id(content: str, like: Release) -> str:
    """The id of a release like this one whose task definition has the hash `content`; an upgrade does not change it."""
    from reconciler.model.stable_digest import digest, stable  # imports pydantic, which no command starts with

    parts = {name: value for name, value in stable(like).items() if name not in _OF_NO_TASK}
    return digest([content, parts], ID_LENGTH)


@dataclass(frozen=True, slots=True)
class TrafficEntry:
    """Entry point of requests: the default action of a listener, or a listener rule."""

    listener: str
    rule: str | None = None

    @property
    def arn(self) -> str:
        return self.rule or self.listener

    def is_rule(self, arn: str) -> bool:
        """Whether this is the rule of that ARN, as ECS names both: a listener's default action is a rule as well, whose
        ARN begins as the listener's does.
        """
        if self.rule is not None:
            return arn == self.rule
        return elb_actions.listener_of(arn) == self.listener


@dataclass(frozen=True, slots=True)
class RolloutTarget:
    """The service that is rolled out, by its AWS ids.

    `groups` are the two target groups; slot 0 is the first. `attached` are the target groups of a service whose
    deployments ECS runs, with those that it may not leave yet. `members` are the release's, with what the service has
    beyond them. `former` are the stack's other target groups, which the service's listeners may still name. `inherited`
    are those of `groups` in which a service has tasks that leaves the specs: this one under its former name. `scalable`
    is `service/<cluster>/<name>` if the service scales automatically and the specs do not suspend that. `stack_tags`
    are put on the task sets. `stickiness`: the seconds for which clients stay with a target group while both have
    weights; None leaves that as it is. `roles` are the stack's roles with the time of their creation, None for what was
    created just now.

    `gone` says which of `production` and `test` ECS was given as listeners or rules that are not there any more.

    `not_ready`: why `release` cannot be started, and then it may be unknown, without an id. `withdrawn`: why it is not
    in the history of the specs any more. Neither concerns what is being rolled out already. `judges` is the digest of
    what its releases are judged by.
    """

    cluster: str
    service: str
    release: Release
    name: str = ""
    groups: tuple[str, ...] = ()
    production: TrafficEntry | None = None
    test: TrafficEntry | None = None
    attached: tuple[Attachment, ...] = ()
    members: str = ""
    former: frozenset[str] = frozenset()
    inherited: frozenset[str] = frozenset()
    scalable: str | None = None
    stack_tags: tuple[tuple[str, str], ...] = ()
    stickiness: int | None = None
    roles: tuple[tuple[str, datetime | None], ...] = ()
    gone: tuple[str, ...] = ()
    not_ready: str = ""
    withdrawn: str = ""
    judges: str = ""
