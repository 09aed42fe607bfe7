"""What moto leaves out of Auto Scaling groups and launch templates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import AutoScalingBackend
from moto.ec2.models.launch_templates import LaunchTemplate


class AlreadyExists(AutoscalingClientError):
    code = "AlreadyExists"


@contextmanager
def moto_scaling() -> Iterator[None]:
    """A name is taken once, and tags of a launch template are those that it has now."""
    make = AutoScalingBackend.create_auto_scaling_group

    def create(backend: AutoScalingBackend, name: str, *args: Any, **more: Any) -> Any:
        if name in backend.autoscaling_groups:
            raise AlreadyExists(f"A group with the name {name} already exists")
        return make(backend, name, *args, **more)

    tags = property(lambda template: template.get_tags(), lambda template, tags: None)
    with (
        patch.object(AutoScalingBackend, "create_auto_scaling_group", create),
        patch.object(LaunchTemplate, "tags", tags, create=True),
    ):
        yield
