"""Exit codes of the commands. Scripts depend on them."""

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0  # done, or nothing to change
    FAILED = 1
    PENDING = 2  # changes are pending (diff, status)
    ROLLED_BACK = 3  # a rollout failed or was rolled back
    TIMED_OUT = 4  # the wait timed out, the rollout goes on
    BLOCKED = 5  # by a lease, the guard, a stale plan, another account, a suspension
    WAITING = 6  # waiting for promotion, or for another request
    USAGE = 64
    NOT_RUN = 125  # a command in a task did not run, or its exit code is not known (run-task, exec)
    INTERRUPTED = 130
    TERMINATED = 143


HELP = """\
Exit codes: 0 done, nothing to change · 1 failed · 2 changes pending · 3 rollout failed or rolled back ·
4 timed out waiting · 5 blocked · 6 waiting for promotion · 64 usage · 130/143 interrupted ·
125 a command in a task did not run (run-task, exec), whose exit code is passed through otherwise
"""
