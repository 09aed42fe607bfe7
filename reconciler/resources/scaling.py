"""The autoscaling of a service: its least and most tasks, and the metrics that it follows.

It belongs to whoever owns the service, and is found by the service's name. Registering a target and putting a policy
are upserts, so that creating it twice makes one. A target whose service does not exist counts as absent: it does
nothing, and creating it again takes it over. CloudWatch alarms named `TargetTracking-…` belong to the policies and are
AWS's to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Binding, OnBehalf, Permissions
from reconciler.model.resource import Address, Batch, Call, Calls, Desired, Link, Observed, Path, ServiceApi
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.model.tagging import tag_value
from reconciler.resources import _ecs, _gone

autoscaling = ServiceApi("application-autoscaling")

NAMESPACE: Final = "ecs"
DIMENSION: Final = "ecs:service:DesiredCount"
BATCH: Final = 50  # targets a DescribeScalableTargets

SUSPENSIONS: Final = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


class Policy(resource.Spec):
    """Holds `metric` at `target`; cooldowns in seconds. Requests per target are counted for one target group of one
    load balancer."""

    metric: str
    target: float
    scale_in_cooldown: int | None = None
    scale_out_cooldown: int | None = None
    load_balancer: Link | None = None
    target_group: Link | None = None


class ScalingSpec(resource.Spec):
    """`resource` is service/<cluster>/<name>. `suspended` holds all scaling, in, out and by schedule."""

    resource: Annotated[str, FieldMark.IMMUTABLE]
    service: Link
    min: int
    max: int
    policies: dict[str, Policy] | None = None
    suspended: bool | None = None


class Scaling(ResourceType[ScalingSpec]):
    kind: ClassVar[str] = "scaling"
    Spec = ScalingSpec
    creates: ClassVar[tuple[str, ...]] = ("RegisterScalableTarget", "PutScalingPolicy")
    named_by: ClassVar[str | None] = "resource"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("application-autoscaling", name): Binding.AUTOSCALING
            for name in (
                "DeleteScalingPolicy",
                "DeregisterScalableTarget",
                "PutScalingPolicy",
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

    def observe(self, scope: Scope) -> Calls[list[Observed[ScalingSpec]]]:
        services = {_resource(service.id): service for service in scope.seen.get("service", ())}
        wanted = {want.spec.resource: want.address for want in scope.wanted}
        answers = yield Batch.of(
            autoscaling.describe_scalable_targets(
                ServiceNamespace=NAMESPACE, ResourceIds=list(batch), ScalableDimension=DIMENSION
            )
            for batch in _ecs.batches(sorted(services), BATCH)
        )
        targets = [item for answer in answers for item in answer["ScalableTargets"]]
        if not targets:
            return []
        policies = (yield autoscaling.describe_scaling_policies(ServiceNamespace=NAMESPACE))["ScalingPolicies"]
        observed = []
        for item in targets:
            name = item["ResourceId"]
            service = services[name]
            address = wanted.get(name) or Address(self.kind, service.address.name)
            suspended = item.get("SuspendedState") or {}
            spec = ScalingSpec(
                resource=name,
                service=service.id,
                min=item["MinCapacity"],
                max=item["MaxCapacity"],
                policies={one["PolicyName"]: _policy(one, scope) for one in policies if _is_of(one, name)},
                suspended=all(suspended.get(part, False) for part in SUSPENSIONS),
            )
            observed.append(
                Observed(
                    address,
                    name,
                    spec,
                    tags={**service.tags, ownership.ADDRESS: tag_value(str(address))},
                    parent=service.id,
                    facts={
                        "item": item,
                        "unsaid": {one["PolicyName"]: _unsaid(one) for one in policies if _is_of(one, name)},
                    },
                )
            )
        return observed

    def create(self, new: Desired[ScalingSpec]) -> Calls[str]:
        spec = new.spec
        yield _register(spec, MinCapacity=spec.min, MaxCapacity=spec.max, SuspendedState=_suspended(spec))
        for name, policy in sorted((spec.policies or {}).items()):
            yield _put(spec.resource, name, policy)
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
            if name not in after or (name in before and before[name].metric not in PREDEFINED):
                yield from _gone.let_go(
                    autoscaling.delete_scaling_policy(
                        PolicyName=name,
                        ServiceNamespace=NAMESPACE,
                        ResourceId=old.id,
                        ScalableDimension=DIMENSION,
                    )
                )
            if name in after:
                yield _put(old.id, name, _filled(after[name], before.get(name)))

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


PREDEFINED: Final = frozenset(
    {"ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization", "ALBRequestCountPerTarget"}
)


def _resource(service_arn: str) -> str:
    """`service/<cluster>/<name>`, by which Application Auto Scaling knows a service."""
    return service_arn.split(":", 5)[5]


def _is_of(item: Mapping[str, Any], name: str) -> bool:
    return (item["ResourceId"], item["ScalableDimension"]) == (name, DIMENSION)


def _policy(item: Mapping[str, Any], scope: Scope) -> Policy:
    """A policy as we would have written it; of other sorts, which people make, the sort in place of the metric."""
    tracking = item.get("TargetTrackingScalingPolicyConfiguration")
    if tracking is None:
        return Policy(metric=item["PolicyType"], target=0)
    predefined = tracking.get("PredefinedMetricSpecification") or {}
    balancer, group = _labelled(predefined.get("ResourceLabel"), scope)
    return Policy(
        metric=predefined.get("PredefinedMetricType", "CustomizedMetric"),
        target=tracking["TargetValue"],
        scale_in_cooldown=tracking.get("ScaleInCooldown", 300),
        scale_out_cooldown=tracking.get("ScaleOutCooldown", 300),
        load_balancer=balancer,
        target_group=group,
    )


def _unsaid(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy has that ours cannot say."""
    tracking = item.get("TargetTrackingScalingPolicyConfiguration") or item.get("StepScalingPolicyConfiguration") or {}
    members = ("DisableScaleIn", "CustomizedMetricSpecification", "StepAdjustments")
    return {name: tracking[name] for name in members if tracking.get(name)}


def _register(spec: ScalingSpec, **params: Any) -> Call:
    return autoscaling.register_scalable_target(
        ServiceNamespace=NAMESPACE, ResourceId=spec.resource, ScalableDimension=DIMENSION, **params
    )


def _suspended(spec: ScalingSpec) -> dict[str, bool] | None:
    return None if spec.suspended is None else dict.fromkeys(SUSPENSIONS, spec.suspended)


def _filled(policy: Policy, old: Policy | None) -> Policy:
    """A put replaces the whole policy: what the specs leave out is sent as it is."""
    if old is None:
        return policy
    left_out = {name for name in ("scale_in_cooldown", "scale_out_cooldown") if getattr(policy, name) is None}
    return policy.model_copy(update={name: getattr(old, name) for name in left_out})


def _put(resource_id: str, name: str, policy: Policy) -> Call:
    metric = {"PredefinedMetricType": policy.metric, "ResourceLabel": _label(policy)}
    tracking = {
        "TargetValue": policy.target,
        "PredefinedMetricSpecification": {key: value for key, value in metric.items() if value is not None},
        "ScaleInCooldown": policy.scale_in_cooldown,
        "ScaleOutCooldown": policy.scale_out_cooldown,
    }
    return autoscaling.put_scaling_policy(
        PolicyName=name,
        ServiceNamespace=NAMESPACE,
        ResourceId=resource_id,
        ScalableDimension=DIMENSION,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={key: value for key, value in tracking.items() if value is not None},
    )


def _label(policy: Policy) -> str | None:
    """`app/<load balancer>/<id>/targetgroup/<target group>/<id>`: what follows in both ARNs."""
    if policy.load_balancer is None or policy.target_group is None:
        return None
    balancer = str(policy.load_balancer).partition(":loadbalancer/")[2]
    return f"{balancer}/{str(policy.target_group).split(':', 5)[5]}"


def _labelled(label: str | None, scope: Scope) -> tuple[str | None, str | None]:
    """The two ARNs in a label."""
    if not label:
        return None, None
    balancer, _, group = label.partition("/targetgroup/")
    return (
        scope.arn("elasticloadbalancing", f"loadbalancer/{balancer}"),
        scope.arn("elasticloadbalancing", f"targetgroup/{group}"),
    )
