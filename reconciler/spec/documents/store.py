"""Store document: the DynamoDB table in which operators keep their leases and last accepted revisions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.spec.documents.base import Document, Members
from reconciler.spec.documents.values import Flag, matching

TableName = Annotated[str, *matching(r"[A-Za-z0-9_.-]+", 255, "letters, digits, '_', '.' and '-' only", 3)]


class Store(Document):
    """A table for `--store dynamodb:NAME`. Many stacks may share one."""

    api = "table"

    kind: Literal["Store"] = "Store"
    name: TableName
    aws_name: TableName | None = None
    """The table's name in AWS. Default: the document's name, with the Stack's prefix and suffix."""
    deletion_protection: Flag = False
    """Makes DynamoDB refuse to delete the table."""
    point_in_time_recovery: Flag = False
    """Keeps what is needed to restore the table as it was at any second of the last 35 days."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateTable, by DynamoDB's names, such as `SSESpecification`. A key is given by its ARN."""
