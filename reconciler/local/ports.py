"""The seam between the laptop's AWS API and what really runs: tasks, health checks, listeners.

The control plane (`aws.py` and what it owns) decides; whoever implements the three ports does. The control plane calls
the ports; the ports report through `ControlPlane`, from any thread, and never wait for it: a report is put in an inbox
and acted on at the next tick. No port method blocks: each starts what it has to start and returns.

Two addresses, kept apart. A task's *private address* (10.0.1.37) is what AWS's API shows: it belongs to a network
interface in the task's subnet. Where the process really listens (127.31.0.5:80, or another port where 80 may not be
bound) is reported by the runner with `on_started` and handed to the probe as `Target.host` and `Target.host_port`.

A task, as the runner sees it:

    start ──► on_started ──► on_exit (once per container) … the task is over when every container has exited
      └─────► on_failed_to_start: nothing runs, nothing more is reported

`stop` may come at any moment, twice, or for a task that has never been heard of. A task that is stopped before
`on_started` ends with `on_failed_to_start`; one that was started ends with an `on_exit` per container still running.

A target, as the probe sees it:

    set_targets with it ──► initial ──► healthy ⇄ unhealthy   (while the group is in use; else `unused`)
    set_targets without it ──► draining for the group's delay ──► absent; a group not in use skips the draining
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from reconciler.local.container_options import ContainerHealthCheck, Dependency, Mount, RestartPolicy
from reconciler.local.inside import Inside, Usage
from reconciler.local.sign_in import SignIn

HealthState = Literal["initial", "healthy", "unhealthy", "unhealthy.draining", "unused", "draining", "unavailable"]


# ---- tasks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContainerLaunch:
    """One container of a task, everything resolved: secrets and overrides are already in `environment`."""

    name: str
    image: str
    environment: Mapping[str, str]
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    ports: tuple[int, ...] = ()
    essential: bool = True
    stop_timeout: float = 30.0
    start_timeout: float | None = None
    digest: str = ""  # of the image, where ECR has resolved it: what its tag means now may be another one
    log_region: str = ""
    log_group: str = ""  # "": output is dropped
    log_stream: str = ""
    health_check: ContainerHealthCheck | None = None
    depends_on: tuple[Dependency, ...] = ()
    mounts: tuple[Mount, ...] = ()
    restart: RestartPolicy | None = None


@dataclass(frozen=True, slots=True)
class TaskLaunch:
    """A task to start. `group` is `service:<name>` or `family:<name>`, as AWS says it."""

    task_id: str
    task_arn: str
    cluster: str
    group: str
    family: str
    revision: int
    private_address: str
    containers: tuple[ContainerLaunch, ...]
    zone: str = ""
    cpu: float = 0.0  # vCPUs that it has reserved; 0: none
    memory: float = 0.0  # MiB


class TaskRunner(Protocol):
    @property
    def metered(self) -> bool:
        """Whether anything is to be measured at all."""

    def bind(self, control: ControlPlane) -> None:
        """Called once, before anything else: who is to be told."""

    def measure(self) -> None:
        """Exactly one `on_usage` follows."""

    def start(self, task: TaskLaunch) -> None:
        """Start the task: exactly one `on_started` or `on_failed_to_start` follows."""

    def stop(self, task_id: str, reason: str) -> None:
        """Ask every container to end (SIGTERM, `stop_timeout`, SIGKILL: exit code 137)."""

    def inside(self, task_id: str) -> Mapping[str, Inside]:
        """Where the processes of a running task are, by container; empty if it has none."""

    def kill(self, task_id: str, exit_code: int = 1) -> None:
        """The essential containers end at once, as in a crash; a process that can only be killed has the code 137."""

    def reset(self) -> None:
        """End everything now, without reports: the state of the laptop is thrown away."""


# ---- targets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TargetGroupSettings:
    """A target group as the health checker and the balancer need it; times are seconds of the clock."""

    arn: str
    name: str
    protocol: str = "HTTP"
    port: int = 80
    in_use: bool = True  # a listener or a rule names it; else its targets are `unused` and never checked
    health_check_enabled: bool = True
    health_check_protocol: str = "HTTP"
    health_check_port: str = "traffic-port"
    health_check_path: str = "/"
    interval: float = 30.0
    timeout: float = 5.0
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"  # "200,204" or "200-299"; of gRPC its own codes
    deregistration_delay: float = 300.0
    slow_start: float = 0.0
    algorithm: str = "round_robin"
    stickiness: float = 0.0  # seconds; 0: none
    cookie: str = ""  # the application's, which keeps its client; "" for one of the load balancer's


@dataclass(frozen=True, slots=True)
class Target:
    """A registered target. Identity is (id, port): what AWS shows. `host` and `host_port` are where it really is.

    `host` is "" for an address that no task of this laptop has: nothing listens there.
    `never_healthy` is a fault on demand: every check of it fails with Target.ResponseCodeMismatch, whatever it answers.
    """

    id: str
    port: int
    zone: str = ""
    host: str = ""
    host_port: int = 0
    never_healthy: bool = False


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target's health, in AWS's words (DescribeTargetHealth)."""

    target: Target
    state: HealthState
    reason: str = ""
    description: str = ""


class TargetProbe(Protocol):
    def bind(self, control: ControlPlane) -> None:
        """Called once, before anything else: who is to be told."""

    def watch(self, group: TargetGroupSettings) -> None:
        """Begin to look after a group, or take over its changed settings."""

    def forget(self, group_arn: str) -> None:
        """The group is deleted, with all its targets, at once."""

    def set_targets(self, group_arn: str, targets: tuple[Target, ...]) -> None:
        """The targets registered from now on; those left out drain and go. A draining one named again is initial."""

    def states(self, group_arn: str) -> tuple[TargetState, ...]:
        """Every target of the group that is not absent, the draining included, in the order of registration."""

    def reset(self) -> None:
        """Forget everything now."""


# ---- listeners ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WeightedGroup:
    group_arn: str
    weight: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Weights are 0–999; all 0, or no group: 503. `stickiness` is the group stickiness in seconds, 0: none."""

    groups: tuple[WeightedGroup, ...]
    stickiness: float = 0.0


@dataclass(frozen=True, slots=True)
class FixedResponse:
    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """`#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}` stand for the request's own."""

    status: int  # 301 or 302
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: any of `values` will do.

    Wildcards are `*` and `?`, in host-header, path-pattern, http-header and query-string. Query-string values are
    "key=value", or "value" alone for any key. Host and header values compare without case, paths with it.
    """

    field: Literal["host-header", "path-pattern", "http-header", "http-request-method", "query-string", "source-ip"]
    values: tuple[str, ...]
    name: str = ""  # of the header, for http-header
    regex: bool = False  # the values are regular expressions


@dataclass(frozen=True, slots=True)
class Route:
    """A rule. All conditions must hold; the default rule has none and comes last."""

    rule_arn: str
    priority: int | None  # None: the default rule
    conditions: tuple[Condition, ...]
    action: Forward | FixedResponse | Redirect
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What a secure listener shows. One without `chain` is issued for its names by whoever serves the listener."""

    names: tuple[str, ...]
    chain: str = ""  # PEM, the certificate itself first
    key: str = field(default="", repr=False)  # PEM


@dataclass(frozen=True, slots=True)
class ListenerRoutes:
    """One listener with its rules in the order in which they are tried.

    `certificates` are those of HTTPS and TLS, the default one first, which may be listed twice.
    """

    listener_arn: str
    load_balancer: str  # its name
    load_balancer_arn: str
    dns_name: str
    port: int
    protocol: str
    routes: tuple[Route, ...]
    idle_timeout: float = 60.0
    certificates: tuple[ServerCertificate, ...] = ()
    oldest_tls: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests to a listener that ended alike; `group_arn` is "" where no target group was chosen."""

    listener_arn: str
    group_arn: str
    status: int
    by: Literal["target", "elb"]  # who gave this status: the target, or the load balancer itself
    requests: int = 1
    seconds: float | None = None  # how long the target took


class LoadBalancing(Protocol):
    protocol_versions: ClassVar[frozenset[str]]
    """What it speaks to targets of HTTP and HTTPS, by ELB's names. Target groups of other versions are refused."""

    @property
    def metered(self) -> bool:
        """Whether anything is to be measured at all."""

    def bind(self, control: ControlPlane) -> None:
        """Called once, before anything else."""

    def measure(self) -> None:
        """Exactly one `on_traffic` follows, with the requests since the one before."""

    def configure(self, table: tuple[ListenerRoutes, ...]) -> None:
        """From now on exactly these listeners, atomically; requests under way end as they began.

        The table is of all regions. A port belongs to its load balancer: others, of this region or another one, may
        have listeners on the same.
        """

    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Where each listener (by ARN) can really be reached: host and port. One that could not be opened is absent."""

    def authority(self) -> tuple[str, str] | None:
        """The certificate (PEM) of whoever has issued those of secure listeners, and its file; None: nobody does."""

    def reset(self) -> None:
        """Close every listener now."""


# ---- what the ports may tell and ask --------------------------------------------------------------------------------


class ControlPlane(Protocol):
    """The local AWS emulator as its ports see it. Every method returns at once and may be called from any thread."""

    def on_started(self, task_id: str, address: str, ports: Mapping[int, int]) -> None:
        """Every container runs, and listens on `address`; `ports` has the port there by container port."""

    def on_failed_to_start(self, task_id: str, stopped_reason: str) -> None:
        """As AWS words it: "CannotPullContainerError: …", "ResourceInitializationError: …"."""

    def on_exit(self, task_id: str, container: str, exit_code: int, reason: str = "") -> None:
        """A container has ended; `reason` as AWS words it ("OutOfMemoryError: …"), mostly empty."""

    def on_container_health(self, task_id: str, container: str, healthy: bool) -> None:
        """A container's own health check has made up its mind, or changed it."""

    def on_targets_changed(self, group_arn: str) -> None:
        """`states(group_arn)` is not what it was."""

    def on_usage(self, usage: Mapping[str, Usage]) -> None:
        """The answer to `TaskRunner.measure`, by task."""

    def on_traffic(self, traffic: Sequence[Traffic]) -> None:
        """The answer to `LoadBalancing.measure`."""

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` once the clock is that many seconds further, inside a tick."""

    def write_logs(self, region: str, group: str, stream: str, lines: tuple[tuple[int, str], ...]) -> None:
        """Put lines (milliseconds since 1970, text) into CloudWatch Logs; the stream is there once a task starts."""
