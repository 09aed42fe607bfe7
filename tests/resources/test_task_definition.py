"""Task definitions: the law example, which revision is the current one, and what AWS answers that moto does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws import models
from reconciler.model import ownership
from reconciler.model.adoption import adopted
from reconciler.model.diff import diff
from reconciler.model.image_tags import IMAGES
from reconciler.model.resource import Address, Call, Desired, Keep, Observed
from reconciler.model.resource_type import Scope
from reconciler.resources import _containers, _definition
from reconciler.resources._task_runs import SECURITY_GROUPS
from reconciler.resources.role import RoleSpec
from reconciler.resources.task_definition import (
    CONTENT,
    KEEP,
    Container,
    ContainerHealthCheck,
    Port,
    TaskDefinition,
    TaskDefinitionSpec,
    Ulimit,
    content,
)
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import STACK, Talk, scope, tagged
from tests.resources.workload import ECS, definition, lower_pairs

ROLE = "arn:aws:iam::123456789012:role/web"
CONTAINER = Container(
    image="nginx:1",
    cpu=128,
    memory=256,
    ports=(Port(port=80), Port(port=9000, name="admin")),
    environment={"GREETING": "Hello", "A": "1"},
    secrets={"KEY": f"{ECS}:parameter/key".replace(":ecs:", ":ssm:")},
    command=("serve", "--all"),
    health_check=ContainerHealthCheck(command=("CMD-SHELL", "true")),
    log_group="/ecs/web",
    log_stream_prefix="web",
    log_region="us-west-2",
    user="app",
    stop_timeout=60,
    depends_on={"setup": "SUCCESS"},
    ulimits={"nofile": Ulimit(soft=1024, hard=4096)},
)
SETUP = Container(image="busybox:1", essential=False, cpu=128, memory=256)
SPEC = TaskDefinitionSpec(
    family="web",
    cpu=256,
    memory=512,
    execution_role=ROLE,
    task_role=ROLE,
    ephemeral_storage=30,
    containers={"web": CONTAINER, "setup": SETUP},
)


def with_web(**fields: Any) -> dict[str, Any]:
    return {"containers": {"web": CONTAINER.model_copy(update=fields), "setup": SETUP}}


EXAMPLE = Example(
    wish("task-definition/web", SPEC),
    edits=(
        Edit(with_web(image="nginx:2"), "containers.web.image"),
        Edit(with_web(environment={"GREETING": "Hi", "A": "1"}), "containers.web.environment.GREETING"),
        Edit(with_web(environment={"GREETING": "Hello"}), "containers.web.environment.A"),
        Edit(with_web(command=()), "containers.web.command"),
        Edit(with_web(ports=(Port(port=9000, name="admin"), Port(port=80)))),
        Edit(with_web(ports=(Port(port=80),)), "containers.web.ports.9000/tcp"),
        Edit(with_web(health_check=ContainerHealthCheck()), "containers.web.health_check.command"),
        Edit(with_web(log_group="/ecs/other"), "containers.web.log_group"),
        Edit(with_web(ulimits={"nofile": Ulimit(soft=1, hard=4096)}), "containers.web.ulimits.nofile.soft"),
        Edit({"containers": {"web": CONTAINER}}, "containers.setup"),
        Edit({"cpu": 512, "memory": 1024}, "cpu", "memory"),
        Edit({"task_role": None}, "task_role"),
        Edit({"ephemeral_storage": None}, "ephemeral_storage"),
        Edit({"architecture": "ARM64"}, "architecture"),
        Edit({"family": "other"}, "family"),
    ),
    unique=True,
    decoys=(definition("decoy"),),
)

DESIRED = definition("web")
DESIRED = replace(DESIRED, tags=tagged(DESIRED))
CHANGED = replace(definition("web", image="nginx:2"), tags=DESIRED.tags)


def arn(revision: int, family: str = "web") -> str:
    return f"{ECS}:task-definition/{family}:{revision}"


def answer(
    revision: int, image: str = "nginx:1", tags: Mapping[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    """A revision as AWS answers it, with everything that was never sent."""
    return {
        "taskDefinition": {
            "taskDefinitionArn": arn(revision),
            "family": "web",
            "revision": revision,
            "status": "ACTIVE",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "compatibilities": ["EC2", "FARGATE"],
            "requiresAttributes": [{"name": "ecs.capability.task-eni"}],
            "volumes": [],
            "placementConstraints": [],
            "inferenceAccelerators": [],
            "enableFaultInjection": False,
            "containerDefinitions": [
                {
                    "name": "web",
                    "image": image,
                    "cpu": 256,
                    "memory": 512,
                    "essential": True,
                    "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
                    "environment": [],
                    "mountPoints": [],
                    "volumesFrom": [],
                    "systemControls": [],
                    "linuxParameters": {"capabilities": {"add": [], "drop": []}, "devices": []},
                    "versionConsistency": "enabled",
                    "restartPolicy": {"enabled": False},
                    "aMemberOfNextYear": "whatever",
                }
            ],
            **fields,
        },
        "tags": lower_pairs(DESIRED.tags if tags is None else tags),
    }


class Revisions(Talk):
    """A family's revisions, and the conversations held about them."""

    def __init__(self, *answers: dict[str, Any], **more: Any) -> None:
        self.known = {item["taskDefinition"]["taskDefinitionArn"]: item for item in answers}
        super().__init__(
            **{
                "DescribeTaskDefinition": self._describe,
                "ListTaskDefinitions": self._list,
                "RegisterTaskDefinition": {"taskDefinition": {"taskDefinitionArn": arn(99)}},
                **more,
            }
        )

    def _list(self, call: Call) -> dict[str, Any]:
        listed = [one for one in self.known if self._status(one) == call.params["status"]]
        return {"taskDefinitionArns": sorted(listed)}

    def _describe(self, call: Call) -> Any:
        name = call.params["taskDefinition"]
        active = [one for one in self.known if self._status(one) == "ACTIVE"]
        if ":" not in name:
            name = max(active, key=lambda one: int(one.rpartition(":")[2]), default=None)
        return self.known.get(name) or errors.Gone("Unable to describe task definition.")

    def _status(self, one: str) -> str:
        status: str = self.known[one]["taskDefinition"]["status"]
        return status


def service(revision: int, *others: int, stack: str = STACK, deleting: bool = False) -> Observed[Any]:
    found = Observed(Address("service", "web"), f"{ECS}:service/c/web", SPEC, tags={ownership.STACK: stack})
    facts = {
        "task_definition": arn(revision),
        "task_definitions": tuple(arn(number) for number in (revision, *others)),
        "deleting": deleting,
    }
    return replace(found, facts=facts)


def running(*services: Observed[Any], wanted: Desired[Any] = DESIRED, **more: Any) -> Scope:
    return scope(wanted, seen={"service": services}, **more)


def observed(talk: Talk, where: Scope) -> Observed[TaskDefinitionSpec]:
    found = talk.hold(TaskDefinition().observe(where))
    assert len(found) == 1
    return found[0]


# -- the same thing in AWS's words and in ours


def test_what_aws_fills_in_is_no_difference() -> None:
    """Defaults, empty lists and members that nobody sent are ironed out, members of later API versions among them."""
    found = observed(Revisions(answer(3)), running(service(3)))

    assert found.id == arn(3)
    assert not diff(found, DESIRED.spec)
    assert found.facts["revision"] == 3


@pytest.mark.parametrize(
    ("cpu", "memory"), [("256", "512"), (".25 vCPU", "0.5 GB"), ("0.25 vcpu", ".5GB"), ("256", "512 ")]
)
def test_sizes_are_read_in_every_spelling(cpu: str, memory: str) -> None:
    """ECS takes vCPU and GB, and once converted them on the way in and once not."""
    found = observed(Revisions(answer(1, cpu=cpu, memory=memory)), running())

    assert (found.spec.cpu, found.spec.memory) == (256, 512)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"volumes": [{"name": "data", "host": {}}]}, "aws.volumes"),
        ({"pidMode": "task"}, "aws.pidMode"),
        ({"networkMode": "bridge"}, "other.networkMode"),
        ({"requiresCompatibilities": ["EC2"]}, "other.requiresCompatibilities"),
        ({"status": "INACTIVE"}, "active"),
    ],
)
def test_what_a_person_registered_beyond_our_fields_shows(fields: dict[str, Any], path: str) -> None:
    """A revision that has more than the specs can say is not what the specs want."""
    found = observed(Revisions(answer(1, **fields)), running(service(1)))

    assert [str(change) for change in diff(found, DESIRED.spec)] == [path]


def test_more_in_a_container_shows_too() -> None:
    """Privileges, mounts and log options that the specs cannot say are differences."""
    said = answer(1)
    said["taskDefinition"]["containerDefinitions"][0] |= {
        "privileged": True,
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "mode": "non-blocking"}},
    }
    found = observed(Revisions(said), running())

    assert set(found.spec.containers["web"].aws) == {"logConfiguration", "privileged"}
    assert {".".join(change.path[:3]) for change in diff(found, DESIRED.spec)} == {
        "containers.web.log_group",
        "containers.web.aws",
    }


def test_removing_a_line_from_the_specs_is_a_change() -> None:
    """A revision is made whole, so what the specs leave out must not be in it."""
    said = answer(1)
    said["taskDefinition"]["containerDefinitions"][0] |= {
        "command": ["old"],
        "environment": [{"name": "DEBUG", "value": "1"}],
        "user": "root",
    }
    found = observed(Revisions(said), running())

    assert [str(change) for change in diff(found, DESIRED.spec)] == [
        "containers.web.command",
        "containers.web.environment.DEBUG",
        "containers.web.user",
    ]


def test_what_was_started_by_tag_is_not_yet_what_runs_by_digest() -> None:
    """A revision that names a tag differs from the digest that is wanted: the next apply pins it."""
    digest = "123.dkr.ecr.us-west-2.amazonaws.com/web@sha256:aa"
    want = replace(definition("web", image=digest), tags=DESIRED.tags)

    found = observed(Revisions(answer(1, "123.dkr.ecr.us-west-2.amazonaws.com/web:v1")), scope(want))

    assert [str(change) for change in diff(found, want.spec)] == ["containers.web.image"]


def test_a_revision_that_was_registered_for_this_content_is_this_content() -> None:
    """What carries the hash of what is wanted is what is wanted, however AWS spells it, unless it plainly is not."""
    tags = {**DESIRED.tags, CONTENT: content(DESIRED.spec)}
    odd = answer(1, tags=tags, memory="0.4 GB")
    more = answer(1, tags=tags, pidMode="task")
    copied = answer(1, "made:by-hand", tags)
    assert observed(Revisions(copied), running()).spec != DESIRED.spec

    assert observed(Revisions(odd), running()).spec == DESIRED.spec
    assert observed(Revisions(more), running()).spec == DESIRED.spec.model_copy(update={"aws": {"pidMode": "task"}})
    assert observed(Revisions(odd), running(wanted=CHANGED)).spec != CHANGED.spec
    deregistered = observed(Revisions(answer(1, tags=tags, status="INACTIVE")), running(service(1)))
    assert [str(change) for change in diff(deregistered, DESIRED.spec)] == ["active"]


def test_the_hash_is_of_content_and_not_of_spelling() -> None:
    """The order of containers, ports and variables is not content; everything else is."""
    ports = (Port(port=80), Port(port=90))
    one = TaskDefinitionSpec(family="web", cpu=256, memory=512, containers={"a": SETUP, "b": SETUP})
    other = TaskDefinitionSpec(family="web", cpu=256, memory=512, containers={"b": SETUP, "a": SETUP})
    assert content(one) == content(other)
    assert content(definition("web", ports=ports).spec) == content(definition("web", ports=ports[::-1]).spec)

    seen = {content(TaskDefinitionSpec.model_validate(edit.of(SPEC))) for edit in EXAMPLE.edits}
    assert len(seen) == len(EXAMPLE.edits), "one of the edits only turns the ports round"
    assert content(SPEC) in seen


# -- which revision is the current one


def test_the_revision_that_the_service_runs_is_the_current_one() -> None:
    """While a newer revision waits for its rollout, the comparison is still with what runs."""
    talk = Revisions(answer(3, "nginx:1"), answer(4, "nginx:2"))

    found = observed(talk, running(service(3), wanted=CHANGED))

    assert found.id == arn(3)
    assert [str(change) for change in diff(found, CHANGED.spec)] == ["containers.web.image"]
    assert talk.operations() == ["DescribeTaskDefinition"]


def test_without_a_service_the_newest_is() -> None:
    """A standalone task's definition is the newest revision; a service that is going away counts no more."""
    revisions = answer(3), answer(10)
    assert observed(Revisions(*revisions), running()).id == arn(10)
    assert observed(Revisions(*revisions), running(service(3, deleting=True))).id == arn(10)


def test_a_family_that_does_not_exist_is_absent() -> None:
    """AWS refuses to describe a family it has never seen."""
    assert Revisions().hold(TaskDefinition().observe(running())) == []


def test_a_foreign_revision_in_our_family_leaves_ours_the_current_one() -> None:
    """A person registers the next revision and points our service at it: ours stays the one that is compared with."""
    talk = Revisions(answer(6), answer(7), answer(8, "hacked", tags={}))

    found = observed(talk, running(service(8)))

    assert found.id == arn(7)
    assert not diff(found, DESIRED.spec)


def test_a_family_of_others_is_shown_as_theirs() -> None:
    """Nothing in the family is ours: whoever has the name is shown, for a conflict or an adoption."""
    assert observed(Revisions(answer(1, tags={}), answer(2, tags={})), running()).tags == {}


def test_services_are_described_side_by_side() -> None:
    """One describe for each running revision, all at once; a revision that vanished meanwhile is absent."""
    wants = [replace(definition(name), tags=DESIRED.tags) for name in ("web", "gone")]
    other = replace(service(1), facts={"task_definition": arn(1, "gone")})
    talk = Revisions(answer(1))

    found = talk.hold(TaskDefinition().observe(scope(*wants, seen={"service": (service(1), other)})))

    assert [one.id for one in found] == [arn(1)]


# -- registering, and finding what was registered


def update(talk: Talk, old: Observed[Any], new: Desired[Any]) -> str:
    return talk.hold(TaskDefinition().update(old, new, diff(old, new.spec)))


def test_what_was_registered_before_a_crash_is_used() -> None:
    """A revision that is wanted already, registered and not yet run, is returned instead of making another."""
    talk = Revisions(answer(3), answer(4, "nginx:2"))
    old = observed(talk, running(service(3), wanted=CHANGED))

    assert update(talk, old, CHANGED) == arn(4)
    assert "RegisterTaskDefinition" not in talk.operations()


def test_a_registered_revision_of_an_adopted_family_is_found_with_what_was_carried_over() -> None:
    """Its family and volumes are not those of the document, and the service still runs the revision before."""
    mine = {"family": "hers", "volumes": [{"name": "data"}]}
    want = replace(CHANGED, adopt=True, kept={("family",): Keep.VALUE, ("aws",): Keep.MEMBERS})
    before = answer(3, **mine)
    before["taskDefinition"]["taskDefinitionArn"] = arn(3, "hers")
    runs = replace(service(3), facts={"task_definition": arn(3, "hers"), "task_definitions": (arn(3, "hers"),)})
    old = observed(Revisions(before), running(runs, wanted=want))
    kept = adopted(want, old)
    tags = {**DESIRED.tags, CONTENT: content(kept.spec)}
    after = answer(4, "nginx:2", tags, **mine)
    after["taskDefinition"]["taskDefinitionArn"] = arn(4, "hers")

    found = observed(Revisions(before, after), running(runs, wanted=want, swept={arn(4, "hers"): tags}))

    assert (old.id, found.id) == (arn(3, "hers"), arn(4, "hers"))
    assert not diff(found, kept.spec)


def test_a_change_registers_the_next_revision() -> None:
    """Registering never dedupes, so it happens once, with the hash of what was registered."""
    talk = Revisions(answer(3))
    old = observed(talk, running(service(3), wanted=CHANGED))

    assert update(talk, old, CHANGED) == arn(99)

    sent = talk.params("RegisterTaskDefinition")
    assert len(sent) == 1
    assert {"key": CONTENT, "value": content(CHANGED.spec)} in sent[0]["tags"]
    assert sent[0]["containerDefinitions"][0] == {
        "name": "web",
        "image": "nginx:2",
        "essential": True,
        "cpu": 256,
        "memory": 512,
        "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
    }


@pytest.mark.parametrize(
    "newest", [answer(4, "nginx:3"), answer(4, "nginx:2", tags={}), answer(4, "nginx:2", tags={ownership.STACK: "x"})]
)
def test_a_newer_revision_that_is_not_it_or_not_ours_is_not_used(newest: dict[str, Any]) -> None:
    """Only a revision of ours with exactly this content saves a registration."""
    talk = Revisions(answer(3), newest)
    old = observed(talk, running(service(3), wanted=CHANGED))

    assert update(talk, old, CHANGED) == arn(99)


def test_going_back_registers_again() -> None:
    """An older revision with the wanted content is not the newest: a standalone task would never be seen to run it."""
    talk = Revisions(answer(3, "nginx:2"), answer(4))
    old = observed(talk, running(wanted=CHANGED))

    assert old.id == arn(4)
    assert update(talk, old, CHANGED) == arn(99)


# -- old revisions


def test_old_revisions_go_when_a_new_one_comes() -> None:
    """The newest few stay, and with them whatever a service still names and whatever is not ours."""
    count = KEEP + 6
    talk = Revisions(*(answer(number) for number in range(1, count + 1)))
    ours = {arn(number): DESIRED.tags for number in range(1, count + 1) if number != 4}
    old = observed(talk, running(service(count, 3), wanted=CHANGED, swept=ours))

    update(talk, old, CHANGED)

    # With the new one there are KEEP + 7; 7 to 1 are surplus, 4 is nobody's, 3 is in use, and five go at once.
    gone = [params["taskDefinition"] for params in talk.params("DeregisterTaskDefinition")]
    assert gone == [arn(7), arn(6), arn(5), arn(2), arn(1)]
    assert talk.params("DeleteTaskDefinitions") == [{"taskDefinitions": gone}]


def test_a_short_history_stays() -> None:
    """Up to the number that is kept nothing is deregistered."""
    talk = Revisions(*(answer(number) for number in range(1, KEEP)))
    swept = dict.fromkeys(talk.known, DESIRED.tags)

    update(talk, observed(talk, running(wanted=CHANGED, swept=swept)), CHANGED)

    assert "DeregisterTaskDefinition" not in talk.operations()


# -- deleting


def test_every_revision_of_ours_is_deleted_the_current_one_last() -> None:
    """Ten at a time, ours alone, those included that an earlier try left deregistered."""
    talk = Revisions(*(answer(number) for number in range(2, 14)), answer(14, tags={}), answer(1, status="INACTIVE"))
    swept = {arn(number): DESIRED.tags for number in range(1, 9)}
    found = talk.hold(TaskDefinition().observe(scope(seen={}, swept=swept)))
    assert [one.id for one in found] == [arn(13)]

    talk.hold(TaskDefinition().delete(found[0]))

    assert [params["taskDefinition"] for params in talk.params("DeregisterTaskDefinition")] == [
        arn(number) for number in range(2, 14)
    ]
    assert [params["taskDefinitions"] for params in talk.params("DeleteTaskDefinitions")] == [
        [arn(number) for number in range(1, 11)],
        [arn(number) for number in range(11, 14)],
    ]


def test_all_that_will_be_deleted_is_named_beforehand() -> None:
    """What goes with a family that the specs dropped is known to be ours before anything is written."""
    talk = Revisions(answer(1), answer(2), answer(3), answer(4, tags={}))

    found = talk.hold(TaskDefinition().observe(scope(swept={arn(1): DESIRED.tags})))[0]

    assert found.facts["ids"] == ("web", arn(1), arn(2), arn(3))


def test_a_deletion_that_was_cut_short_is_taken_up_again() -> None:
    """Deregistered and not deleted: still there, and still ours to delete."""
    talk = Revisions(answer(1, status="INACTIVE"))
    where = scope(swept={arn(1): DESIRED.tags})

    found = talk.hold(TaskDefinition().observe(where))
    talk.hold(TaskDefinition().delete(found[0]))

    assert talk.operations()[-1] == "DeleteTaskDefinitions"
    assert "DeregisterTaskDefinition" not in talk.operations()
    talk.known = {arn(1): answer(1, status="DELETE_IN_PROGRESS")}
    assert talk.hold(TaskDefinition().observe(where)) == []


def test_what_could_not_be_deleted_is_said() -> None:
    """DeleteTaskDefinitions answers failures with status 200; one that is gone already is none."""
    failure = {"arn": arn(1), "reason": "IN_USE", "detail": "a task runs it"}
    talk = Revisions(answer(1), DeleteTaskDefinitions={"failures": [failure]})
    found = talk.hold(TaskDefinition().observe(running()))[0]

    with pytest.raises(errors.Blocked, match="a task runs it"):
        talk.hold(TaskDefinition().delete(found))

    failure["detail"] = "The specified task definition does not exist."
    talk.hold(TaskDefinition().delete(found))


OURS_OF_A_CONTAINER = {
    "command", "cpu", "dependsOn", "entryPoint", "environment", "essential", "healthCheck", "image", "logConfiguration",
    "memory", "name", "portMappings", "readonlyRootFilesystem", "secrets", "stopTimeout", "ulimits", "user",
    "versionConsistency",
}  # fmt: skip
OURS = {
    "containerDefinitions", "cpu", "ephemeralStorage", "executionRoleArn", "family", "memory", "networkMode",
    "requiresCompatibilities", "runtimePlatform", "tags", "taskRoleArn",
}  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "handled"),
    [
        ("ContainerDefinition", OURS_OF_A_CONTAINER | {*_containers.OTHERS}),
        ("RegisterTaskDefinitionRequest", OURS | {*_definition.OTHERS}),
    ],
)
def test_every_member_that_can_be_registered_is_known(shape: str, handled: set[str]) -> None:
    """What a new botocore adds to the model is carried over from an adopted revision, or named here as ours."""
    model = models.session().get_service_model("ecs")
    assert set(model.shape_for(shape).members) == handled


def test_a_range_of_ports_is_registered_again_as_it_is() -> None:
    """A mapping of a range is none of the ports that the specs can say, and stays beside them."""
    ranged = {"containerPortRange": "8000-8010", "protocol": "tcp"}
    item = {"name": "web", "image": "nginx:1", "portMappings": [{"containerPort": 80, "protocol": "tcp"}, ranged]}
    container = _containers.read(item, {})
    assert [port.port for port in container.ports] == [80]
    assert _containers.written("web", container)["portMappings"] == item["portMappings"]


def test_the_revision_that_a_rollback_would_go_back_to_is_in_use() -> None:
    """It is not trimmed, however many releases have failed since; other tags of the service say nothing."""
    remembering = service(7)
    tags = {**remembering.tags, "reconciler:previous": "3f2a91c05d6e:web:3", "team": "web:5", "reconciler:hold": "a:b"}
    found = observed(Revisions(answer(7)), running(replace(remembering, tags=tags)))

    assert found.facts["in_use"] == (arn(3), arn(7))


def test_images_in_use_have_a_tag_of_their_revision_in_our_repositories() -> None:
    """Only by digest, only where images expire; the revision's own tag comes last, and says that it is done."""
    host, digest = "123456789012.dkr.ecr.us-west-2.amazonaws.com", f"sha256:{'a' * 64}"
    containers = {
        "web": Container(image=f"{host}/shop/web@{digest}"),
        "other": Container(image=f"{host}/others@{digest}"),
        "tagged": Container(image=f"{host}/shop/web:v1"),
        "public": Container(image="public.ecr.aws/shop/web@" + digest),
    }
    spec = TaskDefinitionSpec(family="web", cpu=256, memory=512, containers=containers)
    new = Desired(DESIRED.address, spec, tags={**DESIRED.tags, IMAGES: "shop/web"})
    image = {"imageId": {"imageDigest": digest}, "imageManifest": "{}", "imageManifestMediaType": "application/x"}
    talk = Revisions(BatchGetImage={"images": [image]}, PutImage={}, TagResource={})
    talk.hold(TaskDefinition().create(new))

    register, get, put, tag = [call for call in talk.said if not call.operation.startswith("List")]
    assert IMAGES not in {pair["key"] for pair in register.params["tags"]}
    assert (get.params["repositoryName"], put.params["repositoryName"]) == ("shop/web", "shop/web")
    assert put.params["imageTag"] == "reconciler-in-use-web-99"
    assert put.params["imageDigest"] == digest
    assert tag.params["tags"] == [{"key": IMAGES, "value": "shop/web"}]


@pytest.mark.parametrize("known", [True, False])
def test_what_tasks_use_that_no_service_runs_is_in_use(known: bool) -> None:
    """In an earlier revision, too. Where we did not start the task, any security group of the stack may be its own."""
    subnet = {"details": [{"name": "subnetId", "value": "subnet-1"}]}
    tags = lower_pairs({SECURITY_GROUPS: "sg-1"}) if known else []
    task = {"taskArn": "t", "taskDefinitionArn": arn(2), "attachments": [subnet], "tags": tags}
    talk = Revisions(
        answer(2, executionRoleArn="old-role"),
        answer(3, executionRoleArn="new-role"),
        ListTasks={"taskArns": ["t"]},
        DescribeTasks={"tasks": [task]},
    )
    groups = [
        Observed(Address("security-group", name), name, RoleSpec(name=name, trust={}), tags={ownership.STACK: STACK})
        for name in ("sg-1", "sg-2")
    ]
    cluster = Observed(Address("cluster", "c"), "c", RoleSpec(name="c", trust={}))
    where = scope(DESIRED, seen={"cluster": (cluster,), "security-group": tuple(groups)})
    found = talk.hold(TaskDefinition().observe(where))
    (current,) = talk.hold(TaskDefinition().observe_runs(found, where))

    used = TaskDefinition().in_use(current)
    assert {arn(2), arn(3), "old-role", "subnet-1", "sg-1"} <= used
    assert "new-role" not in used
    assert ("sg-2" in used) is not known


def test_tasks_of_a_service_are_not_read_again() -> None:
    """The service says what its tasks use."""
    talk = Revisions(answer(3))
    where = running(service(3))
    found = talk.hold(TaskDefinition().observe(where))
    assert TaskDefinition().in_use(*talk.hold(TaskDefinition().observe_runs(found, where))) == frozenset()
    assert "ListTasks" not in talk.operations()


def test_a_move_is_written_to_every_revision() -> None:
    """Each would be found at its former address once the family leaves the specs."""
    old = Observed(DESIRED.address, arn(3), DESIRED.spec, DESIRED.tags, facts={"ids": ("web", arn(1), arn(2), arn(3))})
    talk = Talk(ListTaskDefinitions={"taskDefinitionArns": [arn(3), arn(2), arn(9)]}, TagResource={})
    talk.hold(TaskDefinition().update_tags(old, {ownership.ADDRESS: "task-definition/shop"}, ()))
    moved = lower_pairs({ownership.ADDRESS: "task-definition/shop"})
    assert talk.params("TagResource") == [{"resourceArn": one, "tags": moved} for one in (arn(2), arn(3))]
