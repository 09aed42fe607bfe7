"""Event patterns, by the tables of the EventBridge User Guide, "Comparison operators"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.eventbridge.pattern import InvalidPattern, matches, parse

EVENT: dict[str, Any] = {
    "source": "aws.ecs",
    "detail-type": "ECS Task State Change",
    "resources": ["arn:a", "arn:b"],
    "detail": {
        "lastStatus": "STOPPED",
        "count": 3,
        "share": 0.5,
        "flag": True,
        "nothing": None,
        "empty": [],
        "address": "10.0.3.7",
        "containers": [{"name": "web", "exitCode": 0}, {"name": "log", "exitCode": 137}],
    },
}


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.ecs", "aws.ecr"]},
        {"resources": ["arn:b"]},
        {"detail-type": [{"prefix": "ECS "}]},
        {"detail-type": [{"prefix": {"equals-ignore-case": "ecs t"}}]},
        {"detail-type": [{"suffix": "State Change"}]},
        {"detail-type": [{"suffix": {"equals-ignore-case": "state change"}}]},
        {"source": [{"equals-ignore-case": "AWS.ECS"}]},
        {"detail-type": [{"wildcard": "ECS * Change"}]},
        {"detail": {"lastStatus": [{"anything-but": "RUNNING"}]}},
        {"detail": {"lastStatus": [{"anything-but": ["RUNNING", "PENDING"]}]}},
        {"detail": {"count": [{"anything-but": [1, 2]}]}},
        {"detail": {"lastStatus": [{"anything-but": {"prefix": "RUN"}}]}},
        {"detail": {"lastStatus": [{"anything-but": {"suffix": ["ING", "ED!"]}}]}},
        {"detail": {"lastStatus": [{"anything-but": {"wildcard": "R*G"}}]}},
        {"detail": {"count": [{"numeric": [">", 0, "<=", 3]}]}},
        {"detail": {"share": [{"numeric": ["=", 0.5]}]}},
        {"detail": {"count": [{"exists": True}]}},
        {"detail": {"nothing": [{"exists": True}]}},
        {"detail": {"nothing": [None]}},
        {"detail": {"missing": [{"exists": False}]}},
        {"detail": {"missing": {"deeper": [{"exists": False}]}}},
        {"detail": {"empty": [{"exists": False}]}},
        {"detail": {"containers": [{"exists": False}]}},  # exists is for leaves
        {"detail": {"flag": [True]}},
        {"detail": {"address": [{"cidr": "10.0.0.0/22"}]}},
        {"detail": {"containers": {"name": ["log"], "exitCode": [137]}}},
        {"$or": [{"source": ["aws.ecr"]}, {"detail": {"count": [3]}}]},
        {"detail": {"$or": [{"count": [{"numeric": ["<", 1]}]}, {"flag": [True]}]}},
    ],
    ids=json.dumps,
)
def test_a_pattern_matches(pattern: Any) -> None:
    assert matches(parse(json.dumps(pattern)), EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.ECS"]},
        {"source": ["aws.ecs"], "detail": {"lastStatus": ["RUNNING"]}},
        {"detail": {"lastStatus": ["STOPPED"], "missing": ["x"]}},
        {"detail": {"count": ["3"]}},
        {"detail": {"count": [3.0]}},
        {"detail": {"flag": [1]}},
        {"detail": {"missing": [{"anything-but": "x"}]}},
        {"detail": {"lastStatus": [{"anything-but": {"equals-ignore-case": "stopped"}}]}},
        {"detail": {"count": [{"numeric": ["<", 3]}]}},
        {"detail": {"lastStatus": [{"numeric": ["=", 3]}]}},
        {"detail": {"count": [{"exists": False}]}},
        {"detail": {"empty": [{"exists": True}]}},
        {"detail": {"address": [{"cidr": "10.0.4.0/24"}]}},
        {"detail": {"lastStatus": [{"cidr": "10.0.0.0/8"}]}},
        {"detail-type": [{"wildcard": "ECS \\* Change"}]},
        {"detail": {"containers": {"name": ["web"], "exitCode": [137]}}},  # of two different objects
        {"$or": [{"source": ["aws.ecr"]}, {"detail": {"count": [4]}}]},
    ],
    ids=json.dumps,
)
def test_a_pattern_does_not_match(pattern: Any) -> None:
    assert not matches(parse(json.dumps(pattern)), EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"source": "aws.ecs"}',
        '{"source": []}',
        '{"source": [["aws.ecs"]]}',
        '{"detail": {}}',
        '{"source": [{"regex": "a"}]}',
        '{"source": [{"prefix": "a", "suffix": "b"}]}',
        '{"source": [{"prefix": 1}]}',
        '{"source": [{"suffix": {"prefix": "a"}}]}',
        '{"source": [{"anything-but": []}]}',
        '{"source": [{"anything-but": ["a", 1]}]}',
        '{"source": [{"anything-but": {"numeric": ["=", 1]}}]}',
        '{"source": [{"anything-but": {"prefix": ""}}]}',
        '{"source": [{"exists": "true"}]}',
        '{"count": [{"numeric": [">", "1"]}]}',
        '{"count": [{"numeric": ["!=", 1]}]}',
        '{"count": [{"numeric": [">", 2, "<", 1]}]}',
        '{"count": [{"numeric": [">"]}]}',
        '{"count": [{"numeric": ["<", 5000000001]}]}',
        '{"source": [{"wildcard": "a**b"}]}',
        '{"source": [{"wildcard": "a\\\\b"}]}',
        '{"source": [{"cidr": "10.0.0.0/33"}]}',
        '{"a": [{"numeric": [[], 1]}]}',
        '{"a": [{"numeric": [{}, 1]}]}',
        '{"a": [{"cidr": "10.0.0.1"}]}',
        '{"a": [{"cidr": 5}]}',
    ],
)
def test_a_bad_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidPattern):
        parse(text)


def test_or_with_one_alternative_is_a_field_of_that_name() -> None:
    with pytest.raises(InvalidPattern, match="Unrecognized match type source"):
        parse('{"$or": [{"source": ["a"]}]}')
