"""Standard alarms of a service behind a load balancer, on the local AWS emulator."""

from __future__ import annotations

from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import emulated_stack


def test_once_in_place_they_are_not_written_again() -> None:
    """Their dimensions are the ends of ARNs that AWS gives to the load balancer and its target groups."""
    with emulated_stack({"deployment: careful": "deployment: careful\nalarms: standard"}) as stage:
        stage.infrastructure()
        world, plan = pass_.look(stage.aws, discover(), stage.desired_state)
        assert len(world.found["alarm"]) == 6
        assert [str(action.address) for action in plan.actions if action.address.kind == "alarm"] == []
