"""A CloudWatch alarm on one metric.

Its name is its id. PutMetricAlarm makes one or replaces all settings of the one that is there, whoever owns that, so a
creation asks first. Dimensions that name a load balancer or a target group are the last part of its ARN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.named_by_events import EventType
from reconciler.model.permissions import Binding, NamedArn, Operation, Permissions
from reconciler.model.resource import Batch, Call, Calls, Desired, Link, Observed, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _tags

cloudwatch = ServiceApi("cloudwatch")

NAMES_AT_ONCE: Final = 100
OF_OTHERS: Final = ("ActionsEnabled", "InsufficientDataActions", "Unit", "EvaluateLowSampleCountPercentile")
"""Settings that the specs do not say: they stay as they are when the others are replaced."""


class AlarmSpec(resource.Spec):
    """`period` is in seconds. It fires once `datapoints` of the last `periods` values are beyond the threshold."""

    name: Annotated[str, FieldMark.IMMUTABLE]
    namespace: str
    metric: str
    dimensions: dict[str, Link]
    statistic: str
    comparison: str
    threshold: float
    period: int
    periods: int
    datapoints: int
    missing: str
    actions: Annotated[tuple[str, ...], FieldMark.UNORDERED] = ()
    """ARNs that are notified when it fires, and when it is over."""
    description: str = ""


class Alarm(ResourceType[AlarmSpec]):
    kind: ClassVar[str] = "alarm"
    Spec = AlarmSpec
    terraform: ClassVar[str] = "aws_cloudwatch_metric_alarm"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::CloudWatch::Alarm", "AlarmName")
    changed_by: ClassVar[tuple[Operation, ...]] = (
        ("cloudwatch", "DisableAlarmActions"),
        ("cloudwatch", "EnableAlarmActions"),
    )
    creates: ClassVar[tuple[str, ...]] = ("PutMetricAlarm",)
    named_by: ClassVar[str | None] = "name"
    owned_as: ClassVar[str] = "alarm"
    listed_by_name: ClassVar[bool] = True
    event_types: ClassVar[tuple[EventType, ...]] = (EventType("aws.cloudwatch", "CloudWatch Alarm State Change"),)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("cloudwatch", "PutMetricAlarm"): Binding.MAKE_BY_NAME}, tagging="TagResource"
    )
    observe_after: ClassVar[tuple[str, ...]] = ("load-balancer", "existing-load-balancer", "target-group")

    def required_properties(self, found: Observed[AlarmSpec]) -> Mapping[str, Any]:
        spec = found.spec
        return {
            "AlarmName": spec.name,
            "Namespace": spec.namespace,
            "MetricName": spec.metric,
            "Dimensions": [{"Name": key, "Value": _dimension(value)} for key, value in sorted(spec.dimensions.items())],
            "Statistic": spec.statistic,
            "ComparisonOperator": spec.comparison,
            "Threshold": spec.threshold,
            "Period": spec.period,
            "EvaluationPeriods": spec.periods,
        }

    def arns(self, spec: AlarmSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("cloudwatch", f"alarm:{spec.name}"),)}

    def observe(self, scope: Scope) -> Calls[list[Observed[AlarmSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        names = sorted(wanted.keys() | {_name(arn) for arn in scope.swept_arns("cloudwatch", "alarm:")})
        groups = [names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE)]
        answers = yield Batch.of(described(group) for group in groups)
        items = {item["AlarmName"]: item for answer in answers for item in answer["MetricAlarms"]}
        tags: dict[str, dict[str, str]] = {}
        for name, item in items.items():
            known = _tags.from_sweep(item["AlarmArn"], scope, wanted.get(name))
            if known is not None:
                tags[name] = known
        unknown = [name for name in items if name not in tags]
        asked = yield from _gone.answers(
            [cloudwatch.list_tags_for_resource(ResourceARN=items[name]["AlarmArn"]) for name in unknown]
        )
        tags |= {name: _tags.of_pairs(answer["Tags"]) for name, answer in zip(unknown, asked, strict=True) if answer}
        found = []
        for name in sorted(tags):
            item, want = items[name], wanted.get(name)
            address = _tags.address_of(self.kind, name, tags[name], scope, want)
            if address is not None:
                facts = {"arn": item["AlarmArn"], "ids": (item["AlarmArn"],), "item": item}
                spec = read_alarm(item, None if want is None else want.spec)
                found.append(Observed(address, name, spec, tags=tags[name], facts=facts))
        return found

    def create(self, new: Desired[AlarmSpec]) -> Calls[str]:
        name = new.spec.name
        answer = yield described([name])
        for item in answer["MetricAlarms"]:
            there = yield cloudwatch.list_tags_for_resource(ResourceARN=item["AlarmArn"])
            if not _tags.is_this(_tags.of_pairs(there["Tags"]), new):
                raise errors.Exists(f"there is an alarm {name} already, which is not of this stack")
        yield _put(new, {})
        return name

    def update(self, old: Observed[AlarmSpec], new: Desired[AlarmSpec], changes: tuple[Change, ...]) -> Calls[None]:
        if changes:
            yield _put(new, old.facts["item"])

    def delete(self, old: Observed[AlarmSpec]) -> Calls[None]:
        yield from _gone.let_go(cloudwatch.delete_alarms(AlarmNames=[old.id]))

    def update_tags(self, old: Observed[AlarmSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield cloudwatch.untag_resource(ResourceARN=old.facts["arn"], TagKeys=names)
        if put:
            yield cloudwatch.tag_resource(ResourceARN=old.facts["arn"], Tags=_tags.pairs(put))


def described(names: list[str]) -> Call:
    return cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])


def _name(arn: str) -> str:
    return arn.split(":", 6)[6]


def _put(new: Desired[AlarmSpec], item: Mapping[str, Any]) -> Call:
    """All settings. AWS ignores the tags where there is an alarm of the name, and IAM asks for them in each call."""
    spec, actions = new.spec, sorted(new.spec.actions)
    return cloudwatch.put_metric_alarm(
        AlarmName=spec.name,
        AlarmDescription=spec.description,
        Namespace=spec.namespace,
        MetricName=spec.metric,
        Dimensions=[{"Name": key, "Value": _dimension(value)} for key, value in sorted(spec.dimensions.items())],
        Statistic=spec.statistic,
        ComparisonOperator=spec.comparison,
        Threshold=spec.threshold,
        Period=spec.period,
        EvaluationPeriods=spec.periods,
        DatapointsToAlarm=spec.datapoints,
        TreatMissingData=spec.missing,
        AlarmActions=actions,
        OKActions=actions,
        Tags=_tags.pairs(new.tags),
        **{name: item[name] for name in OF_OTHERS if item.get(name) not in (None, [])},
    )


def _dimension(value: Link) -> str:
    """As CloudWatch names a load balancer, `app/web/0123`, and a target group, `targetgroup/web/0123`."""
    text = str(value)
    if not text.startswith("arn:"):
        return text
    return text.rpartition(":")[2].removeprefix("loadbalancer/")


def read_alarm(item: Mapping[str, Any], want: AlarmSpec | None) -> AlarmSpec:
    said = {} if want is None else {key: (_dimension(value), value) for key, value in want.dimensions.items()}
    dimensions: dict[str, Link] = {}
    for one in item.get("Dimensions") or ():
        short, whole = said.get(one["Name"], ("", ""))
        dimensions[one["Name"]] = whole if one["Value"] == short else one["Value"]
    return AlarmSpec(
        name=item["AlarmName"],
        namespace=item.get("Namespace", ""),
        metric=item.get("MetricName", ""),
        dimensions=dimensions,
        statistic=item.get("Statistic", ""),
        comparison=item["ComparisonOperator"],
        threshold=item.get("Threshold", 0.0),
        period=item.get("Period", 0),
        periods=item["EvaluationPeriods"],
        datapoints=item.get("DatapointsToAlarm", item["EvaluationPeriods"]),
        missing=item.get("TreatMissingData", "missing"),
        actions=tuple(sorted({*(item.get("AlarmActions") or ()), *(item.get("OKActions") or ())})),
        description=item.get("AlarmDescription", ""),
    )
