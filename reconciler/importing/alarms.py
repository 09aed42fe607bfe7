"""The documents of alarms that deployments watch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from reconciler.importing.inventory import Thing, every_tag
from reconciler.importing.tasks import seconds
from reconciler.model.resource import Batch, Calls
from reconciler.resources import _ecs, _gone
from reconciler.resources.alarm import NAMES_AT_ONCE, AlarmSpec, cloudwatch, described, read_alarm
from reconciler.spec.compile.alarm import ABOVE, BELOW, MISSING
from reconciler.spec.documents.alarm import AlarmMetric
from reconciler.spec.yaml_text import Block

STATISTICS: Final = get_args(AlarmMetric.model_fields["statistic"].annotation)
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:.*")
_MISSING: Final = {aws: word for word, aws in MISSING.items()}


def read_alarms(names: Iterable[str]) -> Calls[list[Thing]]:
    """Those on metrics; of what is deleted meanwhile there is nothing."""
    answers = yield Batch.of(described(list(batch)) for batch in _ecs.batches(sorted(names), NAMES_AT_ONCE))
    items = [item for answer in answers for item in answer["MetricAlarms"]]
    answers = yield from _gone.answers(
        [cloudwatch.list_tags_for_resource(ResourceARN=one["AlarmArn"]) for one in items]
    )
    return [
        Thing("alarm", item["AlarmArn"], item["AlarmName"], every_tag(answer["Tags"]), item)
        for item, answer in zip(items, answers, strict=True)
        if answer is not None
    ]


def not_sayable(item: Mapping[str, Any]) -> Iterator[str]:
    """Why a document cannot say what an alarm is."""
    if item.get("Metrics") or item.get("Statistic") not in STATISTICS:
        yield "the specs have words for an alarm on one metric, with one of its plain statistics"
    if item["ComparisonOperator"] not in (ABOVE, BELOW):
        yield f"the specs have no words for {item['ComparisonOperator']}"
    actions, cleared = (set(item.get(name) or ()) for name in ("AlarmActions", "OKActions"))
    if actions != cleared or not all(map(_TOPIC.fullmatch, actions)):
        yield "a document notifies SNS topics when it fires and when it is over, and it does something else"


def alarm_block(item: Mapping[str, Any]) -> Block:
    spec: AlarmSpec = read_alarm(item, None)
    metric = {"namespace": spec.namespace, "name": spec.metric, "dimensions": dict(spec.dimensions) or None}
    metric |= {"statistic": spec.statistic if spec.statistic != "Average" else None}
    block = Block()
    block.put("kind", "Alarm")
    block.put("name", spec.name)
    block.put("adopt", value=True)
    block.put("metric", {key: value for key, value in metric.items() if value is not None})
    threshold = int(spec.threshold) if spec.threshold % 1 == 0 else spec.threshold
    block.put("above" if spec.comparison == ABOVE else "below", threshold)
    block.put("period", seconds(spec.period) if spec.period != 60 else None)
    block.put("periods", spec.periods if spec.periods != 1 else None)
    block.put("datapoints", spec.datapoints if spec.datapoints != spec.periods else None)
    missing = _MISSING.get(spec.missing, spec.missing)
    block.put("missing", missing if missing != "missing" else None)
    block.put("notify", list(spec.actions) or None)
    block.put("description", spec.description or None)
    return block
