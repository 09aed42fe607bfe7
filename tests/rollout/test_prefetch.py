"""What several rollouts look at first: asked for together, and handed to each as if it had asked itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler import errors
from reconciler.model.resource import Call
from reconciler.rollout import prefetch
from reconciler.rollout.engine import NOTHING, Prefetched
from reconciler.rollout.release import TrafficEntry
from tests.resources.talk import Talk
from tests.rollout.answers import ELB, GROUPS, PRODUCTION, RULE, SERVICE, SUBJECT, TEST, listeners

API = replace(
    SUBJECT,
    service=SERVICE.replace("/web", "/api"),
    groups=(f"{ELB}targetgroup/api-1/cccc", f"{ELB}targetgroup/api-2/dddd"),
    production=TrafficEntry(PRODUCTION, RULE),
    scalable="service/apps/api",
)
BARE = replace(API, cluster="jobs", service=SERVICE.replace("/apps/", "/jobs/"), scalable=None, test=None)
BARE = replace(BARE, release=replace(BARE.release, health=None), groups=(f"{ELB}targetgroup/j/e", GROUPS[0]))


def named(call: Call) -> dict[str, object]:
    """As DescribeServices answers, in an order of its own."""
    return {"services": [{"serviceArn": arn} for arn in reversed(call.params["services"])], "failures": []}


def talk(**more: object) -> Talk:
    usual = {
        "DescribeServices": named,
        "DescribeListeners": listeners(),
        "DescribeRules": {"Rules": [{"RuleArn": RULE, "Actions": ["of the rule"]}]},
        "DescribeTargetGroups": lambda call: {
            "TargetGroups": [{"TargetGroupArn": arn} for arn in call.params["TargetGroupArns"]]
        },
        "DescribeScalableTargets": {"ScalableTargets": [{"ResourceId": "service/apps/api", "MinCapacity": 1}]},
    }
    return Talk(**(usual | more))


def test_several_are_asked_for_together() -> None:
    """A call for each cluster, and one of each other sort; what two share is named once, what nobody looks at never."""
    said = talk()
    web, api, bare = said.hold(prefetch.prefetch_missing([(SUBJECT, NOTHING), (API, NOTHING), (BARE, NOTHING)]))
    assert [(call["cluster"], call["services"]) for call in said.params("DescribeServices")] == [
        ("apps", [SUBJECT.service, API.service]),
        ("jobs", [BARE.service]),
    ]
    assert said.params("DescribeListeners") == [{"ListenerArns": [PRODUCTION, TEST]}]
    assert said.params("DescribeRules") == [{"RuleArns": [RULE]}]
    assert said.params("DescribeTargetGroups") == [{"TargetGroupArns": [*SUBJECT.groups, *API.groups]}]
    assert [call["ResourceIds"] for call in said.params("DescribeScalableTargets")] == [
        ["service/apps/web", "service/apps/api"]
    ]
    assert [one.service for one in (web, api, bare)] == [
        {"serviceArn": subject.service} for subject in (SUBJECT, API, BARE)
    ]
    assert api.actions[RULE] == ["of the rule"]
    assert set(api.groups) >= set(API.groups)
    assert (web.scalable, api.scalable) == (None, {"ResourceId": "service/apps/api", "MinCapacity": 1})


def test_only_what_is_lacking_is_asked_for() -> None:
    """And what was known stays as it was."""
    known = Prefetched(
        service={"serviceArn": API.service, "known": True},
        actions={RULE: ["known"], TEST: ["known"]},
        groups={arn: {"known": True} for arn in API.groups},
        scalable={"known": True},
    )
    said = talk()
    (same,) = said.hold(prefetch.prefetch_missing([(API, known)]))
    assert said.operations() == []
    assert same == known


@pytest.mark.parametrize(("reason", "error"), [("MISSING", errors.Gone), ("ACCESS", errors.Ambiguous)])
def test_one_that_is_not_there_spoils_the_round(reason: str, error: type[Exception]) -> None:
    """Nothing is made up for it, nor left out."""

    def lacking(call: Call) -> dict[str, object]:
        return {"services": [], "failures": [{"arn": call.params["services"][0], "reason": reason}]}

    with pytest.raises(error):
        talk(DescribeServices=lacking).hold(prefetch.prefetch_missing([(SUBJECT, NOTHING), (API, NOTHING)]))
