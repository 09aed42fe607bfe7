"""One service of a Compose file: the fields that a container of ECS has, and notes of those that it has not.

It is one module because a service is one mapping, whose fields are of use nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from reconciler.model import secrecy
from reconciler.printable import hidden
from reconciler.scaffold import compose_values as values
from reconciler.scaffold.blueprint import App, Health, Use, fargate_size
from reconciler.scaffold.compose_environment import read_environment
from reconciler.scaffold.compose_values import PublishedPort, interpolated
from reconciler.scaffold.containers import health_within_limits, image_named, unversioned, with_dockerfile
from reconciler.scaffold.findings import Findings
from reconciler.spec.messages import shown
from reconciler.spec.node import Entry, Node, Scalar, Sequence
from reconciler.spec.node import Mapping as MappingNode

_IGNORED: Final = frozenset(
    {"container_name", "restart", "pull_policy", "stdin_open", "tty", "attach", "scale", "version", "networks"}
)
"""Fields that mean nothing on ECS, or what ECS does anyway."""

_READ: Final = frozenset(
    {
        "image", "build", "ports", "expose", "environment", "command", "entrypoint", "healthcheck", "depends_on",
        "deploy", "links", "user", "working_dir", "read_only", "stop_grace_period", "init", "platform", "cpus",
        "mem_limit", "profiles",
    }
)  # fmt: skip

_NOT_SAID: Final = frozenset(
    {
        "annotations", "blkio_config", "cap_add", "cap_drop", "cgroup", "cgroup_parent", "configs", "cpu_count",
        "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset",
        "credential_spec", "develop", "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname",
        "env_file", "extends", "external_links", "extra_hosts", "gpus", "group_add", "hostname", "ipc", "isolation",
        "label_file", "labels", "logging", "mac_address", "mem_reservation", "mem_swappiness", "memswap_limit",
        "models", "network_mode", "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "post_start", "pre_stop",
        "privileged", "provider", "runtime", "secrets", "security_opt", "shm_size", "stop_signal", "storage_opt",
        "sysctls", "tmpfs", "ulimits", "userns_mode", "use_api_socket", "uts", "volumes", "volumes_from",
    }
)  # fmt: skip
"""Further fields of the Compose specification."""

_ADVICE: Final[Mapping[str, str]] = {
    "volumes": "a task's files are gone when it stops; see volumes of the task for EFS and EBS",
    "env_file": "the file is not read; state its variables under environment and secrets",
    "secrets": "store them in SSM or Secrets Manager, and name them under secrets",
    "extends": "what it extends is not read",
}

_LONGEST_STOP: Final = 120


@dataclass(slots=True)
class ComposeService:
    app: App
    published: list[PublishedPort] = field(default_factory=list)
    depends_on: dict[str, tuple[str, Node]] = field(default_factory=dict)
    """Service → condition, and where it says so."""
    links: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    @property
    def public(self) -> bool:
        return any(port.protocol == "tcp" and port.host and not port.local for port in self.published)


def read_service(findings: Findings, name: str, found: Node, folder: Path) -> ComposeService:
    """`name` is its name in the file, `folder` that of the file. Problems are added to `findings`."""
    service = ComposeService(App(name, Use.WORKER))
    entries = findings.mapping(found, name)
    fields = dict(findings.known(entries, _READ | _IGNORED | _NOT_SAID, f"the service {shown(name)}"))
    if not {"image", "build"} & set(fields):
        findings.add(found, f"the service {shown(name)} needs 'image' or 'build'")
    reader = _Reader(findings, service, folder)
    for one, value in fields.items():
        if one in _READ:
            getattr(reader, f"read_{one}")(value)
        elif one in _NOT_SAID and not _is_empty(value):
            reader.note(f"{one}: {_ADVICE.get(one, 'not carried over')}")
    reader.finish(fields.get("scale"))
    return service


def _is_empty(value: Node) -> bool:
    return (isinstance(value, Scalar) and value.value is None) or (
        isinstance(value, Sequence | MappingNode) and value.size == 1
    )


@dataclass(slots=True)
class _Reader:
    findings: Findings
    service: ComposeService
    folder: Path
    cpu: float = 0
    memory: int = 0
    build: tuple[Node, str, str] | None = None

    def set(self, **fields: object) -> None:
        self.service.app = replace(self.service.app, **fields)  # type: ignore[arg-type]  # of the fields' types

    def note(self, text: str) -> None:
        self.service.app = replace(self.service.app, notes=(*self.service.app.notes, text))

    def value(self, node: Node, what: str) -> str:
        """Text with its variables replaced; one without a value is a problem."""
        text = self.findings.text(node, what)
        known = interpolated(text)
        if known is None:
            self.findings.add(node, f"{what}: a variable has no default here; write ${{NAME:-default}}")
            return ""
        if any(hidden(character) for character in known if character not in "\n\t"):
            self.findings.add(node, f"{what}: contains invisible characters")
            return ""
        return known

    def parsed(self, node: Node, what: str, read: Callable[[str], int | None], form: str) -> int:
        text = self.value(node, what)
        found = read(text) if text else 0
        if found is None:
            self.findings.add(node, f"{what}: expected {form}, found {shown(text)}")
        return found or 0

    def flag(self, node: Node, what: str) -> bool:
        text = self.value(node, what)
        if text not in ("true", "false", ""):
            self.findings.add(node, f"{what}: expected true or false, found {shown(text)}")
        return text == "true"

    # -- fields, by their names

    def read_image(self, node: Node) -> None:
        image = self.value(node, "image")
        if image and not image_named(image):
            self.findings.add(node, f"{shown(image)} is not an image")
        elif image and unversioned(image):
            self.note(f"image: {shown(image)} is another one after every push; name a version, such as {image}:1.2.3")
        self.set(image=image)

    def read_build(self, node: Node) -> None:
        context, file = ".", "Dockerfile"
        if isinstance(node, MappingNode):
            for one, entry in node.entries.items():
                if one == "context":
                    context = self.value(entry.value, "context")
                elif one == "dockerfile":
                    file = self.value(entry.value, "dockerfile")
        else:
            context = self.value(node, "build")
        self.build = (node, context, file)

    def read_ports(self, node: Node) -> None:
        for item in self.findings.items(node, "ports"):
            if isinstance(item, MappingNode):
                self.service.published += self._long_port(item)
                continue
            text = self.value(item, "ports")
            found = values.ports(text) if text else []
            if found is None:
                self.findings.add(item, f"{shown(text)} is not a port such as 8080:80")
            self.service.published += [replace(one, host=one.host or str(one.port)) for one in found or []]

    def _long_port(self, node: MappingNode) -> Iterator[PublishedPort]:
        if "target" not in node.entries:
            self.findings.add(node, "a port needs 'target'")
            return
        known = {name: self.value(entry.value, name) for name, entry in node.entries.items()}
        target = known["target"]
        found = values.ports(target + ("/udp" if known.get("protocol") == "udp" else "")) if target else []
        if found is None or len(found) > 1:
            self.findings.add(node.entries["target"].value, f"{shown(target)} is not a port")
            return
        local = known.get("host_ip", "").startswith("127.")
        yield from (replace(one, host=known.get("published") or target, local=local) for one in found)

    def read_expose(self, node: Node) -> None:
        for item in self.findings.items(node, "expose"):
            text = self.value(item, "expose")
            found = values.ports(text) if text else []
            if found is None:
                self.findings.add(item, f"{shown(text)} is not a port")
            self.service.published += [replace(one, host="") for one in found or []]

    def read_environment(self, node: Node) -> None:
        found = read_environment(self.findings, node)
        self.set(environment=found.clear, secrets=tuple(found.secrets), unknown=tuple(found.unknown))

    def read_command(self, node: Node) -> None:
        self.set(command=self._words(node, "command"))

    def read_entrypoint(self, node: Node) -> None:
        self.set(entrypoint=self._words(node, "entrypoint"))

    def _words(self, node: Node, what: str) -> tuple[str, ...]:
        if isinstance(node, Sequence):
            found: tuple[str, ...] | None = tuple(self.value(item, what) for item in node.items)
        else:
            found = values.words(self.value(node, what))
        if found is None:
            self.findings.add(node, f"{what}: a quote is not closed")
            return ()
        if any(secrecy.secret_value(word) or secrecy.masked(word) != word for word in found):
            self.note(f"{what}: a part of it looks like a secret; read that from a variable of secrets")
            return ()
        return found

    def read_healthcheck(self, node: Node) -> None:
        entries = self.findings.mapping(node, "healthcheck")
        fields = {name: entry.value for name, entry in entries.items()}
        if "disable" in fields and self.flag(fields["disable"], "disable"):
            return
        test = fields.get("test")
        if test is None:
            return
        if isinstance(test, Sequence):
            command = tuple(self.value(item, "test") for item in test.items)
            if command[:1] == ("NONE",):
                return
            if command[:1] not in (("CMD",), ("CMD-SHELL",)) or len(command) < 2:
                self.findings.add(test, "test: expected [CMD, program, …], [CMD-SHELL, line] or [NONE]")
                return
        else:
            command = ("CMD-SHELL", self.value(test, "test"))
        times = {
            one: self.parsed(fields[one], one, values.seconds, "a duration such as 30s")
            for one in ("interval", "timeout", "start_period")
            if one in fields
        }
        retries = self._number(fields["retries"], "retries") if "retries" in fields else None
        health = Health(command, retries=retries, path=values.requested_path(command), **times)
        self.set(health=self._checked(health))

    def _checked(self, health: Health) -> Health | None:
        if any(secrecy.secret_value(word) for word in health.command):
            self.note("healthcheck: a part of it looks like a secret")
            return None
        return health_within_limits(health)

    def _number(self, node: Node, what: str) -> int:
        return self.parsed(node, what, lambda text: int(text) if text.isascii() and text.isdigit() and len(text) < 7
                           else None, "a whole number")  # fmt: skip

    def read_depends_on(self, node: Node) -> None:
        if isinstance(node, Sequence):
            for item in node.items:
                self.service.depends_on[self.findings.text(item, "depends_on")] = ("service_started", item)
            return
        for name, entry in self.findings.mapping(node, "depends_on").items():
            condition = entry.value.text("condition") if isinstance(entry.value, MappingNode) else None
            self.service.depends_on[name] = (condition or "service_started", entry.key)

    def read_links(self, node: Node) -> None:
        names = (self.findings.text(item, "links").partition(":")[0] for item in self.findings.items(node, "links"))
        self.service.links = tuple(names)

    def read_deploy(self, node: Node) -> None:
        for name, entry in self.findings.mapping(node, "deploy").items():
            if name == "replicas":
                self._replicas(entry)
            elif name == "resources" and isinstance(entry.value, MappingNode):
                for limits in (one.value for key, one in entry.value.entries.items() if key == "limits"):
                    fields = {key: one.value for key, one in self.findings.mapping(limits, "limits").items()}
                    if "cpus" in fields:
                        self.read_cpus(fields["cpus"])
                    if "memory" in fields:
                        self.read_mem_limit(fields["memory"])

    def _replicas(self, entry: Entry) -> None:
        self.set(count=min(self._number(entry.value, entry.key.text), 5000))

    def read_user(self, node: Node) -> None:
        self.set(user=self.value(node, "user"))

    def read_working_dir(self, node: Node) -> None:
        self.set(working_directory=self.value(node, "working_dir"))

    def read_read_only(self, node: Node) -> None:
        self.set(readonly_root=self.flag(node, "read_only"))

    def read_init(self, node: Node) -> None:
        self.set(init=self.flag(node, "init"))

    def read_stop_grace_period(self, node: Node) -> None:
        wanted = self.parsed(node, "stop_grace_period", values.seconds, "a duration such as 30s")
        if wanted > _LONGEST_STOP:
            self.note(f"stop_grace_period: Fargate stops a container after {_LONGEST_STOP} seconds at the latest")
        self.set(stop_timeout=min(wanted, _LONGEST_STOP))

    def read_platform(self, node: Node) -> None:
        self.set(arm="arm64" in self.value(node, "platform"))

    def read_cpus(self, node: Node) -> None:
        def units(text: str) -> int | None:
            try:
                found = float(text)
            except ValueError:
                return None
            return int(found * 1024) if 0 <= found < 1000 else None

        self.cpu = self.parsed(node, "cpus", units, "a number of CPUs such as 0.5")

    def read_mem_limit(self, node: Node) -> None:
        self.memory = self.parsed(node, "memory", values.mebibytes, "a size such as 512m")

    def read_profiles(self, node: Node) -> None:
        self.service.profiles = tuple(
            self.findings.text(item, "profiles") for item in self.findings.items(node, "profiles")
        )

    def finish(self, scale: Node | None) -> None:
        """What depends on several fields."""
        if scale is not None:
            self.set(count=min(self._number(scale, "scale"), 5000))
        ports = tuple(dict.fromkeys((port.port, port.protocol) for port in self.service.published))
        self.set(ports=ports)
        if self.build is not None:
            place, context, file = self.build
            self.set(image="")
            self.service.app = with_dockerfile(self.service.app, self.folder, context, file, self.findings, place)
        size = fargate_size(self.cpu or 256, self.memory or 512)
        if size is None:
            self.note(f"Fargate has no task with {self.cpu / 1024:g} CPUs and {self.memory} MiB")
        else:
            self.set(cpu=size[0], memory=size[1])
