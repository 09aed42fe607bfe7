"""The rest of AWS in one region: everything that moto answers, and what our own services must know of it.

moto is used through two doors only: a request goes in as the HTTP it was (`dispatch`), and the few facts that ECS and
ELB need at every turn (roles, log groups; what is EC2's is in `network`) are read from its state, here and
nowhere else. moto's state is the process's: one AWS emulator at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # a second of start-up for what a laptop has no use for

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.backend_index import backend_url_patterns
from moto.backends import get_backend
from moto.core import responses, serialize
from moto.core.base_backend import BackendDict
from moto.core.botocore_stubber import BotocoreStubber
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.moto_api._internal import mock_random
from moto.route53.models import ChangeList

from reconciler.errors import Undecidable
from reconciler.local.refusal import Refusal
from reconciler.local.wire import Call, Request, Response, unknown
from reconciler.model import policy_evaluation

responses.method_names_from_class = cache(responses.method_names_from_class)  # type: ignore[attr-defined]  # imported there, not meant for others
"""moto looks through all of a service's several hundred methods at each request; a tenth of its time."""


def _possible_keys(
    picker: Any, context: Any, found: Any = serialize.XFormedAttributePicker.get_possible_keys
) -> tuple[str, ...]:
    place = type(context.obj), context.shape, context.key
    if place not in _KEYS:
        _KEYS[place] = tuple(dict.fromkeys(found(picker, context)))
    return _KEYS[place]


_KEYS: dict[tuple[type, Any, str], tuple[str, ...]] = {}
serialize.XFormedAttributePicker.get_possible_keys = _possible_keys  # type: ignore[assignment,method-assign]  # a generator there; it is only iterated
"""moto derives the names that a member may have in its own objects with each request; another tenth."""

LaunchTemplate.tags = property(LaunchTemplate.get_tags, lambda template, tags: None)  # type: ignore[assignment]  # noqa: ARG005 — a list there; it is only read
"""moto shows a launch template's first tags for ever."""


def _append(changes: ChangeList, item: Any, append: Any = ChangeList.append) -> None:
    append(changes, item)
    if item["Action"] == "DELETE":
        record = item["ResourceRecordSet"]
        names = record["Name"], record["Type"]
        changes[:] = [
            one for one in changes if (one["ResourceRecordSet"]["Name"], one["ResourceRecordSet"]["Type"]) != names
        ]


ChangeList.append = _append  # type: ignore[assignment,method-assign]  # its own has no default
"""moto takes a record of Route 53 that was deleted for one that exists, where it is created again."""

KEPT_LINES = 50_000
"""Of one log stream, the newest: a task that writes without end must not take all memory of the machine."""

HOSTS = {"s3": "s3.amazonaws.com", "iam": "iam.amazonaws.com"}
TARGETS = {
    "ecr": "AmazonEC2ContainerRegistry_V20150921",
    "events": "AWSEvents",
    "logs": "Logs_20140328",
    "secretsmanager": "secretsmanager",
    "ssm": "AmazonSSM",
    "tagging": "ResourceGroupsTaggingAPI_20170126",
}

GLOBAL = frozenset({"iam", "route53", "s3", "sts"})
"""Services of which moto has one state for all regions."""
STEADY = frozenset({"ec2", "ecr", "iam", "logs", "scheduler", "ssm"})
"""Services in which time and the scheduler change nothing but what `MOVED_BY_TASKS` show."""
MOVED_BY_TASKS = frozenset(
    {"DescribeNetworkInterfaces", "DescribeSubnets", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents"}
)
"""Reads of the `STEADY` services that show network interfaces, free addresses and logs of tasks."""
MOVED_BY_TIME = frozenset({"LookupEvents"})
"""Reads whose answers change without anything that is due."""


@dataclass(slots=True)
class Rest:
    account: str
    region: str
    changes: int = 0
    """Moves with every change of what the `STEADY` services answer, apart from `MOVED_BY_TASKS`."""
    _stubber: BotocoreStubber = field(default_factory=BotocoreStubber)

    # ---- requests ---------------------------------------------------------------------------------------------------

    def dispatch(self, call: Call) -> Response:
        """moto's answer; an operation it has not, or an accident in it, is an AWS error and never a page."""
        self.changes += not call.reads()
        request = call.request
        address = self._address(call)
        _check_route(address)
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            if name != "host":
                headers[name] = value
        headers["x-moto-account-id"] = self.account
        prepared = AWSPreparedRequest(
            method=request.method, url=address, headers=headers, body=request.body, stream_output=False
        )
        try:
            answer = self._stubber.process_request(prepared)
        except NotImplementedError as error:
            if "filter" in str(error):
                raise Refusal("InvalidParameterValue", f"{error}"[:300]) from error
            raise Refusal(_no_such_operation(call), unknown(call)) from error
        except (Refusal, KeyboardInterrupt):
            raise
        except Exception as error:
            # moto's own accidents, whatever they are, are server errors on AWS
            raise Refusal("InternalFailure", f"{type(error).__name__}: {error}", status=500) from error
        if answer is None:
            raise Refusal(_no_such_operation(call), unknown(call))
        status, answered, body = answer
        raw = body.encode() if isinstance(body, str) else bytes(body or b"")
        if status == 404 and raw == b"Not yet implemented":
            raise Refusal(_no_such_operation(call), unknown(call))
        return Response(int(status), {str(name).lower(): str(value) for name, value in answered.items()}, raw)

    def ask(self, signing_name: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One of moto's JSON operations, from the inside; its error is raised as `Refusal`."""
        request = Request(
            "POST",
            f"https://{signing_name}.{self.region}.amazonaws.com/",
            {
                "x-amz-target": f"{TARGETS[signing_name]}.{operation}",
                "content-type": "application/x-amz-json-1.1",
                "authorization": f"Credential=laptop/20260101/{self.region}/{signing_name}/aws4_request",
            },
            orjson.dumps(dict(params)),
        )
        response = self.dispatch(Call(request, signing_name, signing_name, self.region, operation, "json", {}))
        answer: dict[str, Any] = orjson.loads(response.body) if response.body else {}
        if response.status >= 400:
            code = str(answer.get("__type", "InternalFailure")).rpartition("#")[2]
            message = answer.get("message") or answer.get("Message") or ""
            raise Refusal(code, str(message), status=response.status)
        return answer

    def _address(self, call: Call) -> str:
        """The request's own address where it was made for AWS; over HTTP, the address that AWS would have had."""
        url = call.request.url
        if re.match(r"https?://[^/]*amazonaws\.com", url):
            return url
        path = url if url.startswith("/") else "/" + re.sub(r"^https?://[^/]+/?", "", url)
        host = HOSTS.get(call.signing_name, f"{call.signing_name}.{call.region}.amazonaws.com")
        return f"https://{host}{path}"

    # ---- facts ------------------------------------------------------------------------------------------------------

    def state(self, service: str) -> Any:
        backends: Any = get_backend(service)  # type: ignore[call-overload]  # its overloads want literals
        return backends[self.account]["aws" if service in GLOBAL else self.region]

    def regions_of(self, service: str) -> list[Any]:
        """The state of a service in every region that it was used in."""
        backends: Any = get_backend(service)  # type: ignore[call-overload]  # its overloads want literals
        return list(backends[self.account].values())

    @property
    def iam(self) -> Any:
        return self.state("iam")

    def role(self, name_or_arn: str) -> str | None:
        """The ARN of a role, by its name or ARN."""
        for role in self.iam.roles.values():
            if name_or_arn in (role.arn, role.name):
                return str(role.arn)
        return None

    def role_trusts(self, role_arn: str, principal: str) -> bool:
        """Whether the role's trust policy names the service; a condition in it is taken to hold."""
        for role in self.iam.roles.values():
            if role.arn == role_arn:
                document = role.assume_role_policy_document
                return principal in (document if isinstance(document, str) else orjson.dumps(document).decode())
        return False

    def role_allows(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether the role's policies allow it; what `policy_evaluation` cannot decide is taken to be allowed."""
        for role in self.iam.roles.values():
            if role.arn == role_arn:
                attached = [version for policy in role.managed_policies.values() for version in policy.versions]
                documents = [*role.policies.values(), *(one.document for one in attached if one.is_default)]
                read = [one if isinstance(one, dict) else orjson.loads(one) for one in documents]
                try:
                    return policy_evaluation.is_allowed(policy_evaluation.Request(action, resource), read)
                except Undecidable:
                    return True
        return False

    # ---- objects -----------------------------------------------------------------------------------------------------

    def stored_object(self, bucket: str, key: str) -> bytes | None:
        """The content of an object in S3; None if there is no such object."""
        found = self.state("s3").buckets.get(bucket)
        stored = None if found is None else found.keys.get(key)
        return None if stored is None else bytes(stored.value)

    # ---- logs -------------------------------------------------------------------------------------------------------

    def log_group_exists(self, group: str) -> bool:
        return group in self.state("logs").groups

    def create_log_group(self, group: str) -> None:
        self.ask("logs", "CreateLogGroup", {"logGroupName": group})

    def ensure_log_stream(self, group: str, stream: str) -> None:
        self.state("logs").ensure_log_stream(group, stream)

    def put_logs(self, group: str, stream: str, lines: tuple[tuple[int, str], ...]) -> None:
        """Past PutLogEvents, which compares with the machine's clock and would refuse a stepped one's lines."""
        found = self.state("logs").groups.get(group)
        if found is not None and stream in found.streams:
            self.changes += 1
            events = found.streams[stream]
            events.put_log_events([{"timestamp": at, "message": text} for at, text in lines])
            if len(events.events) > 2 * KEPT_LINES:
                del events.events[:-KEPT_LINES]


def forget_everything(seed: int = 0) -> None:
    """An empty half of an account, in every region; the same calls will give the same ids again."""
    BackendDict.reset()
    mock_random.seed(seed)


def _check_route(address: str) -> None:
    """Raises `Refusal` where moto would hand the request to another service than its host's.

    Its patterns search the whole address, so that a path such as `/x.elasticmapreduce.us-west-2.amazonaws.com/` reaches
    a service that the request was neither signed nor admitted for.
    """
    parts = urlsplit(address)
    if _backend(f"{parts.scheme}://{parts.netloc}{parts.path}") != _backend(f"{parts.scheme}://{parts.netloc}/"):
        raise Refusal("InvalidURI", f"The path {parts.path!r} holds the name of an AWS endpoint.")


@lru_cache(maxsize=1024)
def _backend(address: str) -> str:
    """The service whose pattern is the first to match, as in `BotocoreStubber.process_request`."""
    return next((service for service, pattern in backend_url_patterns if pattern.match(address)), "")


def _no_such_operation(call: Call) -> str:
    return "InvalidAction" if call.protocol in ("query", "ec2") else "UnknownOperationException"
