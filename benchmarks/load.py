"""Steady load from a process of its own: `python -m benchmarks.load HOST PORT CONNECTIONS SECONDS [RATE]`.

Every connection asks again as soon as it has its answer, or all together RATE times a second. A request is lost when
its answer does not come whole with status 200. Prints JSON, at the end or on SIGTERM: `timeline` has what was answered
in each second since `began`.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
VERSION = re.compile(rb"\r\nx-app-version: *([^\r]*)", re.IGNORECASE)


@dataclass(slots=True)
class Tally:
    versions: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    timeline: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    began: float = field(default_factory=time.time)
    over: bool = False

    def answered(self, version: str) -> None:
        self.versions[version] += 1
        self.timeline[int(time.time() - self.began)][version] += 1


async def client(host: str, port: int, until: float, pause: float, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    request = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    due = loop.time()
    while loop.time() < until and not tally.over:
        if pause:
            due += pause
            await asyncio.sleep(max(0.0, due - loop.time()))
        begun = loop.time()
        try:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            if length is not None:
                await reader.readexactly(int(length[1]))
        except (OSError, asyncio.IncompleteReadError) as error:
            tally.lost[type(error).__name__] += 1
            reader = writer = None
            continue
        tally.slowest = max(tally.slowest, loop.time() - begun)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            tally.lost[head.split(b"\r\n")[0].decode()] += 1
        else:
            version = VERSION.search(head)
            tally.answered(version[1].decode() if version else "")
        if b"\r\nConnection: close" in head:
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


async def main(host: str, port: int, connections: int, seconds: float, rate: float) -> None:
    tally = Tally()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: setattr(tally, "over", True))
    begun = time.monotonic()
    pause = connections / rate if rate else 0.0
    until = loop.time() + seconds
    await asyncio.gather(*(client(host, port, until, pause, tally) for _ in range(connections)))
    took = time.monotonic() - begun
    answered = sum(tally.versions.values())
    print(
        json.dumps(
            {
                "requests": answered + sum(tally.lost.values()),
                "lost": sum(tally.lost.values()),
                "why": tally.lost,
                "versions": tally.versions,
                "per_second": answered / took,
                "slowest_ms": tally.slowest * 1000,
                "began": tally.began,
                "timeline": tally.timeline,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float((*sys.argv, "0")[5])))
