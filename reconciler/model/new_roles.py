"""New roles: ECS accepts a task whose role its fleet cannot assume yet, and the task then fails to start.

It says the same of a role whose trust policy is wrong, so only the age of the role tells the two apart (IAM user guide,
"Changes that I make are not always immediately visible").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

NEW: Final = timedelta(minutes=2)
"""Age up to which a role may be unknown; as long as a refused call is retried."""

_REFUSED: Final = re.compile(r"unable to assume the role '([^']+)'")


def refused_as_new(task: Mapping[str, Any], created_at: Mapping[str, datetime | None]) -> bool:
    """Whether a task, as ECS describes it, did not start because its role was new.

    `created_at`: when the stack's roles were created, by ARN; None if that was just now.
    """
    found = _REFUSED.search(task.get("stoppedReason", ""))
    if found is None or task.get("stopCode") != "TaskFailedToStart" or found[1] not in created_at:
        return False
    since = created_at[found[1]]
    return since is None or task["createdAt"] - since < NEW
