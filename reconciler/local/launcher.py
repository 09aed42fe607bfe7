r"""What becomes a task's process: bound to its parent's life first, then replaced by the task's own program.

    python -I -S launcher.py PARENT USER PROGRAM [ARGUMENT …]

USER is `UID:GID`, or `-` for the user that runs the parent. Stdin brings the folder and the environment of the program,
as `FOLDER\0NAME=VALUE\0…\0+`, once the reaper knows this process; where it ends before, the parent is gone already,
and this ends. On Linux the kernel kills it with its parent as well, so that neither of the two has to be trusted alone.
Nothing of the task's counts before it runs as the task's user: a variable such as LD_PRELOAD would run code as root.
Imports nothing of this package: it has to start in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    parent, user, program, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[3:]
    if sys.platform == "linux":
        import ctypes  # while this Python can still be read: the user may have no right to

        kernel = ctypes.CDLL(None)
    if user != "-":
        uid, _, gid = user.partition(":")
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # last: the kernel forgets it when the user changes
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
        if user != "-":
            kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    folder, environment = read()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.chdir(folder)
        os.execvpe(program, arguments, environment)
    sys.stderr.write(f'exec: "{program}": cannot be executed\n')
    sys.stderr.flush()
    os._exit(127)


def read() -> tuple[bytes, dict[bytes, bytes]]:
    """The program's folder and environment; ends this process where they do not arrive whole."""
    told = b""
    while more := os.read(0, 65536):
        told += more
    if not told.endswith(b"\0+"):
        os._exit(1)
    folder, *pairs = told[:-2].split(b"\0")
    return folder, dict(pair.split(b"=", 1) for pair in pairs)


if __name__ == "__main__":
    main()
