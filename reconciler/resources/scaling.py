"""The autoscaling of a service: its least and most tasks, and the metrics that it follows.

It belongs to whoever owns the service, and is found by the service's name. Registering a target and putting a policy
are upserts, so that creating it twice makes one. A target whose service does not exist counts as absent: it does
nothing, and creating it again takes it over. CloudWatch alarms named `TargetTracking-…` belong to the policies and are
AWS's to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from reconciler.model import members, ownership
from reconciler.model.diff import Change
from reconciler.model.other_tools import TERRAFORM, CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, OnBehalf, Permissions
from reconciler.model.resource import Address, Batch, Call, Calls, Desired, Observed, Path
from reconciler.model.resource_type import Depth, Replace, ResourceType, Scope
from reconciler.model.tagging import tag_value
from reconciler.resources import _ecs, _gone
from reconciler.resources._scaling_fields import (
    API,
    DIMENSION,
    NAMESPACE,
    OURS,
    TRACKED,
    Policy,
    ScalingSpec,
    ScheduledAction,
    autoscaling,
    bounds,
    filled,
    held_at,
    in_force,
    kept,
    put,
    put_action,
    read_action,
    read_policy,
    unsaid,
)

__all__ = [
    "DIMENSION",
    "Policy",
    "Scaling",
    "ScalingSpec",
    "ScheduledAction",
    "held_at",
    "in_force",
    "limits_now",
    "limits_of",
]

BATCH: Final = 50  # targets a DescribeScalableTargets

SUSPENSIONS: Final = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


class Scaling(ResourceType[ScalingSpec]):
    kind: ClassVar[str] = "scaling"
    Spec = ScalingSpec
    not_exported: ClassVar[Mapping[str, str]] = {
        TERRAFORM: "scheduled actions cannot be imported; declare them as aws_appautoscaling_scheduled_action",
    }
    creates: ClassVar[tuple[str, ...]] = ("RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction")
    named_by: ClassVar[str | None] = "resource"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("application-autoscaling", name): Binding.AUTOSCALING
            for name in (
                "DeleteScalingPolicy",
                "DeleteScheduledAction",
                "DeregisterScalableTarget",
                "PutScalingPolicy",
                "PutScheduledAction",
                "RegisterScalableTarget",
            )
        },
        linked_role="ecs.application-autoscaling.amazonaws.com",
        on_behalf=(
            OnBehalf(
                "ScaleByAlarm",
                "a scaling policy's alarms are set in the caller's name",
                ("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"),
                (("cloudwatch", "alarm:TargetTracking-*"),),
            ),
        ),
    )
    inside: ClassVar[tuple[str, str] | None] = ("service", "service")
    observe_after: ClassVar[tuple[str, ...]] = ("service",)
    replace: ClassVar[Replace] = Replace.CREATE_FIRST

    def grown(self, old: Observed[ScalingSpec], new: Desired[ScalingSpec]) -> Desired[ScalingSpec]:
        """Higher bounds; lower ones and the policies belong to the release."""
        was, will = old.spec, new.spec
        bounds = {"min": max(was.min, will.min), "max": max(was.max, will.max)}
        return replace(new, spec=was.model_copy(update=bounds))

    def grown_from_nothing(self, inside: Observed[Any], new: Desired[ScalingSpec]) -> Desired[ScalingSpec]:
        """Registering a target moves the desired count into its bounds (RegisterScalableTarget)."""
        most = max(new.spec.max, inside.facts["desired"])
        return replace(new, spec=new.spec.model_copy(update={"max": most}))

    def in_terraform(self, found: Observed[ScalingSpec]) -> Iterator[TerraformImport]:
        target = f"{NAMESPACE}/{found.spec.resource}/{DIMENSION}"
        yield TerraformImport("aws_appautoscaling_target", target)
        for policy in found.spec.policies or {}:
            yield TerraformImport("aws_appautoscaling_policy", f"{target}/{policy}", policy)

    def in_cloudformation(self, found: Observed[ScalingSpec]) -> Iterator[CloudFormationImport]:
        dimension = {"ScalableDimension": DIMENSION}
        place = {"ResourceId": found.spec.resource, **dimension, "ServiceNamespace": NAMESPACE}
        bounds = {"MinCapacity": found.spec.min, "MaxCapacity": found.spec.max}
        yield CloudFormationImport("AWS::ApplicationAutoScaling::ScalableTarget", place, {**place, **bounds})
        for policy, item in found.facts["policies"].items():
            properties = {**place, "PolicyName": policy, "PolicyType": "TargetTrackingScaling"}
            kind = "AWS::ApplicationAutoScaling::ScalingPolicy"
            yield CloudFormationImport(kind, {"Arn": item["PolicyARN"], **dimension}, properties, policy)

    def observe(self, scope: Scope) -> Calls[list[Observed[ScalingSpec]]]:
        services = {_resource(service.id): service for service in scope.seen.get("service", ())}
        wanted = {want.spec.resource: want for want in scope.wanted}
        answers = yield Batch.of(
            autoscaling.describe_scalable_targets(
                ServiceNamespace=NAMESPACE, ResourceIds=list(batch), ScalableDimension=DIMENSION
            )
            for batch in _ecs.batches(sorted(services), BATCH)
        )
        targets = [item for answer in answers for item in answer["ScalableTargets"]]
        if not targets:
            return []
        thorough = scope.depth is Depth.FULL
        calls = [autoscaling.describe_scaling_policies(ServiceNamespace=NAMESPACE)]
        calls += [autoscaling.describe_scheduled_actions(ServiceNamespace=NAMESPACE)] if thorough else []
        first, *second = yield Batch.of(calls)
        policies, actions = first["ScalingPolicies"], [one for answer in second for one in answer["ScheduledActions"]]
        observed = []
        for item in targets:
            name = item["ResourceId"]
            service, want = services[name], wanted.get(name)
            address = want.address if want is not None else Address(self.kind, service.address.name)
            low, high = bounds(item, None if want is None else want.spec)
            asked = {} if want is None else want.spec.policies or {}
            its = {one["PolicyName"]: one for one in policies if _is_of(one, name)}
            suspended = item.get("SuspendedState") or {}
            spec = ScalingSpec(
                resource=name,
                service=service.id,
                min=low,
                max=high,
                policies={policy: read_policy(one, scope, asked.get(policy), address) for policy, one in its.items()},
                actions={
                    one["ScheduledActionName"]: read_action(one)
                    for one in actions
                    if _is_of(one, name) and one["ScheduledActionName"].startswith(OURS)
                },
                suspended=all(suspended.get(part, False) for part in SUSPENSIONS),
            )
            observed.append(
                Observed(
                    address,
                    name,
                    spec,
                    tags={**service.tags, ownership.ADDRESS: tag_value(str(address))},
                    parent=service.id,
                    unread=frozenset() if thorough else frozenset({"actions"}),
                    facts={
                        "item": item,
                        "policies": its,
                        "unsaid": {policy: unsaid(one) for policy, one in its.items()},
                        "kept": {policy: kept(one) for policy, one in its.items()},
                        "unstated": tuple(
                            ("policies", policy, *path)
                            for policy, one in its.items()
                            if policy in asked
                            for path in members.unstated(API, asked[policy].aws, one)
                        ),
                    },
                )
            )
        return observed

    def create(self, new: Desired[ScalingSpec]) -> Calls[str]:
        spec = new.spec
        yield _register(spec, MinCapacity=spec.min, MaxCapacity=spec.max, SuspendedState=_suspended(spec))
        for name, policy in sorted((spec.policies or {}).items()):
            yield put(spec.resource, name, policy)
        for name, action in sorted((spec.actions or {}).items()):
            yield put_action(spec.resource, name, action)
        return spec.resource

    def update(self, old: Observed[ScalingSpec], new: Desired[ScalingSpec], changes: tuple[Change, ...]) -> Calls[None]:
        spec, fields = new.spec, {change.field for change in changes}
        if fields & {"min", "max", "suspended"}:
            yield _register(
                spec,
                MinCapacity=spec.min,
                MaxCapacity=spec.max,
                SuspendedState=_suspended(spec) if "suspended" in fields else None,
            )
        before, after = old.spec.policies or {}, spec.policies or {}
        for name in sorted({change.path[1] for change in changes if change.field == "policies"}):
            if name not in after or (name in before and before[name].metric not in TRACKED):
                yield from _gone.let_go(
                    autoscaling.delete_scaling_policy(
                        PolicyName=name,
                        ServiceNamespace=NAMESPACE,
                        ResourceId=old.id,
                        ScalableDimension=DIMENSION,
                    )
                )
            if name in after:
                yield put(old.id, name, filled(after[name], before.get(name)), old.facts.get("kept", {}).get(name, {}))
        for name in sorted({change.path[1] for change in changes if change.field == "actions"}):
            action = (spec.actions or {}).get(name)
            if action is not None:
                yield put_action(old.id, name, action)
            else:
                yield from _gone.let_go(
                    autoscaling.delete_scheduled_action(
                        ScheduledActionName=name,
                        ServiceNamespace=NAMESPACE,
                        ResourceId=old.id,
                        ScalableDimension=DIMENSION,
                    )
                )

    def lost(
        self, old: Observed[ScalingSpec], new: Desired[ScalingSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        """A put replaces the whole policy."""
        written = {change.path[1] for change in changes if change.field == "policies"}
        return {
            ("policies", name, member): value
            for name, members in old.facts["unsaid"].items()
            for member, value in members.items()
            if name in written and name in (new.spec.policies or {})
        }

    def delete(self, old: Observed[ScalingSpec]) -> Calls[None]:
        """The policies go with the target, and their alarms with them."""
        yield from _gone.let_go(
            autoscaling.deregister_scalable_target(
                ServiceNamespace=NAMESPACE, ResourceId=old.id, ScalableDimension=DIMENSION
            )
        )

    def update_tags(self, old: Observed[ScalingSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        """The service's tags stand for those of its scaling."""
        yield from ()


def limits_of(found: Observed[ScalingSpec]) -> Observed[ScalingSpec]:
    """With the bounds that AWS has, also where an action of the specs has set them."""
    low, high = bounds(found.facts["item"], None)
    return replace(found, spec=found.spec.model_copy(update={"min": low, "max": high}))


def limits_now(resource: str) -> Calls[tuple[int, int] | None]:
    """The bounds that AWS has; None if nothing scales the service."""
    answer = yield autoscaling.describe_scalable_targets(
        ServiceNamespace=NAMESPACE, ResourceIds=[resource], ScalableDimension=DIMENSION
    )
    return next((bounds(one, None) for one in answer["ScalableTargets"]), None)


def _resource(service_arn: str) -> str:
    """`service/<cluster>/<name>`, by which Application Auto Scaling knows a service."""
    return service_arn.split(":", 5)[5]


def _is_of(item: Mapping[str, Any], name: str) -> bool:
    return (item["ResourceId"], item["ScalableDimension"]) == (name, DIMENSION)


def _register(spec: ScalingSpec, **params: Any) -> Call:
    return autoscaling.register_scalable_target(
        ServiceNamespace=NAMESPACE, ResourceId=spec.resource, ScalableDimension=DIMENSION, **params
    )


def _suspended(spec: ScalingSpec) -> dict[str, bool] | None:
    return None if spec.suspended is None else dict.fromkeys(SUSPENSIONS, spec.suspended)
