"""The specs of a blueprint, as a person would have written them: the texts of their files, by their paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.scaffold.blueprint import App, Blueprint, Use
from reconciler.scaffold.workloads import BLUE_GREEN, balanced, tasks_group, workload_block
from reconciler.spec.yaml_text import Block, text, word

SCHEMA: Final = ".reconciler/schema.json"
"""Where the editor finds the JSON Schema, from the folder that the specs folder is in."""

PARTIAL_SCHEMA: Final = ".reconciler/partial-schema.json"
"""That of the documents of environments."""

NETWORK: Final = "10.0.0.0/16"
TEST_PORT: Final = 9000


def files(blueprint: Blueprint, above: str = "..") -> dict[str, str]:
    """Path in the specs folder → text. `above` leads from the specs folder to the one that the schema is below."""
    found: dict[str, tuple[str, list[Block]]] = {
        "stack.yaml": (_stack_comment(blueprint), [_stack(blueprint)]),
        "network.yaml": (_network_comment(blueprint), [_network(blueprint)]),
        "cluster.yaml": (
            "Where services and tasks run. With Fargate there are no hosts to manage.",
            [_cluster(blueprint)],
        ),
    }
    if blueprint.public:
        comment = "Where requests arrive. Its DNS name: reconciler output load-balancer/" + blueprint.name + ".dns_name"
        found["load-balancer.yaml"] = (comment, [_load_balancer(blueprint)])
    if any(balanced(blueprint, app) for app in blueprint.apps):
        found["deployment.yaml"] = (
            "How a new version is deployed: beside the previous one, which keeps running until the new one has proved "
            "itself.",
            [_strategy()],
        )
    built = [app for app in blueprint.apps if not app.image]
    if built:
        comment = "Where the images are pushed to. The first apply creates it; then push, and apply again."
        found["registries.yaml"] = (comment, [_registry(blueprint, app) for app in built])
    for app in blueprint.apps:
        folder = "tasks" if app.use in (Use.JOB, Use.MIGRATION) else "services"
        found[f"{folder}/{app.name}.yaml"] = (_comment(blueprint, app), [workload_block(blueprint, app)])
    return {path: _with_schema(path, above, text(blocks, comment)) for path, (comment, blocks) in found.items()}


def _with_schema(path: str, above: str, written: str) -> str:
    """yaml-language-server takes the line for the document below it, and not for the whole file."""
    up = "../" * path.count("/")
    line = f"# yaml-language-server: $schema={up}{above}/{SCHEMA}\n"
    return line + written.replace("\n---\n", f"\n---\n{line}")


def _stack_comment(blueprint: Blueprint) -> str:
    source = f" Written by `reconciler init` from {blueprint.source}." if blueprint.source else ""
    left_out = "".join(f"\n- {name}: {why}" for name, why in blueprint.left_out)
    return (
        "The stack: what these specs own in AWS has the tag reconciler:stack with its name." + source
        + "\nThe line above each document is for editors: `reconciler schema > "
        + f"{SCHEMA}` writes the schema that it names."
        + (f"\nNot part of the stack:{left_out}" if left_out else "")
    )  # fmt: skip


def _stack(blueprint: Blueprint) -> Block:
    block = Block()
    block.put("kind", "Stack")
    block.put("name", blueprint.name)
    block.put("region", blueprint.region)
    block.note("If you state it, the specs are refused in any other account:", literal=('account: "123456789012"',))
    block.note("On every resource in AWS:", literal=(f"tags: {{team: {word(blueprint.name)}}}",))
    return block


def _network_comment(blueprint: Blueprint) -> str:
    if blueprint.private:
        return "The network. Tasks are in the private subnets, and reach the internet through a NAT gateway."
    return "The network. Its subnets are public; the security groups decide who reaches what."


def _network(blueprint: Blueprint) -> Block:
    block = Block()
    block.put("kind", "Network")
    block.put("name", blueprint.name)
    block.put("cidr", NETWORK)
    access = ("public", "private") if blueprint.private else ("public",)
    block.put(
        "subnets",
        [
            {
                "name": f"{kind}-{zone}",
                "zone": f"{blueprint.region}{zone}",
                "cidr": f"10.0.{16 * number + index}.0/24",
                "access": kind,
            }
            for number, kind in enumerate(access)
            for index, zone in enumerate(blueprint.zones)
        ],
    )
    if blueprint.private:
        block.put("nat", "single", beside="billed by the hour; per_zone also survives the loss of a zone")
    block.put("security_groups", list(_security_groups(blueprint)))
    return block


def _security_groups(blueprint: Blueprint) -> Iterable[Block]:
    if blueprint.public:
        balancer = Block()
        balancer.put("name", f"{blueprint.name}-balancer", beside="for the load balancer")
        rules = [{"port": 80, "from": "anywhere"}]
        if any(balanced(blueprint, app) for app in blueprint.apps):
            rules.append({"port": TEST_PORT, "from": NETWORK})
        balancer.put("ingress", rules)
        yield balancer
    tasks = Block()
    name = tasks_group(blueprint)
    tasks.put("name", name, beside="for the tasks")
    public = sorted({port for app in blueprint.public if (port := app.port) is not None})
    called = sorted({port for app in blueprint.apps if app.name in blueprint.called and (port := app.port) is not None})
    rules = [{"port": port, "from": f"{blueprint.name}-balancer"} for port in public]
    rules += [{"port": port, "from": name} for port in called]
    if rules:
        tasks.put("ingress", rules)
    yield tasks


def _cluster(blueprint: Blueprint) -> Block:
    block = Block()
    block.put("kind", "Cluster")
    block.put("name", blueprint.name)
    if blueprint.called:
        block.put("namespace", blueprint.name, beside="in which services call each other by their names")
    return block


def _load_balancer(blueprint: Blueprint) -> Block:
    block = Block()
    block.put("kind", "LoadBalancer")
    block.put("name", blueprint.name)
    block.put("scheme", "internet-facing")
    block.put("subnets", [f"public-{zone}" for zone in blueprint.zones])
    block.put("security_groups", [f"{blueprint.name}-balancer"])
    listeners = Block()
    listeners.put("production", {"port": 80})
    if any(balanced(blueprint, app) for app in blueprint.apps):
        listeners.put("test", {"port": TEST_PORT}, beside="where a new version answers before it serves users")
    block.put("listeners", listeners)
    block.note(
        "With a certificate in ACM, and port 443 in the security group, production is:",
        literal=("production: {port: 443, protocol: HTTPS, certificates: [{domain: www.example.com}]}",),
    )
    return block


def _strategy() -> Block:
    block = Block()
    block.put("kind", "DeploymentStrategy")
    block.put("name", BLUE_GREEN)
    block.put("type", "blue_green")
    block.put("promotion", {"mode": "auto"}, beside="or manual: `reconciler promote SERVICE`")
    block.put("verify", {"for": "5m"}, beside="a failure in this time rolls back")
    block.put("teardown", {"after": "30m"}, beside="until then a rollback is one write")
    return block


def _registry(blueprint: Blueprint, app: App) -> Block:
    block = Block()
    block.put("kind", "Registry")
    block.put("name", f"{blueprint.name}-{app.name}")
    block.put("keep_images", 30)
    return block


_PURPOSE: Final[Mapping[Use, str]] = {
    Use.PUBLIC: "It receives requests from the load balancer.",
    Use.INTERNAL: "It receives requests from other services of the stack.",
    Use.WORKER: "It runs in the background, without requests.",
    Use.JOB: "It runs on a schedule.",
    Use.MIGRATION: "It runs before each release of the service, which waits until it has ended with exit code 0.",
}


def _comment(blueprint: Blueprint, app: App) -> str:
    lines = [_PURPOSE[app.use]]
    if app.notes:
        lines.append(f"What {blueprint.source} says and this does not:")
        lines += [f"- {note}" for note in app.notes]
    return "\n".join(lines)
