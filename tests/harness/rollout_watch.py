"""Watch over the writes of a rollout: what must not be sent, held against what is true and not against what was read.

    watch = RolloutWatch(stack.watched, stack.laptop, promote_after=timedelta(minutes=2))
    stack.restart(watch)
    ...
    watch.breaches

It knows the account and the deadlines that were stored, and asks nothing of the product but the format of its tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.local.inprocess import Laptop
from reconciler.model.resource import Call
from reconciler.rollout.engines.codedeploy.facts import described
from reconciler.rollout.state_tags import of_tags
from reconciler.rollout.stored_state import Deadline, DeadlineKind
from tests.harness.listener_watch import SERVED_PORT

DEPLOYMENT = re.compile(r"d-[A-Z0-9]{9}")
GATES = frozenset({DeadlineKind.GATE, DeadlineKind.WARM})


@dataclass(slots=True)
class RolloutWatch:
    """`promote_after` and `teardown_after` are what the strategy says."""

    inner: Transport
    laptop: Laptop
    cluster: str
    service: str
    promote_after: timedelta
    teardown_after: timedelta
    breaches: list[str] = field(default_factory=list)
    started: Counter[str] = field(default_factory=Counter)
    promotions: int = 0
    deletions: int = 0
    _since: dict[tuple[str, DeadlineKind], datetime] = field(default_factory=dict)

    def perform(self, call: Call) -> dict[str, Any]:
        if is_read(call):
            return self.inner.perform(call)
        match call.operation:
            case "ModifyListener" | "ModifyRule":
                self._points(call)
            case "DeleteTaskSet":
                self._deletes(call.params["taskSet"])
            case "ContinueDeployment":
                self._continues(call)
            case "StopDeployment":
                self._stops(call)
            case "ContinueServiceDeployment":
                self._completes(call)
            case "StopServiceDeployment":
                self._takes_back(call)
        answer = self.inner.perform(call)
        match call.operation:
            case "CreateDeployment":
                self._starts(call.params["description"])
            case "CreateTaskSet":
                self._starts(f"{call.params['externalId']} in {call.params['loadBalancers'][0]['targetGroupArn']}")
            case "UpdateService" if "taskDefinition" in call.params:
                self._starts(call.params["taskDefinition"].rpartition("/")[2])
            case "RegisterTaskDefinition" | "RunTask":
                self._starts(call.operation)
            case "TagResource":
                self._notes(self._deadline())
        return answer

    def breach(self, what: str) -> None:
        if what not in self.breaches:
            self.breaches.append(what)

    # -- what was done

    def _starts(self, what: str) -> None:
        self.started[what] += 1
        if self.started[what] > 1:
            self.breach(f"{what} is started twice")

    def _notes(self, due: Deadline | None) -> None:
        """When a release was first found to be worth its gate, and when its bake time began."""
        if due is not None and due.stage in GATES:
            self._since.setdefault((due.release, due.stage), self.laptop.clock.now())

    # -- what is about to be done

    def _points(self, call: Call) -> None:
        """Production goes to the younger side: only once it is approved, and well."""
        if not self._serves(call):
            return
        actions = call.params.get("DefaultActions") or call.params["Actions"]
        gets = {one["TargetGroupArn"]: one["Weight"] for one in actions[0]["ForwardConfig"]["TargetGroups"]}
        has = self._weights()
        alive = [one for one in self._sets() if one["status"] != "DRAINING"]
        for one in alive:
            group = _group(one)
            if gets.get(group, 0) <= has.get(group, 0) or not any(has.values()):
                continue
            self._gets_production(one)
            older = [other for other in alive if other["createdAt"] < one["createdAt"] and other is not one]
            if older and gets[group]:
                self._promotes(self._release(one))

    def _promotes(self, release: str) -> None:
        due, gate = self._deadline(), self._since.get((release, DeadlineKind.GATE))
        self.promotions += 1
        if due is None or (due.release, due.stage) != (release, DeadlineKind.TO):
            self.breach(f"{release} gets production, and is not approved: {due and due.text()}")
        elif gate is None or self.laptop.clock.now() - gate < self.promote_after:
            self.breach(f"{release} gets production before its time")

    def _continues(self, call: Call) -> None:
        """CodeDeploy moves production to the tasks of a deployment, or removes those that were there before."""
        green = self._made_by(call.params["deploymentId"])
        others = [one for one in self._sets() if green is not None and one["id"] != green["id"]]
        if green is None:
            self.breach(f"{call.params['deploymentId']} is continued, and has no tasks")
        elif call.params["deploymentWaitType"] == "READY_WAIT":
            self._gets_production(green)
            self._promotes(self._release(green))
        else:
            for one in others:
                self._deletes(one["id"])

    def _stops(self, call: Call) -> None:
        """With a rollback: production goes to the older side, where the younger one has some of it."""
        green = self._made_by(call.params["deploymentId"])
        if green is None or not self._weights().get(_group(green)):
            return
        for one in self._sets():
            if one["id"] != green["id"] and one["status"] != "DRAINING":
                self._gets_production(one)

    def _completes(self, call: Call) -> None:
        """ECS moves production to the new tasks once no hook waits: that of the tests once they have passed, that of
        the gate once promotion is stored.
        """
        deployment, group = self._deployment(call)
        hooks = {one["hookId"]: one for one in deployment["lifecycleHookDetails"]}
        waits = [one for one in hooks.values() if one["status"] == "AWAITING_ACTION"]
        gates = [one["hookId"] for one in waits if one["timeoutAction"] == "CONTINUE"]
        due, stages = self._deadline(), {DeadlineKind.TO}
        if call.params["hookId"] not in gates and (gates or len(waits) > 1):
            stages |= {DeadlineKind.GATE}
            self.promotions += 1  # by ECS, at its time
        if due is None or due.stage not in stages:
            self.breach(f"a hook is continued, and its release is not that far: {due and due.text()}")
        if not any(one.state == "healthy" for one in self.laptop.targets.states(group)):
            self.breach(f"a hook is continued, and {_name(group)} has no healthy target")

    def _takes_back(self, call: Call) -> None:
        """With a rollback: production goes to the other group, where the new tasks have some of it."""
        _, group = self._deployment(call)
        weights = self._weights()
        if weights.get(group):
            for other in weights.keys() - {group}:
                if not any(one.state == "healthy" for one in self.laptop.targets.states(other)):
                    self.breach(f"production goes to {_name(other)}, which has no healthy target")

    def _deployment(self, call: Call) -> tuple[dict[str, Any], str]:
        """The service deployment that a call names, and the target group of its new tasks."""
        client = self.laptop.client("ecs")
        arns = [call.params["serviceDeploymentArn"]]
        (found,) = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
        revisions = client.describe_service_revisions(serviceRevisionArns=[found["targetServiceRevision"]["arn"]])
        (balancer,) = revisions["serviceRevisions"][0]["resolvedConfiguration"]["loadBalancers"]
        return found, balancer["targetGroupArn"]

    def _gets_production(self, one: dict[str, Any]) -> None:
        if not any(state.state == "healthy" for state in self.laptop.targets.states(_group(one))):
            self.breach(f"production goes to {_name(_group(one))}, which has no healthy target")

    def _deletes(self, task_set: str) -> None:
        """Not what production names, nor blue before the end of its time, nor the only side that is well."""
        sets = self._sets()
        gone = next((one for one in sets if task_set in (one["id"], one["taskSetArn"])), None)
        if gone is None or gone["status"] == "DRAINING":
            return
        self.deletions += 1
        group, weights = _group(gone), self._weights()
        if weights.get(group):
            self.breach(f"{self._release(gone)} is deleted, and production forwards to it")
        others = {_group(one) for one in sets if one is not gone} - {group}
        well = [other for other in others if any(one.state == "healthy" for one in self.laptop.targets.states(other))]
        if not well and any(one.state == "healthy" for one in self.laptop.targets.states(group)):
            self.breach(f"{self._release(gone)} is deleted, the only side that is healthy")
        younger = [one for one in sets if one["createdAt"] > gone["createdAt"] and weights.get(_group(one))]
        if gone["status"] == "PRIMARY" or younger:
            began = [at for one in younger if (at := self._since.get((self._release(one), DeadlineKind.WARM)))]
            if not began or self.laptop.clock.now() - min(began) < self.teardown_after:
                self.breach(f"{self._release(gone)} is deleted before its time")

    # -- what is true

    def _service(self) -> dict[str, Any]:
        found: dict[str, Any] = self.laptop.client("ecs").describe_services(
            cluster=self.cluster, services=[self.service], include=["TAGS"]
        )["services"][0]
        return found

    def _sets(self) -> list[dict[str, Any]]:
        return list(self._service().get("taskSets", ()))

    def _release(self, one: dict[str, Any]) -> str:
        """Of a task set that CodeDeploy has made, the external id is the deployment's."""
        said = str(one.get("externalId") or one["taskDefinition"].rpartition("/")[2])
        if not DEPLOYMENT.fullmatch(said):
            return said
        client = self.laptop.client("codedeploy")
        (item,) = client.batch_get_deployments(deploymentIds=[said])["deploymentsInfo"]
        return described(item.get("description") or "")[0] or said

    def _made_by(self, deployment: str) -> dict[str, Any] | None:
        return next((one for one in self._sets() if one.get("externalId") == deployment), None)

    def _deadline(self) -> Deadline | None:
        return of_tags({tag["key"]: tag["value"] for tag in self._service().get("tags") or ()}).deadline

    def _serves(self, call: Call) -> bool:
        arn = call.params.get("ListenerArn") or call.params["RuleArn"]
        return any(arn in (one["ListenerArn"], *one["rules"]) for one in self._production())

    def _production(self) -> Iterable[dict[str, Any]]:
        elb = self.laptop.client("elbv2")
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            for one in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
                if one["Port"] == SERVED_PORT:
                    rules = elb.describe_rules(ListenerArn=one["ListenerArn"])["Rules"]
                    yield {**one, "rules": [rule["RuleArn"] for rule in rules]}

    def _weights(self) -> dict[str, int]:
        for one in self._production():
            return {
                item["TargetGroupArn"]: item.get("Weight", 1)
                for item in one["DefaultActions"][0].get("ForwardConfig", {}).get("TargetGroups", ())
            }
        return {}


def _group(one: dict[str, Any]) -> str:
    return str(one["loadBalancers"][0]["targetGroupArn"])


def _name(group_arn: str) -> str:
    return group_arn.split("/")[1]
