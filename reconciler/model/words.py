"""What a person says to the loop about a whole stack, as tags on one of its services, like intents on each of them.

    reconciler:poke      look at everything now; answered in reconciler:poked with the same id
    reconciler:suspend   leave the stack alone, until the tag is gone
    reconciler:revision  what was last in place as a whole: the specs' revision, and its first words

The service is the first of the stack by name: DescribeServices brings its tags for nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.model import ownership
from reconciler.model.resource import Address, Calls, Observed, Service, tag_value

ecs = Service("ecs")

POKE: Final = f"{ownership.PREFIX}poke"
POKED: Final = f"{ownership.PREFIX}poked"
SUSPEND: Final = f"{ownership.PREFIX}suspend"
REVISION: Final = f"{ownership.PREFIX}revision"


@dataclass(frozen=True, slots=True)
class Words:
    """`poke` and `poked` are ids; `suspended` is who said so."""

    poke: str = ""
    poked: str = ""
    suspended: str = ""
    revision: str = ""

    @property
    def unheard(self) -> bool:
        return bool(self.poke) and self.poke != self.poked


def of_tags(tags: Mapping[str, str]) -> Words:
    return Words(
        tags.get(POKE, ""),
        tags.get(POKED, "").partition(":")[0],
        tags.get(SUSPEND, ""),
        tags.get(REVISION, "").partition(" ")[0],
    )


def notice_board(services: Iterable[Observed[Any]], wanted: Collection[Address]) -> Observed[Any] | None:
    """The service whose tags hold what is said about the stack; None while there is none."""
    ours = [one for one in services if one.address in wanted and "arn" in one.facts and not one.facts.get("deleting")]
    return min(ours, key=lambda one: one.address.name, default=None)


def write(arn: str, tags: Mapping[str, str]) -> Calls[None]:
    yield ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": tags[key]} for key in sorted(tags)])


def erase(arn: str, *keys: str) -> Calls[None]:
    yield ecs.untag_resource(resourceArn=arn, tagKeys=list(keys))


def read(cluster: str, arn: str) -> Calls[dict[str, str]]:
    """The service's tags as they are now."""
    answer = yield ecs.describe_services(cluster=cluster, services=[arn], include=["TAGS"])
    return {tag["key"]: tag["value"] for item in answer["services"] for tag in item.get("tags") or ()}


def poked(poke: str, revision: str) -> str:
    return tag_value(f"{poke}:{revision}")


def in_place(revision: str, subject: str) -> str:
    return tag_value(f"{revision} {subject}".strip())
