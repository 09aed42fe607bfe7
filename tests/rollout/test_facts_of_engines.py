"""Facts about an engine stand on the engine: nothing outside rollout/ knows one by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reconciler
from reconciler.iam import calls
from reconciler.rollout.engine import Controller, TrafficShifter, engines

PRODUCT = Path(reconciler.__file__).parent
DOCUMENT = "spec/documents/deployment_strategy.py"
"""Has a deployment type and a block of the name `rolling`, which is what an engine is called, too."""
OF_AWS = ("local/", "resources/", "aws/cloudtrail.py", "spec/compile/codedeploy.py", "spec/documents/network.py")
"""Have calls, ARNs and endpoints of the AWS service by whose name an engine is called."""


def test_no_engine_is_named_outside_rollout() -> None:
    """Whoever wants to know something about an engine asks the engine."""
    found = [
        f"{path.relative_to(PRODUCT)}:{node.lineno}: {node.value}"
        for path in sorted(PRODUCT.rglob("*.py"))
        if not str(path.relative_to(PRODUCT)).startswith(("rollout/", DOCUMENT, *OF_AWS))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in engines()
    ]
    assert found == []


@pytest.mark.parametrize("name", engines())
def test_every_engine_says_what_others_need_to_know(name: str) -> None:
    """Its controller, who moves the traffic, which types it does; what it creates is a call of its own."""
    engine = engines()[name]
    assert (engine.name, isinstance(engine.controller, Controller)) == (name, True)
    assert isinstance(engine.shifts_traffic, TrafficShifter)
    assert engine.types
    assert set(engine.creates) <= {operation for _, operation in calls.of_engine(engine)}


def test_every_type_of_deployment_has_one_engine_by_default() -> None:
    """Leaving `engine:` out is never a question."""
    types = [type for engine in engines().values() if engine.default for type in engine.types]
    assert sorted(types) == ["blue_green", "canary", "linear", "rolling"]
