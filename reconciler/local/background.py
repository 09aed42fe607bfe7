"""One thread with an event loop, for what the data plane does on the side: processes, health checks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Starts at once; whoever made it closes it. Once closed, `soon` does nothing: late reports find nobody.

    `at_the_end` runs on the thread when everything else there is over.
    """

    def __init__(self, name: str, at_the_end: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        self._at_the_end = at_the_end
        self.loop = asyncio.new_event_loop()
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def soon(self, action: Callable[..., object], *args: Any) -> None:
        """Run `action` on the thread, soon and in order; from any thread."""
        with self._lock:
            if not self._closed:
                self.loop.call_soon_threadsafe(action, *args)

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` on the thread; from any other one. The future's result may be waited for there."""
        with self._lock:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self.loop)
        work.close()
        nobody: Future[T] = Future()
        nobody.cancel()
        return nobody

    def close(self) -> None:
        """Cancel what is under way, let it clean up, and end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        if self._at_the_end is not None:
            self.loop.run_until_complete(self._at_the_end())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
