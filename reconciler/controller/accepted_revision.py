"""Copy of the last accepted revision, in the store beside the lease.

A controller that starts while its source cannot be read, or has no valid revision, continues from it. A revision is
stored before anything of it is applied, so what is being rolled out is never newer than the copy. It is written only
when another revision is accepted, and only by the holder of the lease: a copy with a later epoch is left alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from reconciler import errors, events
from reconciler.log import log
from reconciler.source.archive import Archive, pack, unpack
from reconciler.source.base import Fetched, Proof
from reconciler.store.base import Copies, Copy

LARGEST: Final = 350 * 1024
"""Bytes of a copy. DynamoDB's items have at most 400 KB with the names of their attributes."""
TRIES: Final = 3
"""Tries to write a copy: an earlier write of ours without a response may have arrived in between."""


class AcceptedRevision:
    """The copy of one stack, read once in each leadership term.

    `environment` is what the specs are loaded with. `epoch` is that of the lease, and `fence` raises `errors.LeaseLost`
    once it is not held. `verified` is `Source.verified`: whoever can write the store decides nothing that the source
    would refuse.
    """

    def __init__(
        self,
        copies: Copies,
        environment: str | None = None,
        *,
        epoch: Callable[[], int] = lambda: 0,
        fence: Callable[[], None] = lambda: None,
        verified: Callable[[Archive], Archive] = lambda stored: stored,
    ) -> None:
        self._copies, self._environment, self._epoch, self._fence = copies, environment, epoch, fence
        self._verified = verified
        self._found: Copy | None = None
        self._stored = ""
        self._proof: Proof | None = None

    def read(self) -> Archive | None:
        """The stored revision; None if there is none. Raises `errors.StoreUnreachable` and `errors.CopyUnusable`."""
        self._stored, self._proof = "", None
        self._found = self._copies.read()
        if self._found is None:
            return None
        archive = unpack(self._found.data)
        if archive.environment != self._environment:
            its = "no environment" if archive.environment is None else f"the environment {archive.environment}"
            raise errors.CopyUnusable(f"{archive.revision} was accepted for {its}")
        archive = replace(self._verified(archive), former=self._former(archive.former))
        self._stored, self._proof = archive.revision.id, archive.fetched.proof
        return archive

    def _former(self, archive: Archive | None) -> Archive | None:
        """None for one that the source would refuse: then its services go on by what AWS shows of them."""
        try:
            return None if archive is None else self._verified(archive)
        except errors.CopyUnusable as error:
            log.warning(events.COPY_UNUSABLE, because=f"the revision carried out last: {error}")
            return None

    def write(self, fetched: Fetched, *, follows: str, former: Archive | None = None) -> None:
        """Store a revision that follows the applied one, unless it is stored already, with the `former` one where there
        is room for both.

        Raises `errors.CopyUnusable` if it is too large: then only its name is stored, and nothing older is restored.

        Raises `errors.StoreUnreachable`, and `errors.LeaseLost` if another process has stored a revision since.
        """
        if fetched.revision.id == self._stored:
            return
        if former is not None:
            former = None if former.revision.id == fetched.revision.id else replace(former, follows="", former=None)
        archive = Archive(self._traced(fetched, follows), self._environment, follows, former)
        data = pack(archive)
        if former is not None and len(data) > LARGEST:
            data = pack(replace(archive, former=None))
        fits = len(data) <= LARGEST
        if not fits:
            data = pack(archive, files=False)
        for _ in range(TRIES):
            self._fence()
            copy = Copy(secrets.token_hex(16), self._epoch(), str(archive.revision), data)
            if self._copies.swap("" if self._found is None else self._found.version, copy):
                self._found, self._stored, self._proof = copy, fetched.revision.id, archive.fetched.proof
                if not fits:
                    raise errors.CopyUnusable(f"{fetched.revision} is too large to be stored")
                return
            self._found = self._copies.read()
            if self._found is not None and self._found.epoch > copy.epoch:
                raise errors.LeaseLost(f"another process has stored revision {self._found.revision} since")
        raise errors.StoreUnreachable("the copy of the specs keeps being changed by another process")

    def _traced(self, fetched: Fetched, follows: str) -> Fetched:
        """With a proof, the one that it follows `follows`, if there is any."""
        if fetched.proof is None:
            return fetched
        from reconciler.source.commit import traced

        return replace(fetched, proof=traced(fetched.proof, self._proof, follows) or replace(fetched.proof, history=()))
