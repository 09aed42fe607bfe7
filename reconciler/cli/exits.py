"""What a command's exit code means. Scripts depend on these."""

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0  # done, or nothing to change
    FAILED = 1
    PENDING = 2  # changes are pending (diff, status)
    ROLLED_BACK = 3  # a rollout failed or was rolled back
    TIMED_OUT = 4  # the wait is over, the work goes on
    BLOCKED = 5  # a lease, the guard, a stale plan, another account, a pause
    WAITING = 6  # for a person
    USAGE = 64
    INTERRUPTED = 130
    TERMINATED = 143


HELP = """\
Exit codes: 0 done, nothing to change · 1 failed · 2 changes pending · 3 rollout failed or rolled back ·
4 timed out waiting · 5 blocked · 6 waiting for a person · 64 usage · 130/143 interrupted
"""
