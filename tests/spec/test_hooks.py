"""What `hooks` of a DeploymentStrategy become."""

from __future__ import annotations

from reconciler.model.resource import Address, Ref
from reconciler.resources.service import FunctionHook
from tests.spec import folder
from tests.spec.test_start import compiled

FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:check"
SERVICE = Address("service", "my-app-frontend")
STRATEGY = "kind: DeploymentStrategy\nname: careful\nengine: ecs_native\n"


def test_a_hook_is_declared_with_a_role_of_its_own() -> None:
    """The generated role may invoke the declared functions, and nothing else; stages are in ECS's order."""
    found = compiled(
        f"{STRATEGY}hooks:\n  - {{function: '{FUNCTION}', stages: [post_test_traffic_shift, pre_scale_up], "
        "details: {suite: smoke, retries: 3, strict: true}, within: 30m, on_timeout: continue}\n"
        f"  - {{function: '{FUNCTION}:live', stages: post_scale_up, role: 'arn:aws:iam::123456789012:role/mine'}}\n"
    )
    role = Address("role", "my-app-frontend-hooks")
    assert found[SERVICE].spec.deployment.hooks == (
        FunctionHook(
            function=f"{FUNCTION}:live", stages=("POST_SCALE_UP",), role="arn:aws:iam::123456789012:role/mine"
        ),
        FunctionHook(
            function=FUNCTION,
            stages=("PRE_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT"),
            role=Ref(role),
            details='{"retries": 3, "strict": true, "suite": "smoke"}',
            minutes=30,
            on_timeout="CONTINUE",
        ),
    )
    (statement,) = found[role].spec.policies["functions"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (("lambda:InvokeFunction",), (FUNCTION,))


def test_without_hooks_there_is_no_role() -> None:
    """And the service is declared to have none."""
    found = compiled(STRATEGY)
    assert found[SERVICE].spec.deployment.hooks == ()
    assert Address("role", "my-app-frontend-hooks") not in found


def test_ecs_takes_ten_functions() -> None:
    """More are refused where the eleventh stands."""
    lines = "".join(f"  - {{function: '{FUNCTION}{n}', stages: post_scale_up}}\n" for n in range(11))
    assert [folder.told(one)[:20] for one in folder.lay(f"{STRATEGY}hooks:\n{lines}").diagnostics] == [
        "E6007 case.yaml 15:5"
    ]
