"""Digest that is the same in later versions of the code, for what is stored in AWS and compared after an upgrade.

A field counts by its name, and only where it has another value than its default. So a class may get a new field with a
default, and no digest changes that was stored before it had one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel

from reconciler.model.resource import Address, Ref


def digest(value: Any, length: int) -> str:
    """The first `length` hexadecimal digits of the sha256 of `value` in its stable form."""
    return hashlib.sha256(json.dumps(stable(value), sort_keys=True).encode()).hexdigest()[:length]


def stable(value: Any) -> Any:
    """`value` in JSON's types: an object without its defaults, a reference as text, a period in seconds.

    Raises `TypeError` for a type that has no stable form.
    """
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return stable(value.value)
        case timedelta():
            return value.total_seconds()
        case Address() | Ref():
            return str(value)
        case BaseModel():
            declared = type(value).model_fields
            defaults = {name: one.get_default(call_default_factory=True) for name, one in declared.items()}
            return _chosen({name: getattr(value, name) for name in declared}, defaults)
        case Mapping():
            return {str(key): stable(item) for key, item in value.items()}
        case tuple() | list():
            return [stable(item) for item in value]
        case frozenset() | set():
            return sorted((stable(item) for item in value), key=json.dumps)
        case _ if is_dataclass(value):
            return _chosen(
                {one.name: getattr(value, one.name) for one in fields(value)},
                {one.name: _default(one) for one in fields(value)},
            )
    raise TypeError(f"{type(value).__name__} has no stable form")


def _chosen(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stable(value) for name, value in values.items() if value != defaults[name]}


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()
