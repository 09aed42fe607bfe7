"""A process that holds the lease whenever it can and writes as fast as it may, standing still now and then.

`python -m tests.store.writer FILE URL NAME SEED TTL STOPS`: it says on standard output when it acquires, and before it
stops itself; SIGTERM ends it cleanly.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.clock import SystemClock
from reconciler.model.resource import Call
from reconciler.store.fence import Fence
from reconciler.store.lease import Lease
from reconciler.store.renewal import Renewal, acquired
from reconciler.store.sqlite import Sqlite

POINTS = ("before", "sign", "send", "after")


def main(file: str, url: str, name: str, seed: str, ttl: str, stops: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    chance, clock = random.Random(seed), SystemClock()
    store = Sqlite(Path(file), "shop")
    lease = Lease(store.records, name, clock, ttl=float(ttl))
    fence = Fence(lease, margin=lease.ttl / 5)
    boto = Boto("us-west-2", endpoint=url, anonymous=True, fence=fence)
    boto.perform(Call("ecs", "ListClusters"))
    where = [""]

    def stand_still(point: str) -> None:
        if where[0] == point:
            where[0] = ""
            say(f"stopping {point}")
            os.kill(os.getpid(), signal.SIGSTOP)

    hooks = boto._clients["ecs"].meta.events
    hooks.register_last("before-sign", lambda **_: stand_still("sign"))
    hooks.register_last("request-created", lambda **_: stand_still("send"))
    hooks.register_first("before-parse", lambda **_: stand_still("after"))
    say("ready")
    while acquired(lease, clock, stop, patience=None, every=0.05):
        say(f"acquired {lease.epoch} {time.monotonic()}")
        try:
            with Renewal(lease, clock) as renewal:
                fence.begin()
                while not stop.is_set() and not renewal.lost.is_set():
                    epoch = lease.epoch or fence._epoch
                    if chance.random() < float(stops):
                        where[0] = POINTS[epoch % len(POINTS)]  # in turn: at random, one is left out now and then
                    stand_still("before")
                    boto.perform(Call("ecs", "UpdateService", {"service": name, "desiredCount": epoch}))
                    clock.wait(stop, 0.01)
        except errors.LeaseLost:
            say("lost")
        say(f"releasing {time.monotonic()}")
        lease.release()
    store.close()


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
