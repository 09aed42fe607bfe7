"""Shared parts of the load-balancing types: tags, attributes, and the actions of listeners and rules."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import field_validator

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.adoption import adopted
from reconciler.model.diff import Change, diff
from reconciler.model.resource import Address, Call, Calls, Desired, Link, Observed, Path, Ref, ServiceApi
from reconciler.model.resource_type import Depth, FieldMark, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _gone, _tags

elbv2 = ServiceApi("elbv2")

TAGS_AT_ONCE = 20
"""Maximum number of ARNs in one call (ELB API Reference, DescribeTags)."""

T = TypeVar("T")

Tags: TypeAlias = dict[str, dict[str, str]]
"""ARN → tags."""

WHOLE = 100
"""Weight of a target group that receives all traffic."""


class Forward(resource.Spec):
    """A target group and its weight, from 0 to 999."""

    target_group: Link
    weight: int = WHOLE

    def __str__(self) -> str:
        return str(self.target_group)


class FixedResponse(resource.Spec):
    """A response that the load balancer sends itself; `status` is an HTTP status code as text."""

    status: str
    content_type: str | None = None
    body: str | None = None


class Redirect(resource.Spec):
    """A redirect. Parts that are left out keep their value of the request."""

    status: str = "301"
    protocol: str | None = None
    port: str | None = None
    host: str | None = None
    path: str | None = None
    query: str | None = None


class Action(resource.Spec):
    """Action of a listener or a rule: exactly one of the three."""

    forward: Annotated[tuple[Forward, ...] | None, FieldMark.UNORDERED] = None
    fixed_response: FixedResponse | None = None
    redirect: Redirect | None = None

    @field_validator("forward")
    @classmethod
    def _one_has_it_all(cls, forward: tuple[Forward, ...] | None) -> tuple[Forward, ...] | None:
        """AWS returns the weight 1 or none for a single target group."""
        if forward is not None and len(forward) == 1:
            return (Forward(target_group=forward[0].target_group, weight=WHOLE),)
        return forward


NOBODY = FixedResponse(status="503", content_type="text/plain", body="no service is deployed here yet")
NOT_FOUND = FixedResponse(status="404", content_type="text/plain", body="no service takes this request")


def actions(action: Action | None, initial: Action | None, new: Desired[Any]) -> list[dict[str, Any]]:
    """`Actions` of a create call, declared or initial. Raises `errors.SpecInvalid` without either."""
    chosen = action or initial
    if chosen is None:
        raise errors.SpecInvalid(f"{new.address} does not say what to do with requests")
    return written(chosen)


def written(action: Action) -> list[dict[str, Any]]:
    """`Actions` of a call. They replace all existing actions (ELB API Reference, ModifyListener and ModifyRule).

    Raises `errors.SpecInvalid` for an action that does nothing.
    """
    if action.forward is not None:
        groups = [
            {"TargetGroupArn": item.target_group, "Weight": item.weight} for item in sorted(action.forward, key=str)
        ]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
    if action.redirect is not None:
        there = action.redirect
        config = {
            "Protocol": there.protocol,
            "Port": there.port,
            "Host": there.host,
            "Path": there.path,
            "Query": there.query,
            "StatusCode": f"HTTP_{there.status}",
        }
        return [{"Type": "redirect", "RedirectConfig": _without_none(config)}]
    if action.fixed_response is not None:
        reply = action.fixed_response
        config = {"StatusCode": reply.status, "ContentType": reply.content_type, "MessageBody": reply.body}
        return [{"Type": "fixed-response", "FixedResponseConfig": _without_none(config)}]
    raise errors.SpecInvalid("an action has to forward, redirect or reply")


def read_action(given: Sequence[Mapping[str, Any]]) -> Action:
    """`Actions` of a response. Actions that specs cannot declare, such as authentication, are read as an empty action,
    so that they are a difference.
    """
    if len(given) != 1:
        return Action()
    (only,) = given
    match only["Type"]:
        case "forward":
            alone = [{"TargetGroupArn": only["TargetGroupArn"]}] if "TargetGroupArn" in only else []
            groups = only.get("ForwardConfig", {}).get("TargetGroups") or alone
            forward = (Forward(target_group=item["TargetGroupArn"], weight=item.get("Weight", 1)) for item in groups)
            return Action(forward=tuple(sorted(forward, key=str)))
        case "redirect":
            there = only["RedirectConfig"]
            return Action(
                redirect=Redirect(
                    status=there["StatusCode"].removeprefix("HTTP_"),
                    protocol=there.get("Protocol"),
                    port=there.get("Port"),
                    host=there.get("Host"),
                    path=there.get("Path"),
                    query=there.get("Query"),
                )
            )
        case "fixed-response":
            reply = only["FixedResponseConfig"]
            return Action(
                fixed_response=FixedResponse(
                    status=reply["StatusCode"],
                    content_type=reply.get("ContentType"),
                    body=reply.get("MessageBody"),
                )
            )
        case _:
            return Action()


def lost_actions(
    given: Sequence[Mapping[str, Any]], field: str, wanted: Action | None, changes: Iterable[Change]
) -> dict[Path, Any]:
    """What writing `wanted` drops of `given`: a sign-in, a redirect or reply, and targets that keep their clients."""
    if wanted is None or all(change.field != field for change in changes):
        return {}
    kinds = {"forward": wanted.forward, "redirect": wanted.redirect, "fixed-response": wanted.fixed_response}
    lost: dict[Path, Any] = {}
    for one in given:
        if kinds.get(one["Type"]) is None:
            lost[field, one["Type"]] = {name: value for name, value in one.items() if name not in ("Type", "Order")}
        sticky = (one.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
        if sticky.get("Enabled"):
            lost[field, "TargetGroupStickinessConfig"] = sticky
    return lost


def forwards(action: Action | None) -> Mapping[Link, int]:
    """Target groups that an action names, with their weights."""
    given = () if action is None else action.forward or ()
    return {item.target_group: item.weight for item in given}


def handed_over(old: Action | None, new: Action | None, usage: Usage) -> Action | None:
    """`new`, as far as requests can be handed over from `old` to it now.

    A target group is named before a service may use it, receives requests once all tasks in it are healthy, and is
    named until no task uses it any more. A load balancer sends requests by weight, whether a group has healthy targets
    or not: until then the weights stay as they are.
    """
    if new is None or new.forward is None or old is None or old.forward is None:
        return new
    before, after = _receiving(old), _receiving(new)
    unproven = after - before - usage.proven
    chosen = old.forward if unproven and before else new.forward
    named = {item.target_group for item in chosen}
    idle = {
        item.target_group
        for item in (*new.forward, *old.forward)
        if item.target_group not in named and (item in new.forward or _in_use(item.target_group, usage))
    }
    if chosen is new.forward and not idle:
        return new
    return Action(forward=(*chosen, *(Forward(target_group=group, weight=0) for group in sorted(idle, key=str))))


def unclaimed(present: Action | None, initial: Action | None, owned: Set[str]) -> bool:
    """Whether a rollout has never shifted these requests: nobody or other target groups of the stack receive them."""
    if present is None or initial is None:
        return False
    if present.forward is None:
        return present in (Action(fixed_response=NOBODY), Action(fixed_response=NOT_FOUND))
    named = forwards(present).keys()
    return named <= owned and named.isdisjoint(forwards(initial))


def _receiving(action: Action) -> set[Link]:
    return {group for group, weight in forwards(action).items() if weight}


def _in_use(group: Link, usage: Usage) -> bool:
    return usage.several or group in usage.used


def read(arns: Iterable[str], *more: Call) -> Calls[tuple[dict[str, dict[str, str]], list[Any]]]:
    """The tags of `arns` and the responses to `more`, in parallel; no tags, or None, for a deleted resource."""
    names = sorted(arns)
    groups = [names[start : start + TAGS_AT_ONCE] for start in range(0, len(names), TAGS_AT_ONCE)]
    answers = yield from _gone.answers([*map(_describe_tags, groups), *more])
    found = answers[: len(groups)]
    missed = [arn for group, answer in zip(groups, found, strict=True) if answer is None for arn in group]
    found += yield from _gone.answers([_describe_tags([arn]) for arn in missed])
    tags = {
        item["ResourceArn"]: _tags.of_pairs(item["Tags"])
        for answer in found
        if answer is not None
        for item in answer["TagDescriptions"]
    }
    return tags, answers[len(groups) :]


def observed(
    scope: Scope, arns: Iterable[str], build: Callable[[Tags, list[Any]], list[Observed[Any]]], *more: Call
) -> Calls[list[Observed[Any]]]:
    """The result of `build` for the tags of `arns` and the responses to `more`.

    DescribeTags takes few ARNs, so tags that are known are used first: in a fast pass those of the earlier pass, else
    those of the tag index if they are just what the specs declare. Tags of resources that would then be written to are
    read again, because nothing is written by tags that lag.
    """
    names = sorted(arns)
    cached = _cached_tags(names, scope)
    read_tags, answers = yield from read((arn for arn in names if arn not in cached), *more)
    found = build(cached | read_tags, answers)
    unsure = doubted(found, scope) & cached.keys()
    if not unsure:
        return found
    read_again, _ = yield from read(unsure)
    confirmed = {arn: tags for arn, tags in cached.items() if arn not in unsure}
    return build(confirmed | read_tags | read_again, answers)


def doubted(found: Iterable[Observed[Any]], scope: Scope) -> set[str]:
    """ARNs of the resources that would be written to, judged by `found`."""
    wanted = {want.address: want for want in scope.wanted}
    return {one.id for one in found if _would_be_written(one, wanted.get(one.address))}


def _would_be_written(one: Observed[Any], want: Desired[Any] | None) -> bool:
    """A field that refers to a resource without a known id is not compared."""
    return want is None or any(not isinstance(change.new, Ref) for change in diff(one, adopted(want, one).spec))


def _cached_tags(arns: Iterable[str], scope: Scope) -> Tags:
    if scope.depth is Depth.FAST:
        earlier = {one.id: dict(one.tags) for one in scope.before}
        return {arn: earlier[arn] for arn in arns if arn in earlier}
    wanted = {want.address: want for want in scope.wanted}
    found = {}
    for arn in arns:
        address = ownership.address(scope.swept.get(arn, {}))
        tags = None if address is None else _tags.from_sweep(arn, scope, wanted.get(address))
        if tags is not None:
            found[arn] = tags
    return found


def known(
    items: Mapping[str, T], places: Mapping[str, tuple[Any, ...]], wanted: Container[tuple[Any, ...]], scope: Scope
) -> dict[str, T]:
    """The items that this pass observes, by ARN.

    A fast pass leaves out items that the earlier pass did not have, because it does not read their tags, except in
    places (a port, a priority) that the specs want.
    """
    if scope.depth is not Depth.FAST:
        return dict(items)
    earlier = {one.id for one in scope.before}
    return {arn: item for arn, item in items.items() if arn in earlier or places[arn] in wanted}


def relevant(items: Iterable[Mapping[str, Any]], named: str, arn: str, scope: Scope) -> dict[str, Mapping[str, Any]]:
    """ARN → item of a listing of the whole account, where the specs want its name or the tag index has its ARN."""
    names = {want.spec.name for want in scope.wanted}
    return {item[arn]: item for item in items if item[named] in names or item[arn] in scope.swept}


def made_before(listing: Call, items: str, arn: str, new: Desired[Any]) -> Calls[str | None]:
    """The ARN of the resource if an earlier attempt created it and the response was lost, else None.

    It is read before the create call, which AWS answers with an existing resource of that name and the same settings,
    whoever owns it (ELB API Reference, CreateLoadBalancer). `listing` reads by the name, `items` and `arn` are members
    of its response. Raises `errors.Exists` if the name belongs to another owner.
    """
    answer = yield from _gone.answer(listing)
    if answer is None or not answer[items]:
        return None
    there: str = answer[items][0][arn]
    tags, _ = yield from read([there])
    if not _tags.is_this(tags.get(there, {}), new):
        raise errors.Exists(f"{there} has that name and is not {new.address}")
    return there


def addresses(
    kind: str,
    places: Mapping[str, tuple[Any, ...]],
    wanted: Mapping[tuple[Any, ...], Address],
    tags: Mapping[str, Mapping[str, str]],
    scope: Scope,
) -> dict[str, Address]:
    """ARN → address, of resources that have a unique place (a port, a priority) instead of a name.

    The stack's own have the address in their tags. Another owner's resource in a place that the specs want has the
    address that is wanted there, unless the stack's own exists in another place and is to be moved; then it is shown by
    its ARN.
    """
    ours = {
        arn: address
        for arn in places
        if (address := _tags.address_of(kind, arn.rpartition("/")[2], tags[arn], scope, None)) is not None
    }
    others = {arn: wanted[place] for arn, place in places.items() if arn not in ours and place in wanted}
    taken = set(ours.values())
    return ours | {
        arn: Address(kind, arn.rpartition("/")[2]) if address in taken else address for arn, address in others.items()
    }


def renamed_part(old: str, new: str) -> str:
    """What is different in two addresses of the form `load balancer-listener`: the name that was renamed."""
    was, now = old.split("-"), new.split("-")
    while len(was) > 1 and len(now) > 1 and was[0] == now[0]:
        was, now = was[1:], now[1:]
    while len(was) > 1 and len(now) > 1 and was[-1] == now[-1]:
        was, now = was[:-1], now[:-1]
    return "-".join(was)


def attributes(answer: Mapping[str, Any]) -> dict[str, str]:
    """`Attributes` of a response, by key."""
    return {item["Key"]: str(item["Value"]) for item in answer["Attributes"]}


def attribute_pairs(wanted: Mapping[str, str], changes: Iterable[Change] | None = None) -> list[dict[str, str]]:
    """`Attributes` of a modify call: those in `changes`, or all that are wanted. AWS keeps those that are left out."""
    keys = sorted(wanted)
    if changes is not None:
        changed = {change.path[1:2] for change in changes if change.field == "attributes"}
        keys = [key for key in keys if (key,) in changed or () in changed]
    return [{"Key": key, "Value": wanted[key]} for key in keys]


def update_tags(old: Observed[Any], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    """Write and then remove tags."""
    if put:
        yield elbv2.add_tags(ResourceArns=[old.id], Tags=_tags.pairs(put))
    names = sorted(drop)
    if names:
        yield elbv2.remove_tags(ResourceArns=[old.id], TagKeys=names)


def _describe_tags(arns: list[str]) -> Call:
    return elbv2.describe_tags(ResourceArns=arns)


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}
