"""Facts of the AWS services: error codes and what they mean for us, rates, and the names they go by.

One YAML file a service, read when the service is first asked about; `common.yaml` is of all of them. Every row keeps
its source. A service without a file is one of which nothing special is known.

    errors     codes → what they mean; `message_first` where one code has many causes and the message is asked first
    messages   parts of messages, in lower case, of errors whose code alone does not tell the cause
    patterns   of codes, where neither is known

An error or a message with `propagates` is what AWS also says of something that it does not know yet. Where the call
names what was made moments ago, it is retried for so many seconds, and otherwise means at once what the row says. What
means `propagating` is retried whatever the call names.

    rates      token buckets as AWS publishes them: `burst` calls at once, `per_second` after that; an account's and a
               region's, shared with people and every other tool. `others` are the service's other reads and writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from reconciler import errors
from reconciler.errors import AwsError

COMMON: Final = "common"

MEANINGS: Final[Mapping[str, type[AwsError]]] = {
    "gone": errors.Gone,
    "exists": errors.Exists,
    "blocked": errors.Blocked,
    "propagating": errors.Propagating,
    "throttled": errors.Throttled,
    "ambiguous": errors.Ambiguous,
    "quota": errors.Quota,
    "denied": errors.Denied,
    "protected": errors.Protected,
    "invalid": errors.Invalid,
    "unserved": errors.Unserved,
}


class Meaning(NamedTuple):
    """`propagates`: seconds for which it may only say that AWS does not know yet what was just made."""

    kind: type[AwsError]
    propagates: float = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """`bucket` is what the calls that share it are called; unique within a service."""

    bucket: str
    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """`arn_namespace` is the service's name in ARNs, `iam_prefix` in IAM actions. One that is not `regional` takes a
    while to tell the regions of any change. `iam_actions` are those that IAM calls otherwise than the operation.

    `tagging_on_creation` is the operation that IAM checks for tags in a creation, where the service tells that from
    other tagging by the condition key `CreateAction`. `shared` are operations that create what takes no tags and is
    named by its content, so that it is the same for every stack and none of them owns it. `in_event_history`:
    CloudTrail finds its events by the names of resources.
    """

    arn_namespace: str
    iam_prefix: str
    iam_actions: Mapping[str, str] = field(default_factory=dict)
    regional: bool = True
    tagging_on_creation: str = ""
    shared: frozenset[str] = frozenset()
    in_event_history: bool = False
    codes: Mapping[str, Meaning] = field(default_factory=dict)
    message_first: frozenset[str] = frozenset()
    messages: tuple[tuple[str, Meaning], ...] = ()
    patterns: tuple[tuple[re.Pattern[str], Meaning], ...] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict)
    other_reads: Rate | None = None
    other_writes: Rate | None = None

    def rate_of(self, operation: str, *, reads: bool) -> Rate | None:
        """The bucket that a call is counted in; None where AWS publishes nothing of it."""
        return self.rates.get(operation) or (self.other_reads if reads else self.other_writes)


def services() -> tuple[str, ...]:
    """The services that have a file, in order."""
    names = (entry.name for entry in files(__package__).iterdir() if entry.name.endswith(".yaml"))
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name != f"{COMMON}.yaml"))


@cache
def service_facts(service: str) -> ServiceFacts:
    stored = read(service)
    codes = stored.get("errors", ())
    rates = stored.get("rates", {})
    others = rates.get("others", {})
    return ServiceFacts(
        arn_namespace=stored.get("arn_namespace", service),
        iam_prefix=stored.get("iam_prefix", service),
        iam_actions=stored.get("iam_actions", {}),
        regional=stored.get("regional", True),
        tagging_on_creation=stored.get("tagging_on_creation", ""),
        shared=frozenset(stored.get("shared", ())),
        in_event_history=stored.get("in_event_history", False),
        codes={code: _meaning(row) for row in codes for code in row["codes"]},
        message_first=frozenset(code for row in codes if row.get("message_first") for code in row["codes"]),
        messages=tuple((row["text"], _meaning(row)) for row in stored.get("messages", ())),
        patterns=tuple((re.compile(row["pattern"]), _meaning(row)) for row in stored.get("patterns", ())),
        rates={
            operation: Rate(row["bucket"], row["burst"], row["per_second"])
            for row in rates.get("buckets", ())
            for operation in row["operations"]
        },
        other_reads=Rate("read", **others["read"]) if "read" in others else None,
        other_writes=Rate("write", **others["write"]) if "write" in others else None,
    )


def _meaning(row: Mapping[str, Any]) -> Meaning:
    return Meaning(MEANINGS[row["means"]], float(row.get("propagates", 0)))


def read(service: str) -> dict[str, Any]:
    """The file as it stands; empty where there is none."""
    import yaml

    try:
        text = files(__package__).joinpath(f"{service}.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    stored: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return stored
