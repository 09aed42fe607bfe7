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


def environments(base: str, **overlays: str) -> dict[str, Specs]:
    """A folder whose base is this Stack and a repository, as each of its environments sees it."""
    text = f"{base}\n---\n{{kind: Registry, name: images}}\n" if base else "{kind: Registry, name: images}\n"
    sources = [Source("base.yaml", "base.yaml", text.encode())]
    sources += [Source(f"environments/{name}/a.yaml", f"{name}.yaml", said.encode()) for name, said in overlays.items()]
    return {name: load_sources(sources, name or None) for name in ("", *overlays) if name or base}


STACK = "{kind: Stack, name: shop, region: us-west-2}"


def test_environments_that_share_the_name_of_the_stack_are_stacks_of_their_own() -> None:
    """Whether they mention the Stack or not; the base is another one still."""
    folders = environments(STACK, staging="{kind: Stack, name: shop, tags: {a: b}}", production="")
    assert {name: (specs.diagnostics, specs.stack_id) for name, specs in folders.items()} == {
        "": ((), "shop"),
        "staging": ((), "shop@staging"),
        "production": ((), "shop@production"),
    }


def test_an_environment_with_a_name_of_its_own_has_that() -> None:
    """Written in the overlay, or made with the environment in the base."""
    folders = environments(STACK, staging="{kind: Stack, name: shop-staging}")
    assert folders["staging"].stack_id == "shop-staging"
    named = environments(STACK.replace("shop", "'shop-{environment}'"), staging="", production="")
    assert [specs.stack_id for name, specs in named.items() if name] == ["shop-staging", "shop-production"]
    assert rules(named[""]) == {"E1137"}
    alone = environments("", staging=STACK, production=STACK.replace("shop", "shop-2"))
    assert [specs.stack_id for specs in alone.values()] == ["shop", "shop-2"]


def test_two_environments_may_not_give_the_stack_one_name() -> None:
    """Each would take what the other owns for its own, unless region or account keep them apart."""
    web = "{kind: Stack, name: web}"
    both = environments(STACK, staging=web, production=web)
    for name in ("staging", "production"):
        (found,) = both[name].diagnostics
        assert folder.told(found) == f"E2028 {name}.yaml 1:21 web"
        assert [note.position.file for note in found.notes] != [f"{name}.yaml"]
    assert both[""].ok
    for staging, production, ok in (
        ("region: us-west-2", "region: eu-west-1", True),
        ("account: '111111111111'", "account: '222222222222'", True),
        ("account: '111111111111'", "account: '111111111111'", False),
        ("account: '111111111111'", "tags: {a: b}", False),
    ):
        pair = environments(
            STACK,
            staging=f"{{kind: Stack, name: web, {staging}}}",
            production=f"{{kind: Stack, name: web, {production}}}",
        )
        assert [specs.ok for name, specs in pair.items() if name] == [ok, ok], (staging, production)
    without_base = environments("", staging=STACK, production=STACK)
    assert [rules(specs) for specs in without_base.values()] == [{"E2028"}, {"E2028"}]


def test_an_environment_may_not_spell_out_the_name_that_the_base_makes() -> None:
    """It would have the id of the base, whose resources it would take for its own."""
    both = environments(STACK.replace("shop", "'shop-{region}'"), staging="{kind: Stack, name: shop-us-west-2}")
    (found,) = both["staging"].diagnostics
    assert folder.told(found) == "E2028 staging.yaml 1:21 shop-us-west-2"
    assert both[""].ok
    assert environments(STACK.replace("shop", "'{environment}'"), x="")["x"].ok


def test_an_environment_that_cannot_be_read_hinders_no_other() -> None:
    """Its own error is found where it is chosen."""
    broken = environments(STACK, staging="{kind: Stack, name: web}", production="kind: Stack\nname: [", other="- Stack")
    assert broken["staging"].ok
    assert not broken["production"].ok


def rules(specs: Specs) -> set[str]:
    return folder.rules(specs)


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
