"""CloudWatch: its operations by name. Dashboards and the like are moto's (owned.py)."""

from __future__ import annotations

from reconciler.local.cloudwatch import alarms, data
from reconciler.local.world import Operation

OPERATIONS: dict[str, Operation] = {
    "DeleteAlarms": alarms.delete_alarms,
    "DescribeAlarmHistory": alarms.describe_alarm_history,
    "DescribeAlarms": alarms.describe_alarms,
    "DescribeAlarmsForMetric": alarms.describe_alarms_for_metric,
    "DisableAlarmActions": alarms.disable_alarm_actions,
    "EnableAlarmActions": alarms.enable_alarm_actions,
    "GetMetricData": data.get_metric_data,
    "GetMetricStatistics": data.get_metric_statistics,
    "ListMetrics": data.list_metrics,
    "ListTagsForResource": alarms.list_tags_for_resource,
    "PutCompositeAlarm": alarms.put_composite_alarm,
    "PutMetricAlarm": alarms.put_metric_alarm,
    "PutMetricData": data.put_metric_data,
    "SetAlarmState": alarms.set_alarm_state,
    "TagResource": alarms.tag_resource,
    "UntagResource": alarms.untag_resource,
}
