"""Which build this is: the commit that an installation was made from, for reports of faults."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "ecs-reconciler"
CHECKOUT = Path(__file__).parents[2]


def revision() -> str | None:
    """The commit; None if it is not known.

    An image has it in `RECONCILER_REVISION`, an installation from Git in its metadata (PEP 610), and a checkout in its
    repository.
    """
    return os.environ.get("RECONCILER_REVISION") or _installed() or _checked_out()


def _installed() -> str | None:
    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    found = json.loads(text).get("vcs_info", {}).get("commit_id") if text else None
    return found if isinstance(found, str) else None


def _checked_out() -> str | None:
    if not (CHECKOUT / ".git").exists():
        return None
    from dulwich.errors import NotGitRepository
    from dulwich.repo import Repo

    try:
        with Repo(str(CHECKOUT)) as repository:
            return repository.head().decode()
    except (NotGitRepository, KeyError, OSError):  # such as one without a commit
        return None
