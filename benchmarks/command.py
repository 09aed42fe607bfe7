"""`reconciler diff` as people run it: a process of its own from its start to its end, measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.backend import Backend, environment
from benchmarks.client import peak


def diff(backend: Backend, folder: Path, cache: Path) -> dict[str, Any]:
    """Seconds, MB and calls; `first` is from the process's start to its first call. The backend counts from here on.

    Raises `SystemExit` where the command finds anything to do.
    """
    env = environment() | {
        "AWS_ENDPOINT_URL": backend.url,
        "AWS_REGION": "us-west-2",
        "XDG_CACHE_HOME": str(cache),
    }
    backend.reset()
    began = time.time()
    most = 0
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "diff", str(folder)], env=env, stdout=said, text=True
        )
        while True:
            most = max(most, peak(child.pid))
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.01)
        wall = time.time() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"reconciler diff {folder}: exit {child.returncode}\n{said.read()[-2000:]}")
    tally = backend.tally()
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": most,
        "first": (tally.first or began) - began,
        "calls": dict(tally.calls),
        "throttled": tally.refused,
    }
