"""The capacity providers of a cluster with EC2 capacity: the law example, and how they are detached."""

from __future__ import annotations

from reconciler.model.resource import Observed
from reconciler.model.usage import Usage
from reconciler.resources._ecs import Strategy
from reconciler.resources.cluster import ClusterSpec
from reconciler.resources.cluster_capacity import ClusterCapacity, ClusterCapacitySpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk
from tests.resources.test_capacity_provider import EXAMPLE as PROVIDER

PLAIN = Strategy(provider="FARGATE")

EXAMPLE = Example(
    wish(
        "cluster-capacity/c",
        ClusterCapacitySpec(
            cluster=ref("cluster/c"),
            providers=("FARGATE", "FARGATE_SPOT", ref("capacity-provider/web")),
            default_strategy=(PLAIN,),
        ),
    ),
    needs=(*PROVIDER.needs, PROVIDER.desired, wish("cluster/c", ClusterSpec(name="c"))),
    edits=(
        Edit({"default_strategy": (Strategy(provider="web"),)}, "default_strategy.FARGATE", "default_strategy.web"),
        Edit({"providers": (ref("capacity-provider/web"), "FARGATE")}, "providers.FARGATE_SPOT"),
    ),
    taggable=False,
    decoys=(
        *PROVIDER.decoys,
        wish("cluster/decoy", ClusterSpec(name="decoy")),
        wish(
            "cluster-capacity/decoy",
            ClusterCapacitySpec(
                cluster=ref("cluster/decoy"), providers=(ref("capacity-provider/decoy"),), default_strategy=()
            ),
        ),
    ),
)

OLD = Observed(
    EXAMPLE.desired.address,
    "c/capacity",
    ClusterCapacitySpec(cluster="c", providers=("FARGATE", "web"), default_strategy=(Strategy(provider="web"),)),
    parent="c",
)


def test_fargate_stays_attached_when_ec2_capacity_goes() -> None:
    """A default strategy of what goes would be refused."""
    talk = Talk()
    talk.hold(ClusterCapacity().delete(OLD))
    assert talk.params("PutClusterCapacityProviders") == [
        {"cluster": "c", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": []}
    ]


def test_what_tasks_run_on_stays_attached() -> None:
    """ECS detaches a capacity provider only once no task runs on it."""
    new = wish("cluster-capacity/c", ClusterCapacitySpec(cluster="c", providers=("FARGATE",), default_strategy=()))
    assert ClusterCapacity().retaining(OLD, new, Usage(lost=frozenset({"web"}))).spec.providers == ("FARGATE", "web")
    assert ClusterCapacity().retaining(OLD, new, Usage()) is new
