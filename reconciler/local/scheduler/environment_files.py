"""Files with environment variables, which the agent reads from S3 when a task starts.

ECS developer guide, "Pass environment variables to an Amazon ECS container": a line is `VARIABLE=VALUE`, those that
begin with `#` are comments, and what the task definition says itself comes first.
"""

from __future__ import annotations

from reconciler.local.ecs.state import Params
from reconciler.local.world import World


class NoFile(Exception):
    """A file that cannot be read; the text is the end of the task's `stoppedReason`."""


def variables(world: World, definition: Params) -> dict[str, str]:
    """The variables of all files; of two files that set one, the first one does."""
    found: dict[str, str] = {}
    for item in definition.get("environmentFiles") or ():
        bucket, _, key = str(item["value"]).rpartition(":::")[2].partition("/")
        content = world.rest.stored_object(bucket, key)
        if content is None:
            raise NoFile(f"file download command: non empty error stream: NoSuchKey: {bucket}/{key}")
        found = {**_read(content.decode(errors="replace")), **found}
    return found


def _read(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#") and "=" in line)
    return {name.strip(): value for name, _, value in pairs if name.strip()}
