"""Evaluation of IAM policies: whether documents allow a request. Pure.

An explicit deny wins over everything. Without one, an identity is allowed what one of its policies allows, within its
permissions boundary; a role is assumed where its trust policy allows it. What is not understood is an error, never an
answer: an operator, an element or a policy variable that this module does not know.

Sources: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

from reconciler import errors

Document = Mapping[str, Any]
Values = Sequence[str]


@dataclass(frozen=True, slots=True)
class Request:
    """An action on a resource. `context` maps condition keys, whose case has no meaning, to their values.

    `principal` is who asks, as a policy spells it: `("Service", "ecs-tasks.amazonaws.com")`, `("AWS", <an ARN>)`. Only
    trust policies look at it.
    """

    action: str
    resource: str = ""
    context: Mapping[str, Values] = field(default_factory=dict)
    principal: tuple[str, str] = ("", "")


def is_allowed(request: Request, identity: Iterable[Document], *, boundary: Document | None = None) -> bool:
    """Whether the policies of an identity allow a request, within its permissions boundary if it has one.

    Raises `errors.Undecidable` where a document holds something that is not understood.
    """
    granted = _effects(request, identity, trust=False)
    within = {"Allow"} if boundary is None else _effects(request, (boundary,), trust=False)
    return granted == within == {"Allow"}


def is_trusted(request: Request, trust: Document) -> bool:
    """Whether the trust policy of a role allows the request's principal to assume it.

    Raises `errors.Undecidable` where the document holds something that is not understood.
    """
    return _effects(request, (trust,), trust=True) == {"Allow"}


_ELEMENTS: Final = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"}
)


def _effects(request: Request, documents: Iterable[Document], *, trust: bool) -> set[str]:
    """The effects of all statements that apply. None is skipped, so that what is not understood is always found."""
    several = tuple(documents)
    if any("Statement" not in document for document in several):
        raise errors.Undecidable("a policy has no element Statement")
    statements = [one for document in several for one in _listed(document["Statement"])]
    return {one["Effect"] for one in statements if _applies(one, request, trust=trust)}


def _applies(statement: Mapping[str, Any], request: Request, *, trust: bool) -> bool:
    if unknown := statement.keys() - _ELEMENTS:
        raise errors.Undecidable(f"the policy element {min(unknown)} is not supported")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise errors.Undecidable(f"the effect {statement.get('Effect')!r} is neither Allow nor Deny")
    if "${" in str(statement):
        raise errors.Undecidable("policy variables such as ${aws:username} are not supported")
    context = {key.lower(): _listed(values) for key, values in request.context.items()}
    parts = [
        _element(statement, "Action", lambda one: _like(request.action.lower(), one.lower())),
        _principals(statement, request) if trust else _element(statement, "Resource", _for(request.resource)),
    ]
    for operator, keys in statement.get("Condition", {}).items():
        parts += [_holds(operator, _listed(wanted), context.get(key.lower(), ())) for key, wanted in keys.items()]
    return all(parts)


def _element(statement: Mapping[str, Any], name: str, matches: Callable[[str], bool]) -> bool:
    """Whether an element matches, or its opposite does not; every statement has one of them."""
    if name in statement:
        return any(matches(one) for one in _listed(statement[name]))
    if f"Not{name}" in statement:
        return not any(matches(one) for one in _listed(statement[f"Not{name}"]))
    raise errors.Undecidable(f"a statement has neither {name} nor Not{name}")


def _for(resource: str) -> Callable[[str], bool]:
    return lambda pattern: _like(resource, pattern)


def _principals(statement: Mapping[str, Any], request: Request) -> bool:
    for name in ("Principal", "NotPrincipal"):
        if name in statement:
            said = {"AWS": "*"} if statement[name] == "*" else statement[name]
            if not isinstance(said, Mapping):
                raise errors.Undecidable(f"the principal {said!r} is neither * nor a kind of principal with names")
            everybody = "*" in _listed(said.get("AWS", ()))
            named = () if everybody else _listed(said.get(request.principal[0], ()))
            return (everybody or any(_is_principal(one, request.principal) for one in named)) is (name == "Principal")
    raise errors.Undecidable("a statement of a trust policy has neither Principal nor NotPrincipal")


_ROOT: Final = re.compile(r"(?:arn:[\w-]+:iam::)?(\d{12})(?::root)?")


def _is_principal(named: str, principal: tuple[str, str]) -> bool:
    """A principal has no wildcards within; an account's number or root stands for everybody in the account."""
    kind, name = principal
    if named == name:
        return True
    account = _ROOT.fullmatch(named) if kind == "AWS" else None
    return account is not None and name.split(":")[4:5] == [account[1]]


# -- conditions


def _holds(operator: str, wanted: Values, values: Values) -> bool:
    """Whether a condition holds for the values that the request has under its key."""
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return bool(values) is not _is_true(wanted[0])
    positive, negated = _plain(name)
    test = _TESTS.get(positive)
    if test is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise errors.Undecidable(f"the condition operator {operator} is not supported")
    if not values:
        return rest != name or quantifier == "ForAllValues" or (negated and not quantifier)
    try:
        matched = [any(test(value, one) for one in wanted) for value in values]
    except ValueError as error:
        raise errors.Undecidable(f"the condition {operator} compares what it cannot: {error}") from error
    if quantifier == "ForAllValues":
        return not any(matched) if negated else all(matched)
    if quantifier == "ForAnyValue":
        return not all(matched) if negated else any(matched)
    return any(matched) is not negated


def _plain(name: str) -> tuple[str, bool]:
    """An operator as the one that it negates, and whether it does: StringNotLike is StringLike, negated."""
    positive = "IpAddress" if name == "NotIpAddress" else re.sub(r"^(String|Arn|Numeric)Not", r"\1", name)
    return positive, positive != name


def _arn_like(value: str, pattern: str) -> bool:
    """Each of the six parts for itself; ArnEquals and ArnLike are the same."""
    found, asked = value.split(":", 5), pattern.split(":", 5)
    return len(found) == len(asked) and all(_like(one, other) for one, other in zip(found, asked, strict=True))


def _numeric(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda value, asked: compare(float(value), float(asked))


_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": lambda value, asked: value == asked,
    "StringEqualsIgnoreCase": lambda value, asked: value.lower() == asked.lower(),
    "StringLike": lambda value, asked: _like(value, asked),
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda value, asked: value.lower() == asked.lower(),
    "NumericEquals": _numeric(lambda value, asked: value == asked),
    "NumericLessThan": _numeric(lambda value, asked: value < asked),
    "NumericLessThanEquals": _numeric(lambda value, asked: value <= asked),
    "NumericGreaterThan": _numeric(lambda value, asked: value > asked),
    "NumericGreaterThanEquals": _numeric(lambda value, asked: value >= asked),
    "IpAddress": lambda value, asked: ip_address(value) in ip_network(asked, strict=False),
}
"""Dates and binary values are not among them: no policy of the product has any."""


# -- patterns


def _like(text: str, pattern: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", pattern)
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _is_true(value: str) -> bool:
    return value.lower() == "true"


def _listed(value: Any) -> list[Any]:
    """One item or several; IAM takes booleans and numbers for their text."""
    items = [value] if isinstance(value, str | bool | int | float | Mapping) else list(value)
    return [str(item).lower() if isinstance(item, bool | int | float) else item for item in items]
