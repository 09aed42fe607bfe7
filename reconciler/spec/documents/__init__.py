"""Documents that users write: one kind per file, and the types of their values."""

from __future__ import annotations

from reconciler.spec.documents.alarm import Alarm
from reconciler.spec.documents.base import Block, Document
from reconciler.spec.documents.cluster import Cluster
from reconciler.spec.documents.deployment_strategy import DeploymentStrategy
from reconciler.spec.documents.load_balancer import LoadBalancer
from reconciler.spec.documents.network import Network
from reconciler.spec.documents.registry import Registry
from reconciler.spec.documents.role import Role
from reconciler.spec.documents.service import Service
from reconciler.spec.documents.stack import Stack
from reconciler.spec.documents.store import Store
from reconciler.spec.documents.task import Task

KINDS: dict[str, type[Document]] = {
    "Stack": Stack,
    "Network": Network,
    "Registry": Registry,
    "Cluster": Cluster,
    "LoadBalancer": LoadBalancer,
    "Service": Service,
    "Task": Task,
    "DeploymentStrategy": DeploymentStrategy,
    "Role": Role,
    "Store": Store,
    "Alarm": Alarm,
}

__all__ = [
    "KINDS",
    "Alarm",
    "Block",
    "Cluster",
    "DeploymentStrategy",
    "Document",
    "LoadBalancer",
    "Network",
    "Registry",
    "Role",
    "Service",
    "Stack",
    "Store",
    "Task",
]
