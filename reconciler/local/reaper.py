"""The process that outlives the local AWS emulator for a moment, to end what that has left behind.

    python -I -S reaper.py

Reads lines from stdin: `+123` there is a process group 123, `-123` it is gone, `/folder` a folder to be removed in the
end. At the end of its input, which comes however the AWS emulator ends, SIGKILL included, it kills the groups, removes
the folders and goes. It works where the kernel cannot tie a process to its parent, and it gets the children's children.
Imports nothing of this package, so that it starts in milliseconds and stays small.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the local AWS emulator; this one goes after it
    groups: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        word = line.rstrip("\n")
        if word.startswith("+"):
            groups.add(int(word[1:]))
        elif word.startswith("-"):
            groups.discard(int(word[1:]))
        elif word:
            folders.add(word)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
