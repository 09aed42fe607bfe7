"""A repository of ECR that others own, looked up by its name. Images are pulled from it by their URI."""

from __future__ import annotations

from typing import ClassVar

from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _existing_by_name
from reconciler.resources._existing_by_name import ExistingByNameSpec

ecr = ServiceApi("ecr")


class ExistingRepository(LookedUpType[ExistingByNameSpec]):
    kind: ClassVar[str] = "existing-repository"
    of_others: ClassVar[bool] = True
    Spec = ExistingByNameSpec

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingByNameSpec]]]:
        return (
            yield from _existing_by_name.observe(
                scope, lambda name: ecr.describe_repositories(repositoryNames=[name]), "repository"
            )
        )
