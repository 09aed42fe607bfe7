"""Actions of listeners and listener rules: what happens to a request, and how requests move from one to another.

It is one module because what is read, written and moved is one value, and a listener's is a rule's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Annotated, Any

from pydantic import field_validator

from reconciler import errors
from reconciler.model import elb_actions, resource
from reconciler.model.diff import Change
from reconciler.model.resource import Call, Calls, Desired, Link, Observed, Path
from reconciler.model.resource_type import FieldMark
from reconciler.model.usage import Usage
from reconciler.resources import _sign_in

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
        """AWS returns the weight 1 or none for a single target group. With the weight 0 it receives nothing."""
        if forward is not None and len(forward) == 1 and forward[0].weight:
            return (Forward(target_group=forward[0].target_group, weight=WHOLE),)
        return forward


ENTRIES = {"listener": "default_action", "listener-rule": "action"}
"""Types that send requests to target groups, and the field that says where."""

NOBODY = FixedResponse(status="503", content_type="text/plain", body="no service is deployed here yet")
NOT_FOUND = FixedResponse(status="404", content_type="text/plain", body="no service takes this request")


TO_HTTPS = Action(
    redirect=Redirect(status="301", protocol="HTTPS", port="443", host="#{host}", path="/#{path}", query="#{query}")
)
"""The same request by HTTPS."""


def actions(action: Action | None, initial: Action | None, new: Desired[Any], member: str) -> list[dict[str, Any]]:
    """`Actions` of a create call, declared or initial. Raises `errors.SpecInvalid` without either."""
    chosen = action or initial
    if chosen is None:
        raise errors.SpecInvalid(f"{new.address} does not say what to do with requests")
    return written(chosen, (), said_in(new.spec, member))


def written(
    action: Action, given: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]] | None
) -> list[dict[str, Any]]:
    """`Actions` of a call, which replace all existing ones (ELB API Reference, ModifyListener and ModifyRule).

    What `said` has beyond the action comes with it, and where it says nothing, what those have that are `given`. Raises
    `errors.SpecInvalid` for an action that does nothing.
    """
    (only,) = _written(action)
    return elb_actions.with_beyond(only, elb_actions.beyond(given) if said is None else said)


def rewritten(
    listing: Call, items: str, member: str, new: Desired[Any], action: Action | None
) -> Calls[list[dict[str, Any]]]:
    """`Actions` of a call that changes what the action comes with, and no more: where a rollout moves the traffic, it
    is read again right before. `listing` reads the listener or rule; `items` and `member` are members of its answer.
    """
    answer = yield listing
    given = answer[items][0][member]
    if action is not None:
        return written(action, given, said_in(new.spec, member))
    last = elb_actions.last(given)
    if last is None:
        raise errors.StalePlan(f"{new.address} has no single action that answers requests; nothing was written")
    without = {name: value for name, value in last.items() if name not in ("Order", "TargetGroupArn")}
    dropped = () if new.spec.sticky else (elb_actions.STICKINESS,)
    config = {name: value for name, value in (last.get("ForwardConfig") or {}).items() if name not in dropped}
    plain = {**without, "ForwardConfig": config} if config else without
    said = said_in(new.spec, member)
    return elb_actions.with_beyond(plain, elb_actions.beyond(given) if said is None else said)


def _written(action: Action) -> list[dict[str, Any]]:
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


def words(member: str) -> dict[str, str]:
    """The members of an action that other documents say."""
    names = (f"{member}.TargetGroupArn", f"{member}.ForwardConfig.TargetGroups")
    sticky = {f"{member}.ForwardConfig.{elb_actions.STICKINESS}": "`stickiness` of the DeploymentStrategy"}
    return dict.fromkeys(names, "`traffic` of the Service") | sticky | _sign_in.words(member)


def owned(member: str) -> dict[str, str]:
    """The members of an action that the specs cannot say."""
    return {f"{member}.Order": "actions are carried out in the order in which they are listed"}


def said_in(spec: Any, member: str) -> list[Any] | None:
    """What a listener or a rule is declared to have beyond its action; None if nothing is stated."""
    found = spec.aws.get(member)
    return found if isinstance(found, list) else None


def shown(item: Mapping[str, Any], member: str, *, sticky: bool | None = None, signed: bool = False) -> dict[str, Any]:
    """A listener or a rule from AWS, with what its actions have beyond ours in their place. `sticky`: the rollout
    decides whether clients stay with a target group. `signed`: the document decides whether users sign in."""
    beyond = elb_actions.beyond(item[member])
    beyond = _sign_in.without(beyond) if signed else beyond
    return {**item, member: elb_actions.before(beyond) if sticky else beyond}


def read_action(given: Sequence[Mapping[str, Any]]) -> Action:
    """`Actions` of a response, without what comes before the last one, such as a sign-in, which is kept. Those that
    have no such action, or several, are read as an empty one, so that they are a difference.
    """
    only = elb_actions.last(given)
    if only is None:
        return Action()
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
    raise AssertionError(only["Type"])


def lost_actions(
    given: Sequence[Mapping[str, Any]], field: str, wanted: Action | None, changes: Iterable[Change]
) -> dict[Path, Any]:
    """What writing `wanted` drops of `given`: a redirect or a reply, and where that keeps its clients, a forward."""
    if wanted is None or all(change.field != field for change in changes):
        return {}
    kinds = {"forward": wanted.forward, "redirect": wanted.redirect, "fixed-response": wanted.fixed_response}
    lost: dict[Path, Any] = {}
    for one in given:
        if one["Type"] in kinds and kinds[one["Type"]] is None:
            lost[field, one["Type"]] = {name: value for name, value in one.items() if name not in ("Type", "Order")}
    if wanted.forward is None and (sticky := elb_actions.stickiness(given)):
        lost[field, elb_actions.STICKINESS] = sticky
    return lost


def forwards(action: Action | None) -> Mapping[Link, int]:
    """Target groups that an action names, with their weights."""
    given = () if action is None else action.forward or ()
    return {item.target_group: item.weight for item in given}


def handed_over(old: Action | None, new: Action | None, usage: Usage) -> Action | None:
    """`new`, as far as requests can be handed over from `old` to it now.

    A target group is named before a service may use it, receives requests once all tasks in it are healthy, and is
    named until no task uses it any more or another listener or rule names it. A load balancer sends requests by weight,
    whether a group has healthy targets or not: until then the weights stay as they are. Requests to a group that the
    specs give no share, and that no task uses, reach nobody, and wait for nothing.
    """
    if new is None or new.forward is None or old is None or old.forward is None:
        return new
    before, after = receiving(old), receiving(new)
    unproven = after - before - usage.proven
    reached = {group for group in before if group not in forwards(new) or _in_use(group, usage)}
    chosen = old.forward if unproven and reached else new.forward
    named = {item.target_group for item in chosen}
    idle = {
        item.target_group
        for item in (*new.forward, *old.forward)
        if item.target_group not in named
        and (item in new.forward or (_in_use(item.target_group, usage) and item.target_group not in usage.named))
    }
    if chosen is new.forward and not idle:
        return new
    return Action(forward=(*chosen, *(Forward(target_group=group, weight=0) for group in sorted(idle, key=str))))


def continued(
    initial: Action | None,
    listener: Any,
    load_balancer: Any,
    world: Iterable[Observed[Any]],
    promoted: Set[str],
    serving: Set[str],
) -> Action | None:
    """`initial`, with the weights by which these target groups, or those in `serving`, receive requests already.

    Those of the same listener and its rules come first: requests move between them. Others of the same load balancer
    count if several agree: a single one may be the test listener, which shows a version that was not promoted.
    Otherwise all requests go to the target group that is in `promoted`. AWS allows a target group one load balancer.
    """
    groups = forwards(initial).keys()
    here, elsewhere = list[Action](), list[Action]()
    for one in world:
        action = getattr(one.spec, ENTRIES.get(one.address.kind, ""), None)
        if action is None or load_balancer_of(elb_actions.listener_of(one.id)) != load_balancer:
            continue
        if receiving(action) and receiving(action) <= groups | serving:
            (here if elb_actions.listener_of(one.id) == listener else elsewhere).append(action)
    sent = [forwards(action) for action in here or elsewhere]
    agreed = sent[0] if sent and all(one == sent[0] for one in sent) else {}
    if (len(sent) < 2 and not here) or not agreed:
        served = [group for group in groups if group in promoted]
        agreed = {served[0]: WHOLE} if len(served) == 1 else agreed
    if not agreed:
        return initial
    named = groups | {group for group, weight in agreed.items() if weight}
    weights = ((group, agreed.get(group, 0)) for group in sorted(named, key=str))
    return Action(forward=tuple(Forward(target_group=group, weight=weight) for group, weight in weights))


def load_balancer_of(listener: str) -> str:
    """The ARN of the load balancer of a listener."""
    return listener.replace(":listener/", ":loadbalancer/", 1).rpartition("/")[0]


def sent_elsewhere(present: Action | None, wanted: Action | None) -> bool:
    """Whether all requests still go to target groups that `wanted` does not name."""
    if present is None or wanted is None or wanted.forward is None:
        return False
    return bool(receiving(present)) and receiving(present).isdisjoint(forwards(wanted))


def claimed(present: Action | None, initial: Action | None, owned: Set[str]) -> Action | None:
    """What lets the rollout that is to shift these requests begin; None if it can, or if they are somebody else's.

    It names both target groups of the service, because ECS refuses one that no listener names. Requests that go to
    another target group of the stack go on to it; the rollout moves them once its version is healthy.
    """
    if present is None or initial is None:
        return None
    if present.forward is None:
        nobody = (Action(fixed_response=NOBODY), Action(fixed_response=NOT_FOUND), TO_HTTPS)
        return initial if present in nobody else None
    named, groups = forwards(present), forwards(initial).keys()
    if groups <= named.keys() or not named.keys() <= owned:
        return None
    served = [item for item in present.forward if item.weight]
    added = (Forward(target_group=group, weight=0) for group in sorted(groups - receiving(present), key=str))
    return Action(forward=(*served, *added))


def receiving(action: Action | None) -> set[Link]:
    """Target groups that an action sends requests to."""
    return {group for group, weight in forwards(action).items() if weight}


def _in_use(group: Link, usage: Usage) -> bool:
    return usage.may_need(group) or group in usage.used


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}
