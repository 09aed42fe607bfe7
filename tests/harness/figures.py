"""Figures of the promises: what a test has counted, as a line in the file that `make promises` reads."""

from __future__ import annotations

import json
import os
from typing import Any

FIGURES = "PROMISES_FIGURES"
"""Names that file. Without it nothing is written."""


def write(promise: str, what: str, test: str, **figures: Any) -> None:
    path = os.environ.get(FIGURES)
    if path is None:
        return
    row = {"promise": promise, "what": what, "test": test, **figures}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
