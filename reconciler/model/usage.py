"""Usage of resources by what runs at this moment, as far as it was observed."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Usage:
    """`used` are the ids and names of everything that tasks run on, in any version. `lost` are those of them that the
    plan deletes or that are gone. `proven` are the target groups in which every task of a stable service is healthy.

    `named` are the target groups that a listener or rule names which the plan does not change. `awaited` are the ids of
    listeners and rules whose requests a new one is to take, and does not take yet; `exchanged` are those whose requests
    are to be taken by one that takes others now. `unserved` are the ids of those that only tests come in through.

    `several`: tasks of more than one version run, or are about to. `needed` are the ids of what they may need, in any
    version; None if that cannot be told from what is observed. Nothing that they may need is taken away.
    """

    used: frozenset[str] = NOTHING
    lost: frozenset[str] = NOTHING
    proven: frozenset[str] = NOTHING
    several: bool = False
    needed: frozenset[str] | None = None
    named: frozenset[str] = NOTHING
    awaited: frozenset[str] = NOTHING
    exchanged: frozenset[str] = NOTHING
    unserved: frozenset[str] = NOTHING

    def may_need(self, *ids: object) -> bool:
        """Whether tasks of a service with several versions may need one of these."""
        return self.several and (self.needed is None or not self.needed.isdisjoint(ids))
