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

RUNS = 5


def diff(backend: Backend, folder: Path, cache: Path) -> dict[str, Any]:
    """The median run of several, by wall, once task definitions are known: seconds, MB and calls, and as `first` the
    median time from the process's start to its first call.

    Raises `SystemExit` where the command finds anything to do.
    """
    _once(backend, folder, cache)
    runs = sorted((_once(backend, folder, cache) for _ in range(RUNS)), key=lambda run: run["wall"])
    return runs[RUNS // 2] | {"first": sorted(run["first"] for run in runs)[RUNS // 2]}


def _once(backend: Backend, folder: Path, cache: Path) -> dict[str, Any]:
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
