"""Observed state: what one observation of the account has found, and what it could not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import AwsError
from reconciler.model.resource import Observed


@dataclass(frozen=True, slots=True)
class ObservedState:
    """Result of an observation: resources by type, and the types that could not be read, with the reason.

    `carried` are the types taken over from an earlier pass, and `narrowed` the ids that were read of those that were
    read in part. `swept` is the tag index, as of the last pass that read it.
    """

    found: Mapping[str, Sequence[Observed[Any]]] = field(default_factory=dict)
    unreadable: Mapping[str, AwsError] = field(default_factory=dict)
    carried: frozenset[str] = frozenset()
    swept: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    narrowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Observed[Any]]:
        for kind in sorted(self.found):
            yield from self.found[kind]
