"""Events on their way: rules, targets, dead letters, faults, and what ECS tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.eventbridge.state import Rule
from reconciler.local.eventbridge.targets import content
from reconciler.local.faults import Fault
from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import Stage, refused


class Listener:
    """A queue with a policy for the rules, and words to make them."""

    def __init__(self, laptop: Laptop, name: str = "events", region: str = "us-west-2") -> None:
        self.laptop = laptop
        self.sqs, self.events = laptop.client("sqs", region=region), laptop.client("events", region=region)
        self.arn = f"arn:aws:sqs:{region}:123456789012:{name}"
        self.url = self.sqs.create_queue(QueueName=name, Attributes={"Policy": self.policy()})["QueueUrl"]

    def policy(self, rule: str = "*") -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:events:*:123456789012:rule/{rule}"}},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def rule(self, pattern: dict[str, Any], name: str = "all", **target: Any) -> None:
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        row = {"Id": "queue", "Arn": self.arn, **target}
        assert self.events.put_targets(Rule=name, Targets=[row])["FailedEntryCount"] == 0

    def take(self) -> list[dict[str, Any]]:
        """All bodies that are in the queue, which is empty then."""
        found = []
        while rows := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for row in rows:
                found.append(json.loads(row["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=row["ReceiptHandle"])
        return found

    def put(self, number: int = 0, **detail: Any) -> None:
        entry = {"Source": "app", "DetailType": "made", "Detail": json.dumps({"number": number, **detail})}
        assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def numbers(self) -> list[int]:
        return [one["detail"]["number"] for one in self.take()]


@pytest.fixture
def listener(laptop: Laptop) -> Listener:
    return Listener(laptop)


# ---- rules ----------------------------------------------------------------------------------------------------------


def test_rules_and_targets_are_kept_as_they_were_put(listener: Listener) -> None:
    events = listener.events
    pattern = '{"source": ["app"]}'
    arn = events.put_rule(Name="one", EventPattern=pattern, Tags=[{"Key": "a", "Value": "1"}])["RuleArn"]
    assert arn == "arn:aws:events:us-west-2:123456789012:rule/one"
    events.put_rule(Name="one", EventPattern=pattern, Description="d", Tags=[{"Key": "b", "Value": "2"}])
    found = events.describe_rule(Name="one")
    assert (found["EventPattern"], found["State"], found["Description"]) == (pattern, "ENABLED", "d")
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "c", "Value": "3"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "3"}]
    events.put_targets(Rule="one", Targets=[{"Id": "q", "Arn": listener.arn}])
    assert events.list_targets_by_rule(Rule="one")["Targets"] == [{"Id": "q", "Arn": listener.arn}]
    assert events.list_rule_names_by_target(TargetArn=listener.arn)["RuleNames"] == ["one"]
    assert [one["Name"] for one in events.list_rules(NamePrefix="o")["Rules"]] == ["one"]
    with refused("ValidationException", "has targets"):
        events.delete_rule(Name="one")
    gone = events.remove_targets(Rule="one", Ids=["q", "none"])
    assert [one["TargetId"] for one in gone["FailedEntries"]] == ["none"]
    events.delete_rule(Name="one")
    events.delete_rule(Name="one")
    with refused("ResourceNotFoundException"):
        events.describe_rule(Name="one")


def test_what_eventbridge_does_not_take_is_refused(listener: Listener) -> None:
    events = listener.events
    with refused("InvalidEventPatternException", "Unrecognized match type regex"):
        events.put_rule(Name="one", EventPattern='{"source": [{"regex": "a"}]}')
    with refused("InvalidEventPatternException"):
        events.test_event_pattern(EventPattern='{"source": "a"}', Event="{}")
    with refused("ValidationException"):
        events.put_rule(Name="one")
    with refused("ValidationException"):
        events.put_rule(Name="a b", EventPattern='{"source": ["a"]}')
    events.put_rule(Name="one", EventPattern='{"source": ["a"]}')
    with refused("LimitExceededException"):
        events.put_targets(Rule="one", Targets=[{"Id": str(number), "Arn": listener.arn} for number in range(6)])
    with refused("ResourceNotFoundException"):
        events.put_targets(Rule="two", Targets=[{"Id": "q", "Arn": listener.arn}])
    entry = {"Source": "aws.ecs", "DetailType": "made", "Detail": "{}"}
    answer = events.put_events(Entries=[entry, {**entry, "Source": "app", "Detail": "{"}])
    codes = [one["ErrorCode"] for one in answer["Entries"]]
    assert codes == ["NotAuthorizedForSourceException", "MalformedDetail"]


def test_a_pattern_is_tested_against_an_event(listener: Listener) -> None:
    event = {"id": "1", "account": "1", "source": "app", "time": "2026-01-01T00:00:00Z", "region": "r", "resources": []}
    with refused("ValidationException", "detail-type"):
        listener.events.test_event_pattern(EventPattern='{"source": ["app"]}', Event=json.dumps(event))
    whole = json.dumps({**event, "detail-type": "made"})
    for source, result in (("app", True), ("other", False)):
        pattern = json.dumps({"source": [source]})
        assert listener.events.test_event_pattern(EventPattern=pattern, Event=whole)["Result"] is result


# ---- delivery -------------------------------------------------------------------------------------------------------


def test_an_event_reaches_the_queue_of_a_rule_that_is_enabled(listener: Listener) -> None:
    listener.rule({"source": ["app"], "detail": {"number": [{"numeric": [">", 0]}]}})
    listener.put(0)
    listener.put(1)
    (event,) = listener.take()
    assert (event["source"], event["detail-type"], event["detail"]) == ("app", "made", {"number": 1})
    assert (event["version"], event["account"], event["region"]) == ("0", "123456789012", "us-west-2")
    assert event["time"] == "2026-01-01T00:00:00Z"
    listener.events.disable_rule(Name="all")
    listener.put(2)
    assert listener.numbers() == []
    listener.events.enable_rule(Name="all")
    listener.put(3)
    assert listener.numbers() == [3]


@pytest.mark.parametrize("policy", ["", "other"])
def test_without_a_policy_for_the_rule_the_event_is_a_dead_letter(listener: Listener, policy: str) -> None:
    dead = Listener(listener.laptop, "dead")
    listener.rule({"source": ["app"]}, DeadLetterConfig={"Arn": dead.arn})
    value = listener.policy(policy) if policy else ""
    listener.sqs.set_queue_attributes(QueueUrl=listener.url, Attributes={"Policy": value})
    listener.put(1)
    assert listener.numbers() == []
    (row,) = dead.sqs.receive_message(QueueUrl=dead.url, MessageAttributeNames=["All"])["Messages"]
    assert json.loads(row["Body"])["detail"] == {"number": 1}
    told = {name: one["StringValue"] for name, one in row["MessageAttributes"].items()}
    assert told["ERROR_CODE"] == "NO_PERMISSIONS"
    assert told["RULE_ARN"] == "arn:aws:events:us-west-2:123456789012:rule/all"
    assert told["TARGET_ARN"] == listener.arn


def test_a_queue_that_is_gone_loses_events_and_a_dead_letter_queue_keeps_them(listener: Listener) -> None:
    dead = Listener(listener.laptop, "dead")
    listener.rule({"source": ["app"]}, DeadLetterConfig={"Arn": dead.arn})
    listener.sqs.delete_queue(QueueUrl=listener.url)
    listener.put(1)
    listener.events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": listener.arn}])
    listener.put(2)
    assert dead.numbers() == [1]


def test_a_target_is_sent_what_it_asks_for() -> None:
    rule = Rule("arn:rule", "all", "default", "ENABLED")
    event = {"source": "app", "time": "t", "detail": {"names": ["a", 'b"'], "at": {"x": 1}}}
    assert content({"Input": '{"a": 1}'}, event, rule) == '{"a": 1}'
    assert content({"InputPath": "$.detail.names[1]"}, event, rule) == '"b\\""'
    template = '{"text": "<rule> <name>", "at": <at>, "none": <none>, "by": <aws.events.rule-arn>}'
    paths = {"name": "$.detail.names[1]", "at": "$.detail.at", "rule": "$.source", "none": "$.detail.none"}
    made = content({"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}, event, rule)
    assert json.loads(made) == {"text": 'app b"', "at": {"x": 1}, "none": "", "by": "arn:rule"}


# ---- faults ---------------------------------------------------------------------------------------------------------


def test_events_are_lost_late_doubled_and_in_disorder_as_the_faults_say(listener: Listener) -> None:
    laptop = listener.laptop
    listener.rule({"source": ["app"]})
    laptop.aws.inject(Fault("event_loss", service="app", count=1))
    listener.put(1)
    laptop.aws.inject(Fault("event_delay", operation="made", after=30, count=1))
    listener.put(2)
    laptop.aws.inject(Fault("event_duplicate", after=10, count=1))
    listener.put(3)
    assert listener.numbers() == [3]
    laptop.advance(10)
    assert listener.numbers() == [3]
    laptop.advance(20)
    assert listener.numbers() == [2]
    laptop.aws.inject(Fault("event_disorder", after=60))
    for number in range(8):
        listener.put(number)
    laptop.advance(60)
    mixed = listener.numbers()
    assert sorted(mixed) == list(range(8)) != mixed
    laptop.aws.faults.clear()
    laptop.aws.inject(Fault("event_loss", service="ecs"))
    listener.put(9)
    assert listener.numbers() == [9]


# ---- ECS ------------------------------------------------------------------------------------------------------------


def test_a_task_that_is_killed_is_told_with_each_of_its_states(stage: Stage, laptop: Laptop) -> None:
    """The shape is that of the ECS developer guide, "Amazon ECS task state change events"."""
    listener = Listener(laptop)
    listener.rule({"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]})
    stage.service(desiredCount=1)
    stage.advance(5)
    started = listener.take()
    states = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"]
    assert [one["detail"]["lastStatus"] for one in started] == states
    assert [one["detail"]["version"] for one in started] == [1, 2, 3, 4]
    (task,) = stage.tasks()
    running = started[-1]
    assert running["resources"] == [task["taskArn"]]
    detail = running["detail"]
    assert {name: detail[name] for name in ("clusterArn", "taskArn", "taskDefinitionArn", "group", "startedBy")} == {
        name: task[name] for name in ("clusterArn", "taskArn", "taskDefinitionArn", "group", "startedBy")
    }
    assert detail["startedAt"] == detail["updatedAt"] == "2026-01-01T00:00:00.000Z"
    assert detail["attachments"][0]["type"] == "eni"
    assert not detail.keys() & {"stoppedAt", "tags"}
    laptop.tasks.kill(task["taskArn"].rpartition("/")[2], 3)
    stage.advance(0)
    ended = [one for one in listener.take() if one["resources"] == [task["taskArn"]]]
    assert [one["detail"]["lastStatus"] for one in ended] == ["STOPPING", "DEPROVISIONING", "STOPPED"]
    last = ended[-1]["detail"]
    assert (last["stopCode"], last["desiredStatus"]) == ("EssentialContainerExited", "STOPPED")
    assert last["containers"][0]["exitCode"] == 3
    assert last["stoppedAt"] == last["updatedAt"]


def test_the_health_of_a_container_is_told(stage: Stage, laptop: Laptop) -> None:
    listener = Listener(laptop)
    listener.rule({"detail-type": ["ECS Task State Change"], "detail": {"healthStatus": ["HEALTHY"]}})
    check = {"command": ["CMD-SHELL", "true"], "interval": 5}
    stage.definition(container={"healthCheck": check})
    stage.service(desiredCount=1)
    stage.advance(10)
    (event,) = listener.take()
    assert event["detail"]["containers"][0]["healthStatus"] == "HEALTHY"
    assert event["detail"]["version"] == stage.tasks()[0]["version"]


def test_deployments_and_steady_states_are_told(stage: Stage, laptop: Laptop) -> None:
    listener = Listener(laptop)
    listener.rule({"detail-type": ["ECS Deployment State Change", "ECS Service Action"]})
    service = stage.service(desiredCount=1)
    stage.advance(5)
    told = listener.take()
    assert [one["detail"]["eventName"] for one in told] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_STEADY_STATE",
    ]
    assert {tuple(one["resources"]) for one in told} == {(service["serviceArn"],)}
    assert told[2]["detail"] == {
        "eventType": "INFO",
        "eventName": "SERVICE_STEADY_STATE",
        "clusterArn": service["clusterArn"],
        "createdAt": "2026-01-01T00:00:00.000Z",
    }


def test_of_an_external_service_only_task_sets_and_tasks_are_told(stage: Stage, laptop: Laptop) -> None:
    listener = Listener(laptop)
    listener.rule({"source": ["aws.ecs"]})
    stage.external(desiredCount=1)
    made = stage.task_set("web", stage.blue)
    stage.advance(5)
    told = listener.take()
    assert {one["detail-type"] for one in told} == {"ECS Task State Change", "ECS Service Action"}
    (action,) = [one["detail"] for one in told if one["detail-type"] == "ECS Service Action"]
    assert (action["eventName"], action["taskSetArns"]) == ("TASKSET_STEADY_STATE", [made["taskSetArn"]])


def test_regions_hear_nothing_of_each_other(laptop: Laptop) -> None:
    here, there = Listener(laptop), Listener(laptop, region="eu-west-1")
    for one in (here, there):
        one.rule({"source": ["app"]})
    there.put(1)
    assert (here.numbers(), there.numbers()) == ([], [1])
