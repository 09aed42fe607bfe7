"""Values of tags. Separate from the rest of the model, because commands need it before they load anything else."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(r"[^\w\s.:/=+\-@]")


def tag_value(text: str) -> str:
    """`text` as every AWS service accepts it in a tag: letters, digits, space and `_ . : / = + - @`, 256 at most.

    Source: ECS API reference, Tag; the strictest of the services that we tag.
    """
    return _UNSAFE.sub("_", text)[:256]
