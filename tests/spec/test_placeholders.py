"""Placeholders: `{stack}`, `{environment}` and `{region}` in the values of documents."""

from __future__ import annotations

import re

import pytest

from reconciler.spec.documents import Registry, Service, Stack
from reconciler.spec.load import Source, Specs, load_sources
from reconciler.spec.schema import json_schema
from reconciler.spec.yaml_text import word
from tests.spec import folder

SERVICE = "kind: Service\nname: my-app-frontend\n"


def environment(value: str) -> str:
    """What a variable is whose value is written like this, in the environment `case` of the stack `my-app`."""
    text = f"{SERVICE}task: {{containers: {{frontend: {{environment: {{A: {value}}}}}}}}}\n"
    specs = folder.lay(text)
    assert specs.diagnostics == ()
    (service,) = specs.services
    return str(service.task.containers["frontend"].environment["A"])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"{environment}-orders"', "case-orders"),
        ('"{stack}/{environment}/{region}"', "my-app/case/us-west-2"),
        ('"{{environment}}"', "{environment}"),
        ('"{{environment}}-{environment}"', "{environment}-case"),
        ('"${environment}"', "${environment}"),
        ('"${{environment}}"', "${{environment}}"),
        ('"{name} {} {Environment} { environment }"', "{name} {} {Environment} { environment }"),
        ('"{{{stack}}} {{stack} {stack}}"', "{{stack}} {{stack} {stack}}"),
        ("'{\"environment\": 1}'", '{"environment": 1}'),
    ],
)
def test_what_a_placeholder_is_and_what_is_none(written: str, value: str) -> None:
    """Doubled braces are the text itself; variables of shells, templates and JSON are left alone."""
    assert environment(written) == value


@pytest.mark.parametrize(
    "text", ["{stack}", "{{region}}", "a{environment}", "${stack}", "{stack}}", "{x}", "${{stack}}"]
)
def test_what_is_written_for_a_person_is_read_as_it_was(text: str) -> None:
    """`import` and `init` write values of an account and of other files, whatever is in them."""
    assert environment(word(text)) == text


def test_they_stand_wherever_a_value_is_written() -> None:
    """Names in AWS, log groups and options, secrets, tags, references to what others own, and what `aws` sets."""
    text = (
        f"{SERVICE}aws_name: '{{stack}}-{{environment}}'\n"
        "cluster: {name: 'shared-{environment}'}\n"
        "tags: {stage: '{environment}'}\n"
        "task:\n"
        "  logs: {group: '/{stack}/{environment}', options: {awslogs-stream-prefix: '{region}'}}\n"
        "  containers:\n"
        "    frontend:\n"
        "      command: [serve, '--stage={environment}']\n"
        "      secrets: {KEY: 'ssm:/{environment}/key'}\n"
        "      environment: {VPC: {lookup: 'ssm:/{environment}/vpc'}}\n"
    )
    specs = folder.lay(text)
    assert [one for one in specs.diagnostics if one.rule.startswith("E")] == []
    (service,) = specs.services
    assert service.name_in_aws == "my-app-case"
    assert (service.cluster, service.tags) == ("name:shared-case", {"stage": "case"})
    logs, container = service.task.logs, service.task.containers["frontend"]
    assert logs is not None
    assert (logs.group, logs.options) == ("/my-app/case", {"awslogs-stream-prefix": "us-west-2"})
    assert container.command == ("serve", "--stage=case")
    assert (container.secrets["KEY"].value_from.name, container.environment["VPC"]) == (
        "/case/key",
        "lookup:ssm:/case/vpc",
    )


def test_a_value_that_the_field_does_not_take_is_refused_at_its_place() -> None:
    """It obeys the rules of its field as if it had been written out."""
    specs = folder.lay("kind: Registry\nname: my-app-frontend\naws_name: 'x{environment}-'\n")
    assert [folder.told(found) for found in specs.diagnostics] == ["E1109 case.yaml 3:11 'x{environment}-'"]


def test_the_stack_has_them_in_its_own_values() -> None:
    """The region and the name first, which the others may be made of."""
    stack = "kind: Stack\nname: 'shop-{environment}-{region}'\ntags: {all: '{stack}'}\n"
    found = folder.lay(stack).stack
    assert found is not None
    assert (found.name, found.tags) == ("shop-case-us-west-2", {"all": "shop-case-us-west-2"})
    assert folder.lay(stack).stack_id == "shop-case-us-west-2"


def base(text: str, *environments: str) -> Specs:
    """A folder with a Stack and `text`, without an environment chosen."""
    sources = [Source("a.yaml", "a.yaml", f"{{kind: Stack, name: my-app, region: us-west-2}}\n---\n{text}".encode())]
    sources += [Source(f"environments/{name}/a.yaml", f"{name}.yaml", b"") for name in environments]
    return load_sources(sources)


def test_without_an_environment_it_has_no_value() -> None:
    """One error at each place, with the environments that there are."""
    registry = "kind: Registry\nname: images\naws_name: '{environment}-images'\n"
    (found,) = base(registry, "staging", "production").diagnostics
    assert folder.told(found) == "E1137 a.yaml 5:11 '{environment}-images'"
    assert "'production' or 'staging'" in found.hint
    assert base(registry.replace("{environment}", "{stack}")).get(Registry, "images") is not None


@pytest.mark.parametrize("value", ["{environment}", "{stack: }"])
def test_a_placeholder_without_quotes_is_a_mapping(value: str) -> None:
    """YAML reads braces as one, and the error says what to write."""
    found = folder.lay(f"kind: Stack\nname: my-app\nname_prefix: {value}\n").diagnostics
    assert [one.rule for one in found if "in quotes" in one.hint] == ["E1104"]


def test_text_that_begins_with_one_breaks_yaml_without_quotes() -> None:
    """Where more follows it, the file cannot be read."""
    (found,) = folder.lay("kind: Stack\nname: my-app\nname_prefix: {environment}-\n").diagnostics
    assert (found.rule, found.hint) == ("E1007", "text with a placeholder such as {environment} needs quotes")


def test_without_a_stack_there_is_one_error() -> None:
    """And none for each placeholder."""
    found = folder.alone("{kind: Registry, name: images, aws_name: '{stack}-images'}\n")
    assert folder.rules(found) == {"E1114"}


def test_editors_take_them() -> None:
    """The pattern of a field is found in a text with a placeholder, and in no other that the field refuses."""
    definitions = json_schema()["$defs"]
    for kind, field in (("Registry", "aws_name"), ("Stack", "name_prefix"), ("Logs", "group")):
        pattern = definitions[kind]["properties"][field]["pattern"]
        assert re.search(pattern, "{environment}-x")
        assert not re.search(pattern, "{other}-x ")


def test_anchors_are_resolved_wherever_they_are_used() -> None:
    """An alias is the same value at another place."""
    text = f"{SERVICE}tags: {{one: &x '{{environment}}', two: *x}}\n"
    found = folder.lay(text).get(Service, "my-app-frontend")
    assert found is not None
    assert found.tags == {"one": "case", "two": "case"}
    assert isinstance(folder.lay(text).stack, Stack)
