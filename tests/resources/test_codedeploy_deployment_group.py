"""CodeDeploy deployment groups: the law example, shared configurations, and what is left of half a deletion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import codedeploy_names
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed
from reconciler.resources.codedeploy_deployment_group import DeploymentGroup, DeploymentGroupSpec
from tests.conftest import ACCOUNT, REGION
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, scope, tagged

HERE = f"{REGION}:{ACCOUNT}"
ELB = f"arn:aws:elasticloadbalancing:{HERE}"
BALANCER = f"{ELB}:listener/app/web/0123456789abcdef"
GROUPS = (f"{ELB}:targetgroup/web-1/aaaaaaaaaaaaaaaa", f"{ELB}:targetgroup/web-2/bbbbbbbbbbbbbbbb")
OURS = codedeploy_names.canary(25, 7)


def group(name: str, **fields: Any) -> Desired[Any]:
    said = {
        "application": f"AppECS-web-{name}",
        "name": f"DgpECS-web-{name}",
        "service": f"arn:aws:ecs:{HERE}:service/web/{name}",
        "role": f"arn:aws:iam::{ACCOUNT}:role/codedeploy",
        "config": OURS,
        "target_groups": GROUPS,
        "production": f"{BALANCER}/1111111111111111",
        "test": f"{BALANCER}/2222222222222222",
        "ready_wait": 7140,
        "termination_wait": 2880,
        "alarms": ("errors",),
        "rollback": True,
    }
    return wish(f"codedeploy-deployment-group/{name}", DeploymentGroupSpec(**(said | fields)))


EXAMPLE = Example(
    group("web"),
    edits=(
        Edit({"config": codedeploy_names.ALL_AT_ONCE}, "config"),
        Edit({"config": codedeploy_names.linear(20, 3)}, "config"),
        Edit({"role": f"arn:aws:iam::{ACCOUNT}:role/other"}, "role"),
        Edit({"production": f"{BALANCER}/3333333333333333"}, "production"),
        Edit({"ready_wait": 0, "termination_wait": 60}, "ready_wait", "termination_wait"),
        Edit({"alarms": ()}, "alarms.errors"),
        Edit({"rollback": False}, "rollback"),
    ),
    unique=True,
    decoys=(group("decoy"),),
)


def ours(name: str, **fields: Any) -> Desired[Any]:
    want = group(name, **fields)
    return replace(want, tags=tagged(want))


def test_a_predefined_configuration_is_preferred() -> None:
    """Predefined ones do not count towards the limit of fifty; ours are named by their content."""
    assert codedeploy_names.canary(10, 5) == "CodeDeployDefault.ECSCanary10Percent5Minutes"
    assert codedeploy_names.linear(10, 3) == "CodeDeployDefault.ECSLinear10PercentEvery3Minutes"
    assert codedeploy_names.routing(codedeploy_names.canary(10, 5)) is None
    assert codedeploy_names.routing(OURS) == {
        "type": "TimeBasedCanary",
        "timeBasedCanary": {"canaryPercentage": 25, "canaryInterval": 7},
    }


def test_a_configuration_that_another_stack_shares_is_used_and_left() -> None:
    """It is there already, and AWS refuses to delete it while a group names it: both are as they should be."""
    talk = Talk(
        CreateDeploymentConfig=errors.Exists("is there", call="", code=""),
        DeleteDeploymentConfig=errors.Blocked("in use", call="", code=""),
    )
    talk.hold(DeploymentGroup().create(ours("web")))
    talk.hold(DeploymentGroup().delete(_observed()))
    assert talk.operations() == [
        "CreateApplication", "CreateDeploymentConfig", "CreateDeploymentGroup",
        "DeleteDeploymentGroup", "DeleteDeploymentConfig", "ListDeploymentGroups", "DeleteApplication",
    ]  # fmt: skip


def test_another_configuration_is_created_before_and_the_former_goes_after() -> None:
    """A group never names a configuration that is not there."""
    new = ours("web", config=codedeploy_names.linear(20, 3))
    old, talk = _observed(), Talk()
    talk.hold(DeploymentGroup().update(old, new, tuple(diff(old, new.spec))))
    assert talk.operations() == ["CreateDeploymentConfig", "UpdateDeploymentGroup", "DeleteDeploymentConfig"]
    assert talk.params("DeleteDeploymentConfig") == [{"deploymentConfigName": OURS}]


def test_an_application_that_is_somebody_elses_is_not_taken() -> None:
    """Only what an earlier attempt has created is gone on with."""
    talk = Talk(CreateApplication=errors.Exists("is there", call="", code=""), ListTagsForResource={"Tags": []})
    with pytest.raises(errors.Exists):
        talk.hold(DeploymentGroup().create(ours("web")))
    assert talk.params("ListTagsForResource") == [
        {"ResourceArn": f"arn:aws:codedeploy:{HERE}:application:AppECS-web-web"}
    ]


def test_what_half_a_deletion_has_left_is_found() -> None:
    """An application whose group is gone is still the stack's, and goes."""
    arn = f"arn:aws:codedeploy:{HERE}:application:AppECS-web-web"
    talk = Talk(BatchGetApplications={"applicationsInfo": [{"applicationName": "AppECS-web-web"}]})
    (found,) = talk.hold(DeploymentGroup().observe(scope(swept={arn: dict(ours("web").tags)})))
    assert (found.address, found.facts["arn"]) == (group("web").address, arn)
    talk.hold(DeploymentGroup().delete(found))
    assert talk.params("DeleteApplication") == [{"applicationName": "AppECS-web-web"}]


def test_an_application_with_another_group_in_it_stays() -> None:
    """AWS would delete that group with it. The stack's own may still be listed."""
    talk = Talk(ListDeploymentGroups={"deploymentGroups": ["DgpECS-web-web", "by-hand"]})
    with pytest.raises(errors.Blocked, match="by-hand"):
        talk.hold(DeploymentGroup().delete(_observed()))
    assert talk.params("DeleteApplication") == []
    alone = Talk(ListDeploymentGroups={"deploymentGroups": ["DgpECS-web-web"]})
    alone.hold(DeploymentGroup().delete(_observed()))
    assert alone.params("DeleteApplication")


def test_many_applications_without_a_group_are_asked_for_in_batches() -> None:
    """BatchGetApplications takes 100 names, and refuses all of them for one that does not exist any more."""
    names = [f"AppECS-web-{number}" for number in range(130)]
    swept = {f"arn:aws:codedeploy:{HERE}:application:{one}": dict(ours("web").tags) for one in names}
    talk = Talk(BatchGetApplications={"applicationsInfo": []})
    talk.hold(DeploymentGroup().observe(scope(swept=swept)))
    assert [len(one["applicationNames"]) for one in talk.params("BatchGetApplications")] == [100, 30]


def _observed() -> Observed[Any]:
    want = ours("web")
    return Observed(want.address, want.spec.name, want.spec, tags=dict(want.tags))
