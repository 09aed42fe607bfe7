"""Pages of an answer.

A token names the first item of the next page, so that paging stays right while items come and go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from reconciler.local.refusal import Refusal

T = TypeVar("T")


def page(
    items: Sequence[T], token: str | None, size: int, key: Callable[[T], str], refusal: Refusal
) -> tuple[list[T], str | None]:
    """The page that `token` stands for, and the token of the next; `refusal` is raised for a foreign token."""
    start = 0
    if token:
        try:
            wanted = base64.urlsafe_b64decode(token.encode()).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise refusal from error
        start = next((index for index, item in enumerate(items) if key(item) >= wanted), len(items))
    rest = items[start:]
    following = base64.urlsafe_b64encode(key(rest[size]).encode()).decode() if len(rest) > size else None
    return list(rest[:size]), following
