"""Verdicts: why releases are quarantined, and by which specs each was judged. Pure.

A release is judged by what the specs declared when the attempt at it began. A fix that is committed while the attempt
still runs is therefore another judge, and leads to a new attempt (new_attempt.py).
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.rollout.stored_state import STOPPED, Actor, DeadlineKind, Outcome, StoredState, Verdict


def begun(before: StoredState, after: StoredState, judges: str) -> StoredState:
    """`after`; a deadline keeps the digest of the attempt that it belongs to, and a new attempt begins with `judges`.

    `judges` are the digests that are declared now, as `DIGEST.SIZE.SPECS`.
    """
    due, was = after.deadline, before.deadline
    if due is None or due == was:
        return after
    same = was is not None and was.release == due.release and was.stage is not DeadlineKind.RETIRE
    known = was.judges if was is not None and same else judges.partition(".")[0]
    return replace(after, deadline=replace(due, judges=known))


def explained(before: StoredState, after: StoredState, judges: str) -> StoredState:
    """`after` with the reason for which releases were quarantined since `before`; without those that are not any more.

    A release that is quarantined once more, such as by a request to roll back, has a new reason.
    """
    kept = [one for one in after.verdicts if one.release in after.quarantine]
    ended = after.ended
    if ended is not None and ended != before.ended and ended.outcome in STOPPED:
        judged = ended.by in (Actor.ENGINE, Actor.TIMER) and ended.outcome is not Outcome.ABORTED
        new = {one for one in after.quarantine if one not in before.quarantine} | set(after.quarantine[-1:])
        kept = [one for one in kept if one.release not in new]
        kept += [
            Verdict(
                one, ended.outcome, ended.at, _by(before, one, judges) if judged else _of_a_person(judges), ended.why
            )
            for one in after.quarantine
            if one in new
        ]
    return replace(after, verdicts=tuple(kept))


def _by(before: StoredState, release: str, judges: str) -> str:
    """`judges`, with the digest from the start of the attempt at that release where it is known."""
    due = before.deadline
    if due is None or due.release != release or due.judges[:1] != judges[:1]:
        return judges
    return due.judges + judges[len(judges.partition(".")[0]) :]


def _of_a_person(judges: str) -> str:
    """Nothing has judged it; what else was declared counts."""
    _, dot, declared = judges.partition(".")
    return f"-{dot}{declared}" if dot else ""
