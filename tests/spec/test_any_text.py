"""Whatever a file holds, loading it ends in documents or findings, never in an exception."""

from __future__ import annotations

import re
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from reconciler.spec.documents import KINDS
from reconciler.spec.load import Specs
from reconciler.spec.reports import FORMATS, report
from reconciler.spec.rules import catalogue
from tests.spec import folder

TOKENS = sorted(set(re.findall(r"\w[\w./-]*|[^\w\s]|\n *| ", folder.BASE)))
ODD = [
    *[
        "\t",
        "\0",
        "\ufeff",
        "\u202e",
        "é",
        "🚀",
        "!!str",
        "!!python/x",
        "&a",
        "*a",
        "<<:",
        "---",
        "...",
        "|",
        ">",
        "? ",
    ],
    *["~", "null", "yes", "012", "1.10", "22:22", "-1", "1e9", "[", "]", "{", "}", '"', "'", "#", "%", "@", ": ", ", "],
]
WORD = some.one_of(some.sampled_from(TOKENS), some.sampled_from(ODD))
FIELDS = sorted({info.alias or name for kind in KINDS.values() for name, info in kind.model_fields.items()})
LEAF = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-(10**20), 10**20),
    some.floats(),
    some.text(max_size=20),
    some.sampled_from(TOKENS),
)
KEY = some.one_of(some.sampled_from(FIELDS), some.sampled_from(TOKENS), some.text(max_size=10))
VALUE = some.recursive(
    LEAF,
    lambda inner: some.one_of(some.lists(inner, max_size=4), some.dictionaries(KEY, inner, max_size=4)),
    max_leaves=12,
)
INTERESTING: list[object] = [
    *["blue_green", "rolling", "canary", "linear", "codedeploy", "ecs_native", "single", "per_zone", "HTTPS", "*"],
    *["10.0.0.0/8", "0.0.0.0/0", "anywhere", "sg-1", "subnet-1", "arn:aws:iam::123456789012:role/a", "90s", "2h"],
    *[0, 1, 80, 256, 512, 1024, 5000, True, [], {}, [{}], {"a": {}}, {"cpu": 1}],
    *[{"min": 0, "max": 5}, {"mode": "timed"}, {"registry": "a", "tag": "latest"}, {"schedule": "rate(1 day)"}],
]
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(specs: Specs) -> None:
    """What holds of every result."""
    known = catalogue()
    places = [found.position for found in specs.diagnostics]
    assert places == sorted(places)
    for found in specs.diagnostics:
        assert found.rule in known
        assert found.message == " ".join(found.message.split(" "))
        assert "\n" not in found.message + found.hint
        assert 1 <= found.position.column < found.position.end_column
        assert found.position.line >= 1
        assert 1 <= found.caret[0] < found.caret[1]
        assert all(text.isprintable() for _, text in found.excerpt)
    for form, render in FORMATS.items():
        shown = render(report(specs))
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", shown), form
    assert len(specs.digest) == 64


@SETTINGS
@given(some.text(max_size=400))
def test_any_text_at_all(text: str) -> None:
    """Characters without sense."""
    check(folder.alone(text.encode("utf-8", "surrogatepass")))


@SETTINGS
@given(some.binary(max_size=200))
def test_any_bytes_at_all(data: bytes) -> None:
    """Not even characters."""
    check(folder.alone(data))


@SETTINGS
@given(some.lists(WORD, max_size=60))
def test_any_order_of_the_words_of_a_spec(words: list[str]) -> None:
    """Words with sense in an order without."""
    check(folder.alone("".join(words)))


@SETTINGS
@given(
    some.integers(0, len(folder.BASE)),
    some.integers(0, 40),
    WORD,
)
def test_a_working_folder_with_something_replaced(start: int, length: int, word: str) -> None:
    """One slip in a good file."""
    check(folder.alone(folder.BASE[:start] + word + folder.BASE[start + length :]))


@SETTINGS
@given(some.sampled_from(sorted(KINDS)), some.dictionaries(KEY, VALUE, max_size=6))
def test_documents_of_any_content(kind: str, fields: dict[str, object]) -> None:
    """YAML without fault, documents with."""
    text = yaml.safe_dump({**fields, "kind": kind, "name": "my-app-frontend"}, allow_unicode=True)
    check(folder.lay(text))
    check(folder.documents(text))


@SETTINGS
@given(some.data())
def test_a_working_folder_with_a_value_replaced_by_any_other(data: some.DataObject) -> None:
    """The checks see documents that are odd in one place and whole in the others."""
    documents = [document for document in yaml.safe_load_all(folder.BASE) if document]
    place: Any = documents
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else sorted(place)
        key = data.draw(some.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(some.booleans()):
            break
        place = place[key]
    place[key] = data.draw(some.one_of(VALUE, some.sampled_from(INTERESTING)))
    check(folder.alone(yaml.safe_dump_all(documents, allow_unicode=True)))
