"""A laptop to be ended in every way: one task with a child, one listener. Says where everything is, then waits."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from reconciler.clock import SystemClock
from reconciler.local.data_plane import DataPlane
from reconciler.local.ports import ContainerLaunch, FixedResponse, TaskLaunch
from tests.local.data_plane.control import Recorder
from tests.local.data_plane.stage import default, listener


def main() -> None:
    control = Recorder()
    with DataPlane(Path(sys.argv[1]), SystemClock()) as plane:
        plane.bind(control)
        line = "sleep 60 & echo $! $$; pwd; echo ready; wait"
        container = ContainerLaunch("main", "busybox", {}, command=("sh", "-c", line), log_group="g", log_stream="s")
        plane.runner.start(TaskLaunch("t1", "arn", "c", "service:s", "f", 1, "10.0.0.1", (container,)))
        plane.balancing.configure((listener(default(FixedResponse(200))),))
        assert plane.balancing.settled()
        assert not plane.balancing.unopened(), plane.balancing.unopened()
        control.until(lambda: control.lines and control.lines[-1][2] == "ready")
        assert plane.balancing._process is not None
        assert plane._nursery._reaper is not None
        told = {
            "processes": [
                *map(int, control.lines[0][2].split()),
                plane.balancing._process.pid,
                plane._nursery._reaper.pid,
            ],
            "folder": control.lines[1][2],
            "listener": plane.balancing.addresses()["listener"],
        }
        print(json.dumps(told), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it as ignored
    if os.environ.get("ON_SIGTERM") == "close":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
