"""CloudTrail records: which API call wrote what, and who made it, from where and with which tool. Pure.

EventBridge delivers a record as the detail of `AWS API Call via CloudTrail`, LookupEvents as text in `CloudTrailEvent`;
both are the same record (CloudTrail User Guide, "CloudTrail record contents").

All of it comes from outside: the caller chooses the name of its session and its user agent. What is shown is short, on
one line, without hidden characters and without what looks like a secret. Parameters of calls are compared and never
shown or kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.model.author import Author
from reconciler.model.secrecy import masked
from reconciler.printable import hidden

LONGEST: Final = 128
"""Characters of a text of a record that are shown."""
LARGEST: Final = 256 * 1024
"""Characters of a record that is read; CloudTrail's own limit of an event is 256 KB."""
MOST_TEXTS: Final = 5000
"""Texts in the parameters of a call that are compared."""
DEEPEST: Final = 12

HOME_REGIONS: Final[Mapping[str, str]] = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""By partition, the region whose CloudTrail has the events of services that are in no region, such as IAM."""

CONSOLE: Final = "AWS console"
OURS: Final = "reconciler"

_TOOLS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"^reconciler/", OURS),
        (r"opentofu/", "OpenTofu"),
        (r"terraform", "Terraform"),
        (r"pulumi", "Pulumi"),
        (r"eksctl/", "eksctl"),
        (r"aws-cdk|cdk-cli", "AWS CDK"),
        (r"ansible", "Ansible"),
        (r"copilot", "AWS Copilot"),
        (r"aws-cli/.*cloudshell", "AWS CLI in CloudShell"),
        (r"aws-cli/", "AWS CLI"),
        (r"aws-tools|awspowershell", "AWS Tools for PowerShell"),
        (r"boto3/", "boto3"),
        (r"botocore/", "botocore"),
        (r"aws-sdk-go", "AWS SDK for Go"),
        (r"aws-sdk-java", "AWS SDK for Java"),
        (r"aws-sdk-(js|nodejs)", "AWS SDK for JavaScript"),
        (r"aws-sdk-dotnet", "AWS SDK for .NET"),
        (r"aws-sdk-rust", "AWS SDK for Rust"),
        (r"^mozilla/|console\.amazonaws\.com|signin\.amazonaws\.com", CONSOLE),
    )
)
"""The first that fits a user agent: Terraform, for one, also names the SDK that it uses."""

_SERVICES: Final[Mapping[str, str]] = {
    "autoscaling": "EC2 Auto Scaling",
    "ecs.application-autoscaling": "Application Auto Scaling",
    "application-autoscaling": "Application Auto Scaling",
    "cloudformation": "CloudFormation",
    "codedeploy": "CodeDeploy",
    "ecs": "ECS",
    "config": "AWS Config",
    "ssm": "Systems Manager",
    "servicecatalog": "Service Catalog",
}


@dataclass(frozen=True, slots=True)
class ApiWrite:
    """A call that changed something. `source` is the service as ARNs name it, such as `ecs`.

    For comparisons only: `principal` is the ARN of the user or role that called, without the session. `named` are the
    texts of its parameters with how deep each stands, `words` the same in lower case; `keys` are the names of the
    parameters, without punctuation, and `values` the texts by name. `agent` is the user agent as it was sent.
    """

    author: Author
    source: str
    principal: str = field(default="", repr=False)
    named: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    words: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    keys: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    values: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)
    agent: str = field(default="", repr=False, compare=False)

    @property
    def at(self) -> datetime:
        return self.author.at

    def of_stack(self, stack: str) -> bool:
        """Whether the product made it, for this stack."""
        return self.agent.startswith(f"{OURS}/") and f"stack/{_AGENT.sub('_', stack)}" in self.agent.split()


_AGENT: Final = re.compile(r"[^\w.\-]")


def writes_of(records: Iterable[object]) -> Iterator[ApiWrite]:
    """The writes that succeeded, of records of any kind."""
    for record in records:
        found = write_of(record)
        if found is not None:
            yield found


def looked_up(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The records in an answer of LookupEvents. What its index says of resources is added to each."""
    for event in answer.get("Events") or ():
        record = _parsed(event.get("CloudTrailEvent"))
        if record is not None:
            names = [one.get("ResourceName") for one in event.get("Resources") or ()]
            yield {**record, INDEXED: [name for name in names if isinstance(name, str)]}


INDEXED: Final = "(indexed resources)"
"""Key of a record for what only LookupEvents says."""


def _parsed(text: object) -> dict[str, Any] | None:
    if not isinstance(text, str) or len(text) > LARGEST:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def write_of(record: object) -> ApiWrite | None:
    """None for a read, for a call that failed, and for what is no record of a call."""
    if not isinstance(record, Mapping) or _true(record.get("readOnly")) or record.get("errorCode"):
        return None
    at, identity = _time(record.get("eventTime")), record.get("userIdentity")
    operation, source = record.get("eventName"), record.get("eventSource")
    texts = (operation, source, record.get("eventID"))
    if at is None or not isinstance(identity, Mapping) or not all(isinstance(text, str) and text for text in texts):
        return None
    source, operation = str(source).removesuffix(".amazonaws.com"), str(operation)
    named, keys, values = dict[str, int](), set[str](), dict[str, set[str]]()
    for text, depth, path in _texts(record.get("requestParameters")):
        keys.update(path)
        named[text] = min(depth, named.get(text, DEEPEST))
        for key in path[-1:]:
            values.setdefault(key, set()).add(text)
    resources = record.get("resources") or ()
    arns = [one.get("ARN") for one in resources if isinstance(one, Mapping)] if isinstance(resources, list) else []
    for text in (*arns, *(record.get(INDEXED) or ())):
        if isinstance(text, str):
            named[text] = min(1, named.get(text, DEEPEST))
    return ApiWrite(
        author=_author(identity, record, at, operation),
        source=source,
        principal=_principal(identity),
        named=named,
        words=frozenset(text.casefold() for text in named),
        keys=frozenset(keys),
        values={key: frozenset(texts) for key, texts in values.items()},
        agent=str(record.get("userAgent") or "").strip("[]"),
    )


def normalized(name: str) -> str:
    """`desired_count` and `desiredCount` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def shown(text: object) -> str:
    """One short line without hidden characters and secrets."""
    words = " ".join(masked(str(text)[: 4 * LONGEST]).split())
    clean = "".join(char for char in words if not hidden(char))
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 1]}…"


def _texts(value: object, depth: int = 0, path: tuple[str, ...] = ()) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Each text, how deep it is, and the names that lead to it. The `items` of EC2's lists are no step of the way."""
    left = MOST_TEXTS
    todo: list[tuple[object, int, tuple[str, ...]]] = [(value, depth, path)]
    while todo and left:
        value, depth, path = todo.pop()
        if isinstance(value, Mapping):
            for key, item in value.items():
                inner = key in _NO_STEP or depth >= DEEPEST
                todo.append((item, depth if inner else depth + 1, path if inner else (*path, normalized(str(key)))))
        elif isinstance(value, list):
            todo += [(item, depth, path) for item in value]
        elif isinstance(value, str | int) and not isinstance(value, bool):
            left -= 1
            yield str(value), depth, path
        elif value is not None:  # a member without a text of its own says at least which one it is
            yield str(value).casefold(), depth, path


_NO_STEP: Final = frozenset({"items", "item"})


def _true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.casefold() == "true")


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _author(identity: Mapping[str, Any], record: Mapping[str, Any], at: datetime, operation: str) -> Author:
    """Source: CloudTrail User Guide, "CloudTrail userIdentity element"."""
    kind, arn, by = (str(identity.get(key) or "") for key in ("type", "arn", "invokedBy"))
    session = str(identity.get("principalId") or "").partition(":")[2] or arn.rpartition("/")[2]
    role = ""
    match kind:
        case "Root":
            name = "the root user"
        case "AssumedRole":
            assumed = arn.rpartition(":assumed-role/")[2].partition("/")[0]
            name, role = session, str(_inside(identity, *_ISSUER).get("userName") or assumed)
        case "FederatedUser":
            name = session
        case "AWSService":
            name = _service(by) if by else "an AWS service"
        case "AWSAccount":
            name = f"account {identity.get('accountId', '')}"
        case _:
            user = identity.get("userName") or session or _inside(identity, "onBehalfOf").get("userId")
            name = str(user or (_service(by) if by else ""))
    address = str(record.get("sourceIPAddress") or "")
    return Author(
        name=shown(name) or "unknown",
        at=at,
        operation=shown(operation),
        event=shown(record["eventID"]),
        role=shown(role),
        account=shown(identity.get("accountId") or ""),
        address="" if address.endswith(".amazonaws.com") or address == "AWS Internal" else shown(address),
        tool=_tool(kind, by, record),
    )


def _principal(identity: Mapping[str, Any]) -> str:
    return str(_inside(identity, *_ISSUER).get("arn") or identity.get("arn") or "")


_ISSUER: Final = ("sessionContext", "sessionIssuer")


def _tool(kind: str, by: str, record: Mapping[str, Any]) -> str:
    agent, address = str(record.get("userAgent") or "").strip("[]"), str(record.get("sourceIPAddress") or "")
    by = by or next((text for text in (address, agent) if text.endswith(".amazonaws.com")), "")
    if _true(record.get("sessionCredentialFromConsole")) or by.startswith(("console.", "signin.")):
        return CONSOLE
    if by and kind != "AWSService":
        return _service(by)
    if not agent or kind == "AWSService":
        return ""
    if agent in ("AWS Internal", "aws-internal"):
        return "AWS"
    return next((name for pattern, name in _TOOLS if pattern.search(agent)), shown(agent))


def _service(host: str) -> str:
    name = host.removesuffix(".amazonaws.com")
    return _SERVICES.get(name) or shown(host)


def _inside(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for step in path:
        found = value.get(step)
        if not isinstance(found, Mapping):
            return {}
        value = found
    return value
