"""Names of AWS regions: those that are known, and those that no region can have."""

from __future__ import annotations

from reconciler.service_models import regions
from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.messages import joined


def misspelled(region: str) -> bool:
    """Whether a word of the name is in no region's name. Its number may be that of a region newer than botocore."""
    words = {word for name in regions() for word in name.split("-")[:-1]}
    return not words.issuperset(region.split("-")[:-1])


def known(region: str) -> bool:
    return region in regions()


def hint(region: str) -> str:
    """The region that was meant, or those of the same part of the world."""
    found = did_you_mean(region, regions())
    area = region.partition("-")[0]
    near = sorted(name for name in regions() if name.startswith(f"{area}-") and name.count("-") == 2)
    return found or (f"the regions of {area} are {joined(near, 'and')}" if near else "")
