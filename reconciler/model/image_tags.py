"""Tags of images in the stack's repositories, and the tag of a revision that says where its images have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

IN_USE: Final = "reconciler-in-use-"
"""Beginning of the tags of images that a revision names which may still be started or gone back to."""

NO_LONGER: Final = "reconciler-unused-"
"""Beginning of the tag of an image that would otherwise have none, and be deleted with its last one."""

IMAGES: Final = "reconciler:images"
"""The repositories, separated by spaces, in which the images of a revision are tagged as in use."""


def pushed(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that an image was pushed with, sorted: without those that say whether it is in use."""
    return tuple(sorted(tag for tag in tags if not tag.startswith((IN_USE, NO_LONGER))))
