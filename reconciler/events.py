"""Names of all log events: one constant for each, dotted, never built at run time."""

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
ROLLOUT_STEP: Final = "rollout.step"  # an action of a rollout: phase, action, reason
ROLLOUT_ENDED: Final = "rollout.ended"
ROLLOUT_REFUSED: Final = "rollout.refused"
MEMORY_FAILED: Final = "memory.failed"
CLOCK_DIFFERS: Final = "clock.differs"  # this machine's clock differs from AWS's, whose time counts for deadlines
CLOCK_AGREES: Final = "clock.agrees"
LEASE_LOST: Final = "lease.lost"  # another process holds it: nothing more is written
LEASE_UNSURE: Final = "lease.unsure"  # a renewal failed; seconds left
SOURCE_UNREACHABLE: Final = "source.unreachable"  # once at the start; the last good revision remains active
SOURCE_REACHABLE: Final = "source.reachable"
ROLLOUT_PHASE: Final = "rollout.phase"  # a rollout has changed its phase
REVISION_TAKEN: Final = "revision.taken"  # another revision is active from now on
REVISION_RESTORED: Final = "revision.restored"  # the newest cannot be read: the last accepted one is active
COPY_UNUSABLE: Final = "revision.copy_unusable"  # the last accepted revision is not stored, or cannot be used
SPEC_REJECTED: Final = "spec.rejected"  # a revision is not valid; the last good one remains active
IN_PLACE: Final = "revision.in_place"  # a revision is applied as a whole
CHANGED: Final = "resource.changed"
DRIFT_FOUND: Final = "drift.found"  # reported and not corrected
DRIFT_REPAIRED: Final = "drift.repaired"
CONTESTED: Final = "drift.contested"  # the correction keeps being reverted and is not repeated
PLAN_BLOCKED: Final = "plan.blocked"
PLAN_FREE: Final = "plan.free"
PASS_FAILED: Final = "pass.failed"
SUSPENDED: Final = "stack.suspended"
RESUMED: Final = "stack.resumed"
LEASE_HELD: Final = "lease.held"  # this process may write from now on
STOPPING: Final = "loop.stopping"
LISTENING: Final = "server.listening"
NOTIFY_FAILED: Final = "notify.failed"
NOTIFY_DROPPED: Final = "notify.dropped"
REQUEST_FAILED: Final = "server.request_failed"
OUTPUT_LOST: Final = "output.lost"  # nobody reads stdout or stderr, or it cannot be written: what was lost
