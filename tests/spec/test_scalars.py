"""Scalars by the YAML 1.2 core schema, with their spelling."""

from __future__ import annotations

import pytest

from reconciler.spec.documents import Service
from reconciler.spec.scalar import Written, resolve
from tests.spec import folder

BEFORE = """\
kind: Service
name: my-app-frontend
task:
  containers:
    frontend:
      environment:
        VALUE: """


def variable(written: str) -> str:
    """What a container gets for a value that was written so."""
    specs = folder.lay(f"{BEFORE}{written}\n")
    assert specs.diagnostics == ()
    service = specs.get(Service, "my-app-frontend")
    assert service is not None
    return service.task.containers["frontend"].environment["VALUE"]


@pytest.mark.parametrize(
    "written",
    [
        *["1.10", "012", "08", "1e3", "0x1F", "0o17", ".5", "-0", "+1", "1.", ".inf", ".NaN", "1_000", "9" * 30],
        *["true", "True", "yes", "on", "NO", "y", "22:22", "2026-01-31", "=", "<<", "a:b"],
    ],
)
def test_text_fields_take_every_plain_scalar_as_it_is_spelled(written: str) -> None:
    """No environment value silently becomes something else."""
    assert variable(written) == written


@pytest.mark.parametrize(("written", "value"), [('"1.10"', "1.10"), ("'yes'", "yes"), ('""', ""), ("!!str 012", "012")])
def test_quoted_scalars_are_their_text(written: str, value: str) -> None:
    """Quotes and !!str say text."""
    assert variable(written) == value


def test_folded_and_literal_text_keeps_its_lines() -> None:
    """Block scalars are text."""
    assert variable("|\n          one\n          two") == "one\ntwo\n"
    assert variable(">-\n          one\n          two") == "one two"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, None) for text in ("", "~", "null", "Null", "NULL")],
        *[("true", True), ("TRUE", True), ("False", False)],
        *[("0", 0), ("12", 12), ("-7", -7), ("+3", 3), ("0o17", 15), ("0x1F", 31), ("012", 12)],
        *[("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-1.", -1.0)],
        *[(text, text) for text in ("nULL", "yes", "on", "off", "no", "y", "TrUe")],
        *[(text, text) for text in ("0b11", "1_000", "22:22", "1.2.3", "0x", ".", "-")],
    ],
)
def test_the_core_schema_and_nothing_else(text: str, value: object) -> None:
    """null, true and false, integers and floats as YAML 1.2 spells them; the rest is text."""
    found = resolve(text)
    assert (found.value if isinstance(found, Written) else found) == value
    assert found is None or str(found) == text


@pytest.mark.parametrize("text", ["9" * 19, "9" * 5000, "1e" + "9" * 30, ".inf", "-.INF", ".nan"])
def test_numbers_that_nobody_means_have_no_value(text: str) -> None:
    """They stay text where text is expected, and are refused where a number is."""
    found = resolve(text)
    assert isinstance(found, Written)
    assert found.value is None


def test_an_account_number_without_quotes_is_the_number_as_written() -> None:
    """Twelve digits, a leading zero among them."""
    for account in ("123456789012", "012345678901"):
        stack = folder.lay(f"kind: Stack\nname: my-app\naccount: {account}\n").stack
        assert stack is not None
        assert stack.account == account


def test_a_tag_that_looks_like_a_number_keeps_its_zero() -> None:
    """Version 1.10 is not version 1.1."""
    text = "kind: Service\nname: my-app-frontend\ntask:\n  containers:\n    frontend: {image: {tag: 1.10}}\n"
    service = folder.lay(text).get(Service, "my-app-frontend")
    assert service is not None
    assert service.task.containers["frontend"].image.tag == "1.10"
