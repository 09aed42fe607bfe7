"""Rules of tags. Separate from the rest of the model, because commands need them before they load anything else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

PER_RESOURCE: Final = 50
"""Tags that AWS allows on a resource; its own, whose keys begin with `aws:`, do not count."""

KEY_LENGTH: Final = 128
VALUE_LENGTH: Final = 256

_ACCEPTED: Final = re.compile(r"[\w .:/=+\-@]*")
_UNSAFE: Final = re.compile(r"[^\w .:/=+\-@]|[^\x00-\uffff]")
_ESCAPES: Final = re.compile(r"(?:=[0-9A-F]{2})+")
_AMBIGUOUS: Final = re.compile(r"=(?=[0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class TagRules:
    """What AWS allows in the tags of one type only, and how many of them the specs leave to the product.

    `added` are the tags that one of the type may be given beside those of its desired state, all of them together.
    """

    added: int = 0
    case_sensitive: bool = True
    empty_values: bool = True


def tag_value(text: str) -> str:
    """`text` as every AWS service accepts it in a tag: letters, digits, space and `_ . : / = + - @`, 256 at most.

    Other characters become `_`, and white space of any kind and length one space. Source: ECS API reference, Tag; the
    strictest of the services that we tag.
    """
    plain = _UNSAFE.sub("_", " ".join(text.split()))
    if is_reserved(plain):
        plain = plain.replace(":", "_", 1)
    return plain[:VALUE_LENGTH].rstrip()


_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\dZ) (.*)", re.DOTALL)


def stamped(at: datetime | None, text: str) -> str:
    """`2026-01-01T12:05Z ana: migration`; `text` itself without a time."""
    return text if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ} {text}"


def unstamped(text: str) -> tuple[datetime | None, str]:
    """The time that `stamped` put before a text, if there is one, and the text."""
    match = _STAMP.fullmatch(text)
    if match is None:
        return None, text
    try:
        return datetime.strptime(match[1], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC), match[2]
    except ValueError:
        return None, text


def escaped(text: str, *, also: str = "", longest: int = VALUE_LENGTH) -> str:
    """Text of a person or of a program as every AWS service accepts it in a tag; `unescaped` reads it.

    What tags do not allow, and the characters in `also`, become `=2C` and the like, the bytes of their UTF-8 form.
    White space of any kind and length is one space, and what is longer than `longest` is cut, between two characters.
    """
    value = ""
    plain = _AMBIGUOUS.sub("\0", " ".join(text.replace("\0", " ").split()))
    for place, character in enumerate(plain):
        unsafe = _UNSAFE.match(character) or character in also or (place == 3 and is_reserved(plain))
        original = "=" if character == "\0" else character
        part = "".join(f"={byte:02X}" for byte in original.encode("utf-8", "replace")) if unsafe else character
        if len(value) + len(part) > longest:
            break
        value += part
    return value.rstrip()


def with_text(head: str, text: str) -> str:
    """A value that ends with text of a person or of a program, cut to what there is room for; `unescaped` reads it."""
    return head + escaped(text, longest=VALUE_LENGTH - len(head))


def unescaped(value: str) -> str:
    """The text of a value that `escaped` made; any other value is the text itself."""

    def decoded(match: re.Match[str]) -> str:
        try:
            text = bytes.fromhex(match[0].replace("=", "")).decode()
        except UnicodeDecodeError:
            return match[0]
        return text if all(_UNSAFE.match(one) or one in "=:+" for one in text) else match[0]

    return _ESCAPES.sub(decoded, value)


def is_accepted(text: str, longest: int) -> bool:
    """Whether every AWS service accepts `text` and keeps it as it is: it does not begin or end with a space."""
    return _ACCEPTED.fullmatch(text) is not None and text == text.strip() and length(text) <= longest


def is_reserved(text: str) -> bool:
    """Whether a key or value is one of AWS's own, in any case (ECS API reference, Tag)."""
    return text[:4].lower() == "aws:"


def length(text: str) -> int:
    """The length in UTF-16 code units, which is never less than in characters; AWS does not say which it counts."""
    return len(text.encode("utf-16-le")) // 2
