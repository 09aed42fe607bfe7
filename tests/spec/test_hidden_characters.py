"""Characters that arrive as YAML escapes: what a person reads in the file is what is sent to AWS and shown."""

from __future__ import annotations

import unicodedata

import pytest

from tests.spec.folder import alone

STACK = "kind: Stack\nname: my-app\nregion: us-west-2\n"
SERVICE = """\
kind: Task
name: my-job
task:
  containers:
    job:
      image: {{uri: "public.ecr.aws/x/y:1"}}
      {field}
"""


INVISIBLE = (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x2800, 0x3164, 0xFE00, 0xFE0F, 0xFFA0)
"""Of other categories than control and format characters, and seen no better."""


def found(text: str) -> list[str]:
    """`E1002 case.yaml 7:23`, for each finding about what cannot be seen."""
    here = [one for one in alone(f"{text}---\n{STACK}").diagnostics if one.rule in ("E1002", "E1003", "E1022")]
    return [f"{one.rule} {one.position}" for one in here]


@pytest.mark.parametrize(
    ("escape", "rule"),
    [
        (r"\x9b31m", "E1002"),
        (r"\e[31m", "E1002"),
        (r"\0", "E1002"),
        (r"\x7f", "E1002"),
        (r"\r", "E1002"),
        (r"\N", "E1002"),
        (r"\L", "E1002"),
        (r"\ufeff", "E1002"),
        (r"\u200b", "E1002"),
        (r"\U000e0041", "E1002"),
        *((rf"\u{code:04x}", "E1002") for code in INVISIBLE),
        (r"\U000e0100", "E1002"),
        (r"\u202e", "E1003"),
        (r"\u2066", "E1003"),
    ],
)
@pytest.mark.parametrize(
    "field", ['environment: {{A: "{}"}}', 'command: ["{}"]', '"{}": 1', 'environment: {{"{}": x}}']
)
def test_an_escape_is_refused_at_its_value(escape: str, rule: str, field: str) -> None:
    """Whatever the field, also where the text is free, and in the names of fields."""
    text = SERVICE.format(field=field.format(f"a{escape}b"))
    line = text.splitlines()[6]
    column = line.index('"') + 1
    [one] = found(text)
    assert one == f"{rule} case.yaml:7:{column}"


def test_every_control_and_format_character_is_refused() -> None:
    """But the line break and the tab of free text, and the joiners that some scripts and emoji are written with."""
    fine = {"\n", "\t", "\u200c", "\u200d"}
    hidden = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]
    assert len(hidden) > 200
    wrong = [one for one in hidden if bool(found(SERVICE.format(field=_environment(one)))) == (one in fine)]
    assert wrong == []


def test_an_emoji_may_be_written_as_it_is() -> None:
    """With the selector that makes it one of a symbol, and joiners."""
    hearts = SERVICE.replace("{field}", 'environment: {A: "\u2764\ufe0f\u200d\U0001f525"}')
    assert found(hearts.replace("{{", "{").replace("}}", "}")) == []


def _environment(character: str) -> str:
    return f'environment: {{{{A: "\\U{ord(character):08x}"}}}}'.replace("{{", "{").replace("}}", "}")


@pytest.mark.parametrize(
    "field", ['environment: {A: "a\\n\\tb"}', 'command: ["a\\n\\tb"]', "command: [x, |\n      a\n      b\n      ]"]
)
def test_free_text_may_have_lines_and_tabs(field: str) -> None:
    """Scripts and certificates are written so."""
    assert found(SERVICE.replace("{{", "{").replace("}}", "}").replace("{field}", field)) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('kind: Cluster\nname: "a\\nb"\n', "2:7"),
        ("kind: Cluster\nname: |\n  a\n", "2:7"),
        ('kind: Network\nname: n\ncidr: "10.0.0.0/20"\nsubnets: []\nmoved_from: "a\\tb"\n', "5:13"),
    ],
)
def test_other_text_is_one_line(text: str, place: str) -> None:
    """A view shows it as one line, and a second one could pass for what `reconciler` says."""
    [one] = found(text)
    assert one == f"E1022 case.yaml:{place}"
