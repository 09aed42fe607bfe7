"""Log groups: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed
from reconciler.resources.log_group import LogGroup, LogGroupSpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, scope, tagged

NAME = "/ecs/web"
ARN = f"arn:aws:logs:us-west-2:123456789012:log-group:{NAME}"

EXAMPLE = Example(
    wish("log-group/web", LogGroupSpec(name=NAME, retention_days=30)),
    edits=(Edit({"retention_days": 7}, "retention_days"), Edit({"retention_days": 0}, "retention_days")),
    unique=True,
    decoys=(wish("log-group/decoy", LogGroupSpec(name="/ecs/web-decoy", retention_days=30)),),
)

WANT = wish("log-group/web", LogGroupSpec(name=NAME))


def item(name: str = NAME, **fields: Any) -> dict[str, Any]:
    arn = ARN.replace(NAME, name)
    return {"logGroupName": name, "arn": f"{arn}:*", "logGroupArn": arn} | fields


def talk(*items: dict[str, Any], **more: Any) -> Talk:
    answers = {"DescribeLogGroups": {"logGroups": list(items)}, "ListTagsForResource": {"tags": tagged(WANT)}}
    return Talk(**(answers | more))


def observe(told: Talk, want: Desired[Any] = WANT, **more: Any) -> list[Observed[Any]]:
    return told.hold(LogGroup().observe(scope(want, **more)))


def test_only_wanted_and_known_names_are_asked_for() -> None:
    """Fifty names a call, and of what comes back only those."""
    names = [f"/ecs/{number:02}" for number in range(60)]
    told = talk(item(), item("/somebody/elses"))

    found = observe(told, swept={ARN.replace(NAME, name): {} for name in names})

    assert [len(params["logGroupIdentifiers"]) for params in told.params("DescribeLogGroups")] == [50, 11]
    assert [each.id for each in found] == [NAME]


def test_what_the_sweep_says_is_believed_where_nothing_follows_from_it() -> None:
    """Tags that are as wanted cost no call; any others are read, since the sweep lags."""
    want = Desired(WANT.address, WANT.spec, tags=tagged(WANT))

    told = talk(item())
    (found,) = observe(told, want, swept={ARN: tagged(WANT)})
    assert (found.tags, told.operations()) == (tagged(WANT), ["DescribeLogGroups"])

    told = talk(item())
    observe(told, want, swept={ARN: {}})
    assert told.params("ListTagsForResource") == [{"resourceArn": ARN}]


def test_what_may_have_to_go_is_asked_again() -> None:
    """Nothing is deleted because of what the sweep says: it may be somebody else's by now."""
    other = "/ecs/old"
    arn = ARN.replace(NAME, other)
    told = talk(item(other), ListTagsForResource={"tags": {}})

    assert observe(told, swept={arn: tagged(wish("log-group/old", WANT.spec))}) == []
    assert told.params("ListTagsForResource") == [{"resourceArn": arn}]


def test_a_name_that_aws_does_not_know_hides_no_other() -> None:
    """Whether an unknown name is left out or refused, the others are found."""

    def described(call: Any) -> dict[str, Any]:
        if "/ecs/gone" in call.params["logGroupIdentifiers"]:
            raise errors.Gone("no such log group")
        return {"logGroups": [item(name) for name in call.params["logGroupIdentifiers"]]}

    told = talk(DescribeLogGroups=described)

    assert [each.id for each in observe(told, swept={ARN.replace(NAME, "/ecs/gone"): {}})] == [NAME]


def test_a_group_without_retention_keeps_for_ever() -> None:
    """AWS leaves the number out; 0 says it."""
    (found,) = observe(talk(item()))

    assert not diff(found, WANT.spec.model_copy(update={"retention_days": 0}))
    assert [str(change) for change in diff(found, WANT.spec.model_copy(update={"retention_days": 7}))] == [
        "retention_days"
    ]


def test_keeping_for_ever_takes_the_retention_off() -> None:
    """There is no number for it in AWS."""
    (old,) = observe(talk(item(retentionInDays=7)))
    new = WANT.spec.model_copy(update={"retention_days": 0})
    told = Talk()

    told.hold(LogGroup().update(old, Desired(WANT.address, new), diff(old, new)))

    assert told.operations() == ["DeleteRetentionPolicy"]


def test_a_group_of_somebody_else_under_our_name_is_shown() -> None:
    """It is a conflict, and no absence."""
    (found,) = observe(talk(item(), ListTagsForResource={"tags": {}}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, None)


def test_older_answers_have_only_the_arn_of_the_streams() -> None:
    """The tag calls take the group's own, without `:*`."""
    (found,) = observe(talk({"logGroupName": NAME, "arn": f"{ARN}:*"}))
    assert found.facts["arn"] == ARN


def test_a_group_made_before_is_adopted_and_a_taken_name_is_not() -> None:
    """A creation whose answer was lost finds its own group."""
    new = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    exists = errors.Exists("the log group already exists")

    assert talk(item(), CreateLogGroup=exists).hold(LogGroup().create(new)) == NAME
    with pytest.raises(errors.Exists):
        talk(item(), CreateLogGroup=exists, ListTagsForResource={"tags": {}}).hold(LogGroup().create(new))
