"""Values as other tools write them are answered with how they are written here."""

from __future__ import annotations

import pytest

from tests.spec import folder

SERVICE = "kind: Service\nname: my-app-frontend\n"
CONTAINER = SERVICE + "task: {containers: {frontend: {%s}}}\n"


def hints(text: str) -> list[str]:
    return [found.hint for found in folder.lay(text).diagnostics]


@pytest.mark.parametrize(
    ("value", "meant"),
    [("512MB", 512), ("512 MiB", 512), ("512Mi", 512), ("1GB", 1024), ("0.5GB", 512), ("'2 GB'", 2048), ("1g", 1024)],
)
def test_memory_with_a_unit(value: str, meant: int) -> None:
    """In MiB, which is what the field takes."""
    (hint,) = hints(f"{SERVICE}task: {{memory: {value}}}\n")
    assert hint.endswith(f"write {meant}")


@pytest.mark.parametrize(
    ("value", "meant"),
    [("0.25", 256), (".5", 512), ("1.0", 1024), ("'0.25 vCPU'", 256), ("250m", 256), ("2 vCPU", 2048)],
)
def test_cpu_in_vcpus(value: str, meant: int) -> None:
    """In CPU units, also of thousandths as Kubernetes has them."""
    (hint,) = hints(f"{SERVICE}task: {{cpu: {value}}}\n")
    assert hint.endswith(f"write {meant}")


@pytest.mark.parametrize("value", ["lots", "MB", "512XB", "''", "400k"])
def test_what_nobody_understands_has_no_hint(value: str) -> None:
    """Rather than a wrong one."""
    assert hints(f"{SERVICE}task: {{memory: {value}}}\n") == [""]


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("environment", "[A=b, C=d]", "write environment: {A: …, C: …}"),
        ("environment", "[{name: A, value: hunter2}]", "write environment: {A: …}"),
        ("environment", "[A=1, B=2, C=3, D=4]", "write environment: {A: …, B: …, C: …, …}"),
        ("environment", "[A=1, B]", "write {NAME: value} instead of a list"),
        ("secrets", "[A=ssm:/x]", "write secrets: {A: …}"),
    ],
)
def test_variables_as_a_list(field: str, value: str, hint: str) -> None:
    """The names, and never the values, which may be secrets."""
    assert hints(CONTAINER % f"{field}: {value}") == [hint]


@pytest.mark.parametrize("value", ["'${TAG}'", "$TAG", "'{{ tag }}'", "'v${BUILD}'"])
def test_a_variable_in_place_of_a_tag(value: str) -> None:
    """There are none: the tag is written by whoever has built it."""
    (hint,) = hints(CONTAINER % f"image: {{registry: my-app-frontend, tag: {value}}}")
    assert "no variables" in hint
    assert "commit" in hint


def test_a_field_that_does_not_exist_is_answered_with_those_that_do() -> None:
    """Where none was surely meant; a misspelled one is named alone."""
    assert hints(f"{SERVICE}traffic: {{health_check: {{grace: 1}}}}\n") == [
        "its fields: path, port, protocol, interval, timeout, healthy_threshold, unhealthy_threshold, matcher"
    ]
    assert hints(f"{SERVICE}traffic: {{health_check: {{intervall: 10s}}}}\n") == ["did you mean 'interval'?"]
    (many,) = hints(f"{SERVICE}qqqq: 1\n")
    assert many.count(", ") == 15
    assert {"task", "traffic"} <= set(many.split(", "))
    assert "`reconciler explain Service`" in many


def test_a_region_that_may_be_newer_than_this_version_is_a_warning() -> None:
    """Its words are those of regions; zones that do not fit are found as well."""
    found = folder.lay("kind: Stack\nname: my-app\nregion: us-west-9\n").diagnostics
    assert [one.rule for one in found] == ["E3006", "E3006", "E3006", "W1144"]
    assert "us-west-2" in found[-1].hint
