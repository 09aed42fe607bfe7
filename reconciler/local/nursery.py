"""Processes that cannot outlive this one, however it ends.

Each is the leader of its own session, so Ctrl-C in a terminal reaches the emulator alone, which then ends them in good
order. Should it not come to that, the reaper and the kernel do (reaper.py, launcher.py).

Everything here runs on one background thread that lives as long as the processes: the kernel's tie is to the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reconciler.local.task_user import TaskUser

HERE = Path(__file__).parent
ISOLATED = (sys.executable, "-I", "-S")
LAST_WORDS = 1.0  # seconds for output that is still in the pipe when its program is over


class Child(asyncio.SubprocessProtocol):
    """A process: its exit is known at once, also while children of its own still hold its output open."""

    def __init__(self, on_output: Callable[[bytes], float] | None) -> None:
        self.pid = 0
        self.code: int | None = None
        self._on_output = on_output
        self._exited = asyncio.Event()
        self._silent = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self.pid = transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self._on_output is not None:
            self._pause(fd, self._on_output(data))

    def _pause(self, fd: int, seconds: float) -> None:
        """Read nothing for a moment: the program waits once its pipe is full."""
        assert self._transport is not None
        pipe = self._transport.get_pipe_transport(fd)
        if seconds and isinstance(pipe, asyncio.ReadTransport):
            pipe.pause_reading()
            asyncio.get_running_loop().call_later(seconds, pipe.resume_reading)

    def process_exited(self) -> None:
        assert self._transport is not None
        self.code = self._transport.get_returncode()
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.set()

    async def exited(self) -> int:
        """Negative: the signal that ended it."""
        await self._exited.wait()
        assert self.code is not None
        return self.code

    async def last_words(self) -> None:
        """Until all its output has arrived, a moment at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), LAST_WORDS)

    def let_go(self) -> None:
        """Close its pipes; a program that still runs is killed."""
        if self._transport is not None:
            self._transport.close()


class Nursery:
    def __init__(self) -> None:
        self._reaper: subprocess.Popen[bytes] | None = None
        self._known: set[str] = set()  # what a reaper that had to be started again has to be told
        self._children: set[Child] = set()

    async def spawn(
        self,
        program: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: str,
        on_output: Callable[[bytes], float] | None = None,
        inherit_output: bool = False,
        pass_fds: Sequence[int] = (),
        user: TaskUser | None = None,
    ) -> Child:
        """Start a program, as `user` where one is given. Raises OSError.

        `on_output` gets its stdout and stderr, and says for how many seconds to read no more of it; without it they
        are dropped, or this process's.
        """
        pairs = [f"{name}={value}" for name, value in environment.items()]
        if any("\0" in text for text in (folder, *pairs)):
            raise OSError(errno.EINVAL, "a variable holds a NUL character")
        out, err = (PIPE, STDOUT) if on_output else (None, None) if inherit_output else (DEVNULL, DEVNULL)
        transport, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: Child(on_output),
            *ISOLATED,
            str(HERE / "launcher.py"),
            str(os.getpid()),
            f"{user.uid}:{user.gid}" if user else "-",
            *program,
            env={},
            cwd="/",
            stdin=PIPE,
            stdout=out,
            stderr=err,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        self._children.add(child)
        self._tell(f"+{child.pid}")
        go = transport.get_pipe_transport(0)
        assert isinstance(go, asyncio.WriteTransport)
        go.write(os.fsencode("\0".join([folder, *pairs])) + b"\0+")
        go.close()
        return child

    def signal(self, child: Child, number: signal.Signals) -> None:
        """Send it to the whole group, the program's children included; nothing happens when it is over."""
        if child.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)

    async def ended(self, child: Child) -> int:
        """Its exit code once it is over and all its output is here, as a shell says it: 128 + the signal's number.

        What it has started itself ends with it, as in a container.
        """
        code = await child.exited()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        self._tell(f"-{child.pid}")
        await child.last_words()
        child.let_go()
        self._children.discard(child)
        return code if code >= 0 else 128 - code

    async def let_go(self) -> None:
        """Kill the programs that still run, and wait until they have ended."""
        left, self._children = self._children, set()
        for child in left:
            self.signal(child, signal.SIGKILL)
            child.let_go()
        await asyncio.gather(*(child.last_words() for child in left))

    def remove_in_the_end(self, folder: Path) -> None:
        """Remove the folder when all is over, however that comes about."""
        self._tell(str(folder.absolute()))

    def close(self) -> None:
        """Kill what is left, remove the folders, and wait until that is done."""
        if self._reaper is not None:
            assert self._reaper.stdin is not None
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def _tell(self, line: str) -> None:
        lines = [line]
        if line.startswith("-"):
            self._known.discard(f"+{line[1:]}")
        else:
            self._known.add(line)
        if self._reaper is None or self._reaper.poll() is not None:
            lines = sorted(self._known)
            self._reaper = subprocess.Popen(
                [*ISOLATED, str(HERE / "reaper.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        assert self._reaper.stdin is not None
        self._reaper.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._reaper.stdin.flush()
