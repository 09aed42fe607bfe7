"""Rotation: a release of which nothing is new but versions of secrets, parameters and files.

Its revision says which contents it was made from. The strategy may do without a promotion if the release with one of
them is in production, and nothing else of the service is new. If not, the promotion is about more than a rotation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.rollout.release import Release
from reconciler.rollout.state import ObservedService
from reconciler.rollout.strategy import Promotion, Strategy


def policy(declared: Strategy, release: Release, seen: ObservedService) -> Strategy:
    """The strategy by which a rotation is rolled out; health, tests and verification count as ever."""
    if not declared.promotes_rotations or not release.rotation_of:
        return declared
    primary = next((one for one in seen.sets if one.primary), None)
    serving = "" if primary is None else seen.marks.base_of(primary.release)
    if serving not in (release.id, *release.aliases, *release.rotation_of):
        return declared
    return replace(declared, promotion=Promotion.AUTO, promote_after=timedelta())
