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
SOURCE_UNREACHABLE: Final = "source.unreachable"  # once when it begins; the last good revision stays
SOURCE_REACHABLE: Final = "source.reachable"  # again
ROLLOUT_PHASE: Final = "rollout.phase"  # a rollout has come to another phase
REVISION_TAKEN: Final = "revision.taken"  # the loop enforces another revision from here on
SPEC_REJECTED: Final = "spec.rejected"  # a revision is wrong; the last good one stays in force
IN_PLACE: Final = "revision.in_place"  # all of a revision is as it should be
CHANGED: Final = "resource.changed"
DRIFT_FOUND: Final = "drift.found"  # told, and left as it is
DRIFT_REPAIRED: Final = "drift.repaired"
CONTESTED: Final = "drift.contested"  # somebody keeps undoing what we put back; we stopped
PLAN_BLOCKED: Final = "plan.blocked"
PLAN_FREE: Final = "plan.free"
PASS_FAILED: Final = "pass.failed"
SUSPENDED: Final = "stack.suspended"
RESUMED: Final = "stack.resumed"
LEASE_HELD: Final = "lease.held"  # from here on we may write
STOPPING: Final = "loop.stopping"
LISTENING: Final = "server.listening"
NOTIFY_FAILED: Final = "notify.failed"
NOTIFY_DROPPED: Final = "notify.dropped"
REQUEST_FAILED: Final = "server.request_failed"
