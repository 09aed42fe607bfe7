"""Names in AWS of one environment: what the Stack puts before and after the names of documents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Naming:
    """`name_prefix`, `name_suffix` and `roles.name_suffix` of the Stack, empty where it has none."""

    prefix: str = ""
    suffix: str = ""
    role_suffix: str = ""

    def applied(self, name: str) -> str:
        """The name in AWS of a document or part that has no `aws_name`."""
        return f"{self.prefix}{name}{self.suffix}"

    def of_role(self, name: str) -> str:
        """`name`, to which the prefix and suffix have been applied, as that of a role: IAM is in no region."""
        return f"{name}{self.role_suffix}"
