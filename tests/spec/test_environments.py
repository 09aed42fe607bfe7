"""Environments: partial documents laid over the base, by kind and name."""

from __future__ import annotations

from reconciler.spec.documents import DeploymentStrategy, Registry, Service
from reconciler.spec.load import Source, Specs, load_sources
from tests.spec import folder

SERVICE = "kind: Service\nname: my-app-frontend\n"


def service(specs: Specs) -> Service:
    assert specs.diagnostics == ()
    found = specs.get(Service, "my-app-frontend")
    assert found is not None
    return found


def test_maps_merge_scalars_and_lists_replace() -> None:
    """What the environment does not mention stays as the base has it."""
    task = "task: {memory: 1024, containers: {frontend: {environment: {COLOR: blue}}}}\n"
    task = "task: {memory: 1024, containers: {frontend: {environment: {COLOR: blue}}}}\n"
    specs = folder.lay(SERVICE + task + "placement: {subnets: [app-public1-c]}\n")
    found = service(specs)
    assert (found.task.cpu, found.task.memory) == (256, 1024)
    assert found.task.containers["frontend"].environment == {"GREETING": "Hello World", "COLOR": "blue"}
    assert found.placement.subnets == ("app-public1-c",)
    assert found.placement.public_ip


def test_null_removes_what_the_base_has() -> None:
    """The default comes back."""
    assert service(folder.lay(SERVICE + "task: {logs: null}\n")).task.logs is None
    text = "kind: DeploymentStrategy\nname: careful\ngreen: ~\n"
    strategy = folder.lay(text).get(DeploymentStrategy, "careful")
    assert strategy is not None
    assert "green" not in strategy.model_fields_set


def test_null_of_something_that_the_base_lacks_is_an_error() -> None:
    """A misspelled removal would otherwise silently remove nothing."""
    (found,) = folder.lay(SERVICE + "task: {lgos: null}\n").diagnostics
    assert folder.told(found) == "E1104 case.yaml 3:8 lgos"


def test_what_the_base_lacks_is_a_document_of_its_own() -> None:
    """And must then be whole."""
    assert folder.lay("kind: Registry\nname: other\nkeep_images: 3\n").get(Registry, "other") is not None
    (found,) = folder.lay("kind: Network\nname: other\n").diagnostics
    assert folder.told(found) == "E1103 case.yaml 1:7 Network"


def test_the_stack_is_laid_over_whatever_its_name() -> None:
    """There is one Stack, and environments of one account need names of their own."""
    specs = folder.lay("kind: Stack\nname: my-app-staging\n")
    assert specs.stack is not None
    assert (specs.stack.name, specs.stack.region) == ("my-app-staging", "us-west-2")
    assert specs.where(specs.stack).file == "case.yaml"


def test_every_value_keeps_the_place_where_it_was_written() -> None:
    """Through the merge, base and environment point to their own files."""
    specs = folder.lay(SERVICE + "task:\n  containers:\n    frontend: {port: 80, environment: {GREETING: Hi}}\n")
    found = service(specs)
    container = ("task", "containers", "frontend")
    assert str(specs.where(found, *container, "environment", "GREETING")) == "case.yaml:5:50"
    assert specs.where(found, *container, "image", "tag").place == "base.yaml:44"
    assert specs.where(found, *container, "port").place == "case.yaml:5"
    assert specs.where(found, *container).place == "base.yaml:43"


def test_where_falls_back_to_the_nearest_thing_round_it() -> None:
    """A default is written nowhere; its block is."""
    specs = folder.lay("")
    found = service(specs)
    assert specs.where(found, "traffic", "health_check", "interval") == specs.where(found, "traffic", key=True)
    assert specs.where(found).place == "base.yaml:37"
    assert specs.where(found, "scaling").place == "base.yaml:36"


def test_a_document_may_not_be_written_twice_in_one_environment() -> None:
    """Which of the two is laid over last would depend on the order of files."""
    (found,) = folder.lay(SERVICE + "desired_count: 2\n---\n" + SERVICE + "desired_count: 3\n").diagnostics
    assert folder.told(found) == "E1115 case.yaml 6:7 my-app-frontend"


def test_there_is_one_stack_and_no_less() -> None:
    """A second one is refused, also under another name, and so is none."""
    second = folder.documents("{kind: Stack, name: other, region: us-west-2}\n")
    assert [folder.told(found) for found in second.diagnostics] == ["E1115 case.yaml 3:21 my-app"]
    none = folder.alone("{kind: Registry, name: other}\n")
    assert [folder.told(found) for found in none.diagnostics] == ["E1114 case.yaml 1:1 {"]


def test_without_an_environment_its_files_are_not_read() -> None:
    """Not even when they are broken."""
    base = Source("base.yaml", "base.yaml", folder.BASE.encode())
    broken = Source("environments/case/case.yaml", "case.yaml", b"[")
    assert load_sources([base, broken]).ok
    assert not load_sources([base, broken], "case").ok


def test_the_digest_is_of_what_is_said_not_how() -> None:
    """Comments, order, files, spelling and defaults written out do not change it; content does."""
    base = folder.lay("").digest
    assert folder.lay(SERVICE + "desired_count: 1 # as ever\ntask: {memory: 512}\n").digest == base
    assert folder.lay("kind: DeploymentStrategy\nname: careful\nteardown: {after: 60m}\n").digest == base
    parts = folder.BASE.split("---\n")
    assert folder.alone("---\n".join(reversed(parts))).digest == base
    assert folder.lay(SERVICE + "desired_count: 2\n").digest != base
    assert (
        folder.lay(SERVICE + "task: {containers: {frontend: {environment: {GREETING: hello World}}}}\n").digest != base
    )
