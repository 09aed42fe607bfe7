"""The fields of a listener rule, and what they are called in the calls and answers of Elastic Load Balancing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue, field_validator

from reconciler.model import members, resource
from reconciler.model.members import ApiMembers
from reconciler.model.resource import Address, Link, Path
from reconciler.model.resource_type import FieldMark, OwnedBy
from reconciler.resources import _elb_actions, _sign_in
from reconciler.resources._elb_actions import Action
from reconciler.resources._sign_in import SignIn

API: Final = ApiMembers(
    "elbv2",
    create="CreateRule",
    update="ModifyRule",
    described="Rule",
    words={
        "ListenerArn": "`listener` of `traffic`",
        "Priority": "priority",
        "Tags": "the document's `tags`",
        "Conditions.Values": "the fields of the match",
        "Conditions.PathPatternConfig.Values": "path",
        "Conditions.HostHeaderConfig.Values": "host",
        "Conditions.HttpRequestMethodConfig": "method",
        "Conditions.HttpHeaderConfig.Values": "header",
        "Conditions.QueryStringConfig": "query",
        "Conditions.PathPatternConfig.RegexValues": "path_regex",
        "Conditions.HostHeaderConfig.RegexValues": "host_regex",
        "Conditions.HttpHeaderConfig.RegexValues": "header_regex",
        "Conditions.RegexValues": "the fields of the match",
        "Conditions.SourceIpConfig": "source_ip",
        "Actions.RedirectConfig": "a rule of the LoadBalancer",
        "Actions.FixedResponseConfig": "a rule of the LoadBalancer",
        **_elb_actions.words("Actions"),
    },
    owned=_elb_actions.owned("Actions"),
    others=("Actions", "Conditions", "Transforms"),
    optional={"Conditions": []},
)


class ListenerRuleSpec(resource.Spec):
    """A condition that is left out is as AWS has it; an empty one is for requests of any kind."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {_sign_in.PATH: SignIn()}

    listener: Annotated[Link, FieldMark.IMMUTABLE]
    priority: int
    paths: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    hosts: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    methods: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    headers: dict[str, tuple[str, ...]] | None = None
    queries: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    """`name=value`, or a value of any parameter of the query string."""
    sources: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    """CIDR blocks."""
    action: Action | None = None
    initial_action: Annotated[Action | None, OwnedBy("rollout")] = None
    sticky: Annotated[bool | None, OwnedBy("rollout")] = None
    """The rollout decides whether clients stay with a target group."""
    sign_in: SignIn | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}

    def written_tags(self, at: Address) -> Mapping[str, str]:
        return members.digests(API, self.aws, at, _sign_in.hidden(self.sign_in))

    @field_validator("hosts")
    @classmethod
    def _lower(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """AWS keeps host names so."""
        return None if hosts is None else tuple(host.lower() for host in hosts)

    @field_validator("headers")
    @classmethod
    def _sort(cls, headers: dict[str, tuple[str, ...]] | None) -> dict[str, tuple[str, ...]] | None:
        return None if headers is None else {name: tuple(sorted(values)) for name, values in headers.items()}


def written(spec: ListenerRuleSpec) -> list[dict[str, Any]]:
    """`Conditions` of a call, all of which have to hold."""
    return list(_each_condition(spec))


def _each_condition(spec: ListenerRuleSpec) -> Iterator[dict[str, Any]]:
    if spec.paths:
        yield {"Field": "path-pattern", "PathPatternConfig": {"Values": sorted(spec.paths)}}
    if spec.hosts:
        yield {"Field": "host-header", "HostHeaderConfig": {"Values": sorted(spec.hosts)}}
    if spec.methods:
        yield {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": sorted(spec.methods)}}
    for name, values in sorted((spec.headers or {}).items()):
        yield {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)}}
    if spec.queries:
        pairs = [_query(text) for text in sorted(spec.queries)]
        yield {"Field": "query-string", "QueryStringConfig": {"Values": pairs}}
    if spec.sources:
        yield {"Field": "source-ip", "SourceIpConfig": {"Values": sorted(spec.sources)}}


def _query(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    return {"Key": name, "Value": value} if equals else {"Value": name}


def read(listener: str, item: Mapping[str, Any]) -> ListenerRuleSpec:
    values: dict[str, Sequence[str]] = {}
    headers: dict[str, tuple[str, ...]] = {}
    left = others(item)
    for condition in item["Conditions"]:
        if {name: value for name, value in condition.items() if name != "Values"} in left:
            continue
        match condition["Field"]:
            case "http-header":
                config = condition["HttpHeaderConfig"]
                headers[config["HttpHeaderName"]] = tuple(config["Values"])
            case "path-pattern":
                values["paths"] = _values(condition, "PathPatternConfig")
            case "host-header":
                values["hosts"] = _values(condition, "HostHeaderConfig")
            case "http-request-method":
                values["methods"] = _values(condition, "HttpRequestMethodConfig")
            case "query-string" if condition not in left:
                pairs = condition["QueryStringConfig"]["Values"]
                values["queries"] = [
                    f"{one['Key']}={one['Value']}" if one.get("Key") else one["Value"] for one in pairs
                ]
            case "source-ip":
                values["sources"] = _values(condition, "SourceIpConfig")
    return ListenerRuleSpec(
        listener=listener,
        priority=int(item["Priority"]),
        paths=tuple(sorted(values.get("paths", ()))),
        hosts=tuple(sorted(values.get("hosts", ()))),
        methods=tuple(sorted(values.get("methods", ()))),
        headers=headers,
        queries=tuple(sorted(values.get("queries", ()))),
        sources=tuple(sorted(values.get("sources", ()))),
        action=_elb_actions.read_action(item["Actions"]),
    )


def others(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The conditions that no field of ours says, as a call takes them: patterns, and several parameters that have to
    be there together."""
    queries = [condition for condition in item["Conditions"] if condition["Field"] == "query-string"]
    found = list(queries) if len(queries) > 1 else []
    for condition in item["Conditions"]:
        if any(isinstance(value, Mapping) and value.get("RegexValues") for value in condition.values()):
            found.append({name: value for name, value in condition.items() if name != "Values"})
    return tuple(found)


def _values(condition: Mapping[str, Any], config: str) -> Sequence[str]:
    """AWS answers the values twice, in the older form too; an older caller's rule has only that."""
    found: Sequence[str] = condition.get(config, {}).get("Values") or condition.get("Values", ())
    return found
