"""What becomes a task's process: bound to its parent's life first, then replaced by the task's own program.

    python -I -S launcher.py PARENT USER PROGRAM [ARGUMENT …]

USER is `UID:GID`, or `-` for the user that runs the parent.

Waits on stdin for one byte, which says that the reaper knows this process; without it (the parent is gone already) it
ends. On Linux the kernel kills it with its parent as well, so that neither of the two has to be trusted alone.
Imports nothing of this package: it has to start in milliseconds, before anything of the task's environment counts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


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
    if os.read(0, 1) != b"+":
        os._exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.execvpe(program, arguments, os.environ)
    sys.stderr.write(f'exec: "{program}": cannot be executed\n')
    sys.stderr.flush()
    os._exit(127)


if __name__ == "__main__":
    main()
