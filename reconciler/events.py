"""The names of everything that is logged: one constant a name, dotted, never built at run time."""

from typing import Final

AWS_CALL: Final = "aws.call"  # one call, at debug: operation, duration, request id
AWS_WRITE: Final = "aws.write"  # the audit line: one for each mutating call that was sent
AWS_RETRY: Final = "aws.retry"
OBSERVED: Final = "pass.observed"
PLANNED: Final = "pass.planned"
ACTION_STARTED: Final = "action.started"
ACTION_DONE: Final = "action.done"
ACTION_WAITING: Final = "action.waiting"
ACTION_FAILED: Final = "action.failed"
ACTION_SKIPPED: Final = "action.skipped"
PASS_ENDED: Final = "pass.ended"
ROLLOUT_STEP: Final = "rollout.step"  # something was done for a rollout: phase, what, why
ROLLOUT_ENDED: Final = "rollout.ended"
ROLLOUT_REFUSED: Final = "rollout.refused"
MEMORY_FAILED: Final = "memory.failed"
LEASE_LOST: Final = "lease.lost"  # somebody else has it: nothing more is written
LEASE_UNSURE: Final = "lease.unsure"  # a renewal failed; seconds left
