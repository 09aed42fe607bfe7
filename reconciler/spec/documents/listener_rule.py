"""Conditions and actions of listeners: which requests are meant, and what answers them instead of a service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.references import LISTENER_ARN, LOOKUP, LOOKUP_SCHEMA, looked_up
from reconciler.spec.documents.sign_in import SignIn
from reconciler.spec.documents.values import (
    ONE_OR_MANY,
    AnyCidr,
    NameRule,
    Port,
    Text,
    Whole,
    line,
    literal,
    matching,
    no_repeats,
    problem,
)

LISTENER = r"[a-z][a-z0-9-]*"
ListenerName = Annotated[str, *matching(LISTENER, 64, "lower-case letters, digits and '-' only")]
_REFERENCE = rf"{LISTENER}|[1-9]\d{{0,4}}|{LISTENER_ARN}"
_named = NameRule(
    _REFERENCE, 256, "lower-case letters, digits and '-'; of a load balancer that others own, its port or its ARN"
)
ListenerReference = Annotated[
    str,
    BeforeValidator(line),
    BeforeValidator(looked_up),
    AfterValidator(lambda value: value if literal(value, LOOKUP) else _named(value)),
    WithJsonSchema(
        {"anyOf": [{"type": ["string", "number"], "pattern": f"^(?:{_REFERENCE})$", "maxLength": 256}, LOOKUP_SCHEMA]}
    ),
]
"""The name of a listener; of a load balancer that others own its port, its ARN, or a lookup of one."""
Pattern = Annotated[str, *matching(r"[\x21-\x7e]+", 128, "printable characters without spaces")]
Patterns = Annotated[tuple[Pattern, ...], ONE_OR_MANY, AfterValidator(no_repeats), Field(max_length=5)]
Method = Annotated[str, *matching(r"[A-Z_-]+", 40, "upper-case letters, '-' and '_' only, such as POST")]
Methods = Annotated[tuple[Method, ...], ONE_OR_MANY, AfterValidator(no_repeats), Field(max_length=5)]
HeaderName = Annotated[str, *matching(r"[A-Za-z0-9*?_.$!#%&'+^`|~-]+", 40, "the name of a header")]
HeaderValue = Annotated[str, *matching(r"[\x20-\x7e]+", 128, "printable characters")]
HeaderValues = Annotated[tuple[HeaderValue, ...], ONE_OR_MANY, AfterValidator(no_repeats), Field(max_length=5)]
Cidrs = Annotated[tuple[AnyCidr, ...], ONE_OR_MANY, AfterValidator(no_repeats), Field(max_length=5)]


Regex = Annotated[str, *matching(r"[\x20-\x7e]+", 128, "printable characters")]
Regexes = Annotated[tuple[Regex, ...], ONE_OR_MANY, AfterValidator(no_repeats), Field(max_length=5)]


class Match(Block):
    """Selects requests. All conditions have to hold, and of each one value. Default: all requests."""

    api = "listener_rule"

    path: Patterns = ()
    """`*` stands for any characters, `?` for one, here and in `host`, `header` and `query`."""
    host: Patterns = ()
    """Host names of requests."""
    method: Methods = ()
    """HTTP methods, such as POST."""
    header: dict[HeaderName, HeaderValues] = Field(default_factory=dict)
    """Name of a header: its values."""
    query: Patterns = ()
    """name=value of a parameter of the query string, or a value of any parameter."""
    path_regex: Regexes = ()
    """Regular expressions, here and in `host_regex` and `header_regex`; instead of `path`."""
    host_regex: Regexes = ()
    """Instead of `host`."""
    header_regex: dict[HeaderName, Regexes] = Field(default_factory=dict)
    """Name of a header: its values."""
    source_ip: Cidrs = ()
    """CIDR blocks of clients, or of the proxy in front of the load balancer."""
    priority: Annotated[Whole, Field(ge=1, le=50_000)] | None = None
    """Rules are evaluated from the lowest number up; each needs its own."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateRule, by ELB's names, such as `Transforms`."""

    @model_validator(mode="after")
    def _priority_given(self) -> Match:
        if self.given and self.priority is None:
            raise problem("E1103", "a match needs 'priority', which orders the rules of the listener")
        if self.priority is not None and not self.given:
            raise problem("E1112", "a priority needs a condition, such as a 'path' or a 'host'", at=("priority",))
        return self

    @model_validator(mode="after")
    def _one_way_to_match(self) -> Match:
        for field in ("path", "host"):
            if getattr(self, field) and getattr(self, f"{field}_regex"):
                message = f"a rule has either '{field}' or '{field}_regex', not both"
                raise problem("E1112", message, at=(f"{field}_regex",))
        return self

    @property
    def given(self) -> bool:
        own = self.path or self.host or self.method or self.header or self.query or self.source_ip
        return bool(own or self.regexes or self.aws.get("Conditions"))

    @property
    def regexes(self) -> tuple[str, ...]:
        headers = (value for values in self.header_regex.values() for value in values)
        return (*self.path_regex, *self.host_regex, *headers)

    @property
    def values(self) -> tuple[str, ...]:
        """Those that count towards what a rule may have, without the regular expressions, which count too."""
        headers = (value for values in self.header.values() for value in values)
        return (*self.path, *self.host, *self.method, *headers, *self.query, *map(str, self.source_ip))


class Redirect(Block):
    """Sends clients elsewhere. What is left out stays as in the request."""

    protocol: Literal["HTTP", "HTTPS"] | None = None
    """The protocol. Default: that of the request."""
    port: Port | None = None
    """Default: that of the protocol, if it is set."""
    host: Annotated[str, *matching(r"[\x21-\x7e]+", 128, "a host name")] | None = None
    """`#{host}` stands for that of the request."""
    path: Annotated[str, *matching(r"/[\x21-\x7e]*", 128, "a path begins with /")] | None = None
    """`#{path}` stands for that of the request, without its first slash."""
    query: Annotated[str, *matching(r"[\x21-\x7e]*", 128, "printable characters without spaces")] | None = None
    """The query string. Default: that of the request."""
    status: Literal["301", "302"] = "301"
    """301 is permanent: browsers remember it."""

    @model_validator(mode="before")
    @classmethod
    def _status(cls, value: Any) -> Any:
        if isinstance(value, dict) and "status" in value:
            return {**value, "status": str(value["status"])}
        return value

    @model_validator(mode="after")
    def _changes_something(self) -> Redirect:
        if self.protocol is None and self.port is None and self.host is None and self.path is None:
            raise problem("E1103", "a redirect needs a 'protocol', 'port', 'host' or 'path' that differs")
        return self


class FixedResponse(Block):
    """An answer of the load balancer itself."""

    status: Annotated[Whole, Field(ge=200, le=599)]
    """The status code: 2XX, 4XX or 5XX."""
    content_type: Literal["text/plain", "text/css", "text/html", "application/javascript", "application/json"] = (
        "text/plain"
    )
    """Media type of the body."""
    body: Annotated[Text, Field(max_length=1024)] = ""
    """Text of the response."""

    @model_validator(mode="after")
    def _answers(self) -> FixedResponse:
        if 300 <= self.status < 400:
            raise problem("E1106", "a fixed response has the status 2XX, 4XX or 5XX; use a redirect", at=("status",))
        return self


class Answer(Block):
    """An action that needs no service: exactly one of the two."""

    redirect: Redirect | None = None
    """Sends the client to another address."""
    fixed_response: FixedResponse | None = None
    """Answers without any service."""
    sign_in: SignIn | None = None
    """Has users sign in before that. Default: none."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Answer:
        if (self.redirect is None) == (self.fixed_response is None):
            rule = "E1103" if self.redirect is None else "E1112"
            raise problem(rule, "an action is either a 'redirect' or a 'fixed_response'")
        return self


class ListenerRule(Answer):
    """A rule that answers the requests it matches, before or after those of services, by its priority."""

    listener: ListenerName = "production"
    """The listener that has the rule."""
    match: Match
    """The requests that it answers."""

    @model_validator(mode="after")
    def _matches(self) -> ListenerRule:
        if not self.match.given:
            raise problem("E1103", "a rule needs a condition; use the listener's 'default_action'", at=("match",))
        return self
