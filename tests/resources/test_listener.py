"""Listeners: the law example, and what bare moto cannot show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import Depth
from reconciler.resources._elb_actions import Action, FixedResponse, Forward, Redirect
from reconciler.resources.listener import Listener, ListenerSpec
from tests.laws.account import Stack
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged
from tests.resources.test_load_balancer import balancer, network
from tests.resources.test_target_group import group

BALANCER = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/0123456789abcdef"
ARN = BALANCER.replace(":loadbalancer/", ":listener/") + "/00000000000000"
BLUE = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/blue/0123456789abcdef"
GREEN = BLUE.replace("blue", "green")
REPLY = FixedResponse(status="503", content_type="text/plain", body="soon")
BUSY = Action(fixed_response=REPLY)
LOST = Action(fixed_response=REPLY.model_copy(update={"status": "404"}))


def listener(name: str, **fields: Any) -> Desired[Any]:
    spec = ListenerSpec(load_balancer=ref(f"load-balancer/{name}"), port=80, protocol="HTTP", default_action=BUSY)
    return wish(f"listener/{name}-production", spec.model_copy(update=fields))


EXAMPLE = Example(
    listener("web"),
    needs=(
        *network("web"),
        balancer("web"),
        wish("load-balancer/other", balancer("web").spec.model_copy(update={"name": "other"})),
        group("blue", "web"),
    ),
    edits=(
        Edit({"port": 8080}, "port"),
        Edit(
            {"default_action": LOST},
            "default_action.fixed_response.status",
        ),
        Edit({"load_balancer": ref("load-balancer/other")}, "load_balancer"),
    ),
    decoys=(*network("decoy", "10.1"), balancer("decoy"), listener("decoy")),
)

WANT = wish("listener/web-production", ListenerSpec(load_balancer=BALANCER, port=80, protocol="HTTP"))


def item(arn: str = ARN, port: int = 80, actions: Any = (), **fields: Any) -> dict[str, Any]:
    return {
        "ListenerArn": arn,
        "LoadBalancerArn": BALANCER,
        "Port": port,
        "Protocol": "HTTP",
        "DefaultActions": list(actions),
    } | fields


def talk(*items: dict[str, Any], tags: dict[str, dict[str, str]] | None = None, **more: Any) -> Talk:
    """Listeners with `tags` by ARN, and those of `WANT` for all others."""

    def described(call: Any) -> dict[str, Any]:
        known = {arn: tagged(WANT) for arn in call.params["ResourceArns"]} | (tags or {})
        return {
            "TagDescriptions": [{"ResourceArn": arn, "Tags": pairs(known[arn])} for arn in call.params["ResourceArns"]]
        }

    return Talk(**({"DescribeListeners": {"Listeners": list(items)}, "DescribeTags": described} | more))


def observe(told: Talk, *wanted: Desired[Any], **more: Any) -> list[Observed[Any]]:
    return told.hold(Listener().observe(scope(*(wanted or (WANT,)), **more)))


def action_of(*actions: dict[str, Any]) -> Action:
    (found,) = observe(talk(item(actions=actions)))
    return found.spec.default_action


def weighted(**weights: int) -> dict[str, Any]:
    arns = {"blue": BLUE, "green": GREEN}
    groups = [{"TargetGroupArn": arns[name], "Weight": weight} for name, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


@pytest.mark.parametrize(
    "answer",
    [
        {"Type": "forward", "TargetGroupArn": BLUE},
        {"Type": "forward", "TargetGroupArn": BLUE} | weighted(blue=1),
        weighted(blue=100),
        weighted(blue=1),
    ],
    ids=["arn alone", "arn and weight", "all the weight", "some weight"],
)
def test_a_lone_target_group_has_all_the_traffic(answer: dict[str, Any]) -> None:
    """However AWS spells a forward to one target group, and with whatever weight above 0, it is the same."""
    wanted = Action(forward=(Forward(target_group=BLUE, weight=7),))

    assert action_of(answer) == wanted == Action(forward=(Forward(target_group=BLUE, weight=100),))


def test_a_lone_target_group_without_weight_receives_nothing() -> None:
    """Somebody has taken production away: that differs from what the specs declare."""
    assert action_of(weighted(blue=0)) == Action(forward=(Forward(target_group=BLUE, weight=0),))


def test_the_order_of_target_groups_means_nothing() -> None:
    """Two target groups are told apart by name, and each has its weight."""
    wanted = ListenerSpec(
        load_balancer=BALANCER,
        port=80,
        protocol="HTTP",
        default_action=Action(forward=(Forward(target_group=GREEN, weight=0), Forward(target_group=BLUE, weight=100))),
    )
    (same,) = observe(talk(item(actions=[weighted(blue=100, green=0)])))
    (other,) = observe(talk(item(actions=[weighted(green=100, blue=0)])))

    assert not diff(same, wanted)
    assert [str(change) for change in diff(other, wanted)] == [
        f"default_action.forward.{BLUE}.weight",
        f"default_action.forward.{GREEN}.weight",
    ]


def test_what_a_redirect_leaves_out_is_not_compared() -> None:
    """AWS fills in the placeholders for what stays as it was requested."""
    redirect = {"Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}
    wanted = WANT.spec.model_copy(
        update={"default_action": Action(redirect=Redirect(protocol="HTTPS", port="443", status="301"))}
    )
    (found,) = observe(
        talk(item(actions=[{"Type": "redirect", "RedirectConfig": redirect | {"StatusCode": "HTTP_301"}}]))
    )

    assert not diff(found, wanted)


def test_what_comes_before_an_action_is_not_part_of_it() -> None:
    """A sign-in put before the forward by hand is kept; two actions that answer are none that the specs can declare."""
    sign_in = {"Type": "authenticate-oidc", "Order": 1}
    assert action_of(sign_in, weighted(blue=1) | {"Order": 2}) == action_of(weighted(blue=1))
    assert action_of(weighted(blue=1) | {"Order": 1}, weighted(green=1) | {"Order": 2}) == Action()
    assert action_of({"Type": "something-new"}) == Action()


def test_where_the_traffic_starts_is_said_once() -> None:
    """A rollout's listener is created with the initial action, which is never compared afterwards."""
    start = Action(forward=(Forward(target_group=BLUE, weight=100), Forward(target_group=GREEN, weight=0)))
    new = Desired(WANT.address, WANT.spec.model_copy(update={"initial_action": start}), tags=tagged(WANT))
    told = Talk(CreateListener={"Listeners": [item()]})

    assert told.hold(Listener().create(new)) == ARN

    (sent,) = told.params("CreateListener")
    assert sent["DefaultActions"] == [weighted(blue=100, green=0)]
    (found,) = observe(talk(item(actions=[weighted(green=100, blue=0)])))
    assert not diff(found, new.spec)


BOTH = (Forward(target_group=BLUE, weight=100), Forward(target_group=GREEN, weight=0))


@pytest.mark.parametrize(
    ("shown_by", "promoted", "first"),
    [
        ([], (), "blue"),
        ([], (GREEN,), "green"),
        (["green"], (BLUE,), "blue"),
        (["green"], (GREEN,), "green"),
        (["green"], (), "green"),
        (["green", "green"], (BLUE,), "green"),
        (["green", "blue"], (GREEN,), "green"),
        (["green"], (BLUE, GREEN), "green"),
    ],
)
def test_a_listener_that_is_new_sends_requests_to_what_was_promoted(
    shown_by: list[str], promoted: tuple[str, ...], first: str
) -> None:
    """One other listener may be the test listener, which shows a version that nobody has promoted yet."""
    others = [
        item(f"{ARN[:-1]}{number}", 9000 + number, [weighted(**({"blue": 0, "green": 0} | {group: 100}))])
        for number, group in enumerate(shown_by)
    ]
    new = Desired(WANT.address, WANT.spec.model_copy(update={"initial_action": Action(forward=BOTH)}))
    found = Listener().continuing(new, None, observe(talk(*others)), set(promoted), frozenset()).spec.initial_action
    assert found is not None
    assert {one.target_group: one.weight for one in found.forward or ()} == {
        BLUE: 100 * (first == "blue"),
        GREEN: 100 * (first == "green"),
    }


@pytest.mark.parametrize("at", [BALANCER.replace("/web/", "/other/"), ref("load-balancer/other")])
def test_a_listener_of_another_load_balancer_does_not_go_on_with_what_serves(at: Any) -> None:
    """AWS allows a target group one load balancer, so what serves through the first one cannot be reached here."""
    others = [item(f"{ARN[:-1]}{number}", 80 + number, [weighted(green=100)]) for number in range(2)]
    spec = WANT.spec.model_copy(update={"load_balancer": at, "initial_action": Action(forward=BOTH[:1])})
    new = Desired(WANT.address, spec)
    assert Listener().continuing(new, None, observe(talk(*others)), frozenset(), frozenset({GREEN})) == new


def test_one_action_takes_the_place_of_another(aws: AwsClient) -> None:
    """Forward, redirect and reply follow each other, and each is read back as it was written."""
    stack = Stack(aws, "ours")
    stack.make(*EXAMPLE.needs, EXAMPLE.desired)
    forward = Action(forward=(Forward(target_group=ref("target-group/blue")),))

    for action in (forward, Action(redirect=Redirect(protocol="HTTPS", port="443", status="302")), forward, BUSY):
        new = stack.wish(listener("web", default_action=action))
        old = stack.the(new)
        assert {change.field for change in diff(old, new.spec)} == {"default_action"}
        stack.update(old, new, diff(old, new.spec))
        assert not diff(stack.the(new), new.spec)


def test_a_target_group_that_a_listener_names_stays(aws: AwsClient) -> None:
    """Nothing forwards to it with any weight, and it is left for a later pass all the same."""
    stack = Stack(aws, "ours")
    idle = Action(
        forward=(
            Forward(target_group=ref("target-group/blue"), weight=0),
            Forward(target_group=ref("target-group/green"), weight=100),
        )
    )
    stack.make(*EXAMPLE.needs, group("green", "web"), listener("web", default_action=None, initial_action=idle))
    blue = stack.the(group("blue", "web"))

    assert len(blue.facts["load_balancers"]) == 1
    with pytest.raises(errors.Blocked):
        stack.delete(blue)


def test_a_listener_without_an_action_is_not_sent() -> None:
    """Nothing to do with requests is a fault of the specs."""
    told = Talk()
    with pytest.raises(errors.SpecInvalid):
        told.hold(Listener().create(WANT))
    assert told.said == []


def test_a_listener_of_somebody_else_on_our_port_is_shown() -> None:
    """A port that is taken is a conflict, whoever has it."""
    (found,) = observe(talk(item(), tags={ARN: tagged(WANT, "theirs")}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, "theirs")

    (found,) = observe(talk(item(), tags={ARN: {}}))
    assert (found.address, found.tags) == (WANT.address, {})


def test_others_on_other_ports_are_none_of_our_business() -> None:
    """What is neither ours nor in our way is not observed."""
    assert observe(talk(item(port=443), tags={ARN: {}})) == []


def test_ours_on_its_way_to_a_taken_port_is_not_two() -> None:
    """Ours is known by its tags wherever it listens; who has the wanted port goes by its ARN, and excludes ours."""
    there = f"{ARN}1"

    found = observe(talk(item(port=8080), item(there, port=80), tags={there: {}}))

    assert [(each.id, each.spec.port) for each in found] == [(ARN, 8080), (there, 80)]
    assert [each.address for each in found] == [WANT.address, Address("listener", there.rpartition("/")[2])]
    assert Listener().excludes(WANT.spec, found[1].spec) == "port 80"


def test_only_load_balancers_that_matter_are_asked() -> None:
    """Ours, those named by ARN, and those that a listener of ours is known to be on."""
    named = BALANCER.replace("/web/", "/named/")
    swept = ARN.replace("/web/", "/swept/")
    mine = Observed(Address("load-balancer", "web"), BALANCER, WANT.spec, tags={ownership.STACK: "ours"})
    theirs = Observed(Address("load-balancer", "x"), "arn:x", WANT.spec, tags={ownership.STACK: "theirs"})
    wanted = wish("listener/named", WANT.spec.model_copy(update={"load_balancer": named}))
    told = talk()

    observe(told, wanted, seen={"load-balancer": (mine, theirs)}, swept={swept: {}})

    assert [params["LoadBalancerArn"] for params in told.params("DescribeListeners")] == sorted(
        [BALANCER, named, BALANCER.replace("/web/", "/swept/")]
    )


def test_listeners_of_a_load_balancer_that_has_gone_are_absent() -> None:
    """What was swept long after its end is no error."""
    assert observe(talk(DescribeListeners=errors.Gone("no such load balancer"))) == []


SECURE = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": "one"}], "SslPolicy": "modern"}


def secure(*arns: str) -> ListenerSpec:
    return WANT.spec.model_copy(update={"protocol": "HTTPS", "certificates": arns, "ssl_policy": "modern"})


def test_all_certificates_are_read_where_there_are_any() -> None:
    """The listing names the first one only, and AWS repeats it among the others, which have no order."""
    several = {"Certificates": [{"CertificateArn": arn} for arn in ("three", "one", "two")]}
    told = talk(item(**SECURE), item(f"{ARN}1", 8080), DescribeListenerCertificates=several)

    (found, _) = observe(told)

    assert found.spec.certificates == ("one", "three", "two")
    assert told.params("DescribeListenerCertificates") == [{"ListenerArn": ARN}]
    assert ListenerSpec.model_validate(secure("one", "two", "three", "one").model_dump()).certificates == (
        "one",
        "three",
        "two",
    )


def test_certificates_are_unread_between_thorough_passes() -> None:
    """A part of the certificates is not taken for all of them."""
    (found,) = observe(talk(item(**SECURE)), depth=Depth.FAST)
    assert found.unread == {"certificates"}


def test_certificates_change_without_a_gap() -> None:
    """Further certificates are added before the first is replaced, and removed after; one a call."""
    several = {"Certificates": [{"CertificateArn": arn, "IsDefault": arn == "one"} for arn in ("one", "two", "three")]}
    (old,) = observe(talk(item(**SECURE), DescribeListenerCertificates=several))
    new = secure("two", "five", "four")
    told = Talk()

    told.hold(Listener().update(old, Desired(WANT.address, new), diff(old, new)))

    listed = lambda arn: [{"CertificateArn": arn}]  # noqa: E731
    assert [(call.operation, call.params["Certificates"]) for call in told.said] == [
        ("AddListenerCertificates", listed("five")),
        ("AddListenerCertificates", listed("four")),
        ("ModifyListener", listed("two")),
        ("RemoveListenerCertificates", listed("three")),
    ]


def test_a_listener_becomes_secure_in_one_call() -> None:
    """AWS takes HTTPS only with its certificate and policy, and needs none of them for HTTP."""
    (plain,) = observe(talk(item()))
    told = Talk()
    told.hold(Listener().update(plain, Desired(WANT.address, secure("one")), diff(plain, secure("one"))))
    assert [call.params for call in told.said] == [
        {
            "ListenerArn": ARN,
            "Protocol": "HTTPS",
            "SslPolicy": "modern",
            "Certificates": [{"CertificateArn": "one"}],
        }
    ]

    answer = {"Certificates": [{"CertificateArn": "one"}]}
    (old,) = observe(talk(item(**SECURE), DescribeListenerCertificates=answer))
    told = Talk()
    told.hold(Listener().update(old, WANT, diff(old, WANT.spec)))
    assert [call.params for call in told.said] == [{"ListenerArn": ARN, "Protocol": "HTTP"}]


def test_a_port_made_before_is_adopted_and_a_taken_one_is_not() -> None:
    """A creation whose answer was lost finds its own listener; somebody else's stays a refusal."""
    new = Desired(WANT.address, WANT.spec.model_copy(update={"default_action": BUSY}), tags=tagged(WANT))
    refusal = errors.Exists("a listener already exists on this port")

    assert talk(item(), CreateListener=refusal).hold(Listener().create(new)) == ARN
    with pytest.raises(errors.Exists):
        talk(item(), tags={ARN: {}}, CreateListener=refusal).hold(Listener().create(new))


SIGN_IN = {
    "Type": "authenticate-cognito",
    "Order": 1,
    "AuthenticateCognitoConfig": {"UserPoolArn": "arn:pool", "UserPoolClientId": "client", "UserPoolDomain": "shop"},
}
STICKY = {"Enabled": True, "DurationSeconds": 600}


def guarded() -> dict[str, Any]:
    """A listener whose requests need a sign-in and stay with a target group."""
    forward = weighted(blue=1)
    forward["ForwardConfig"]["TargetGroupStickinessConfig"] = STICKY
    return item(actions=(SIGN_IN, forward | {"Order": 2}))


def sent_to(told: Talk, want: Desired[Any]) -> list[dict[str, Any]]:
    """The actions of the update to `want`."""
    (found,) = observe(told, want)
    told.hold(Listener().update(found, want, diff(found, want.spec)))
    (params,) = told.params("ModifyListener")
    actions: list[dict[str, Any]] = params["DefaultActions"]
    return actions


def test_what_comes_with_an_action_is_kept_when_the_action_changes() -> None:
    """A sign-in and the stickiness of clients, which the specs do not state; the plan says so."""
    told = talk(guarded(), ModifyListener={})
    green = Action(forward=(Forward(target_group=GREEN),))
    want = replace(WANT, spec=WANT.spec.model_copy(update={"default_action": green}))
    (found,) = observe(told, want)
    assert found.facts["unstated"] == (("DefaultActions",),)

    before, last = sent_to(told, want)
    assert before == SIGN_IN
    assert last["ForwardConfig"]["TargetGroupStickinessConfig"] == STICKY
    assert [one["TargetGroupArn"] for one in last["ForwardConfig"]["TargetGroups"]] == [GREEN]


def test_what_comes_with_an_action_goes_once_the_specs_say_so() -> None:
    """`DefaultActions: null`: the rollout's weights stay as they are at that moment."""
    told = talk(guarded(), ModifyListener={})
    want = replace(WANT, spec=WANT.spec.model_copy(update={"aws": {"DefaultActions": []}}))

    (only,) = sent_to(told, want)
    assert only["ForwardConfig"] == weighted(blue=1)["ForwardConfig"]
    assert only["Type"] == "forward"
