"""Holds back every write for which the lease is not surely ours.

To look at the lease and then to call is not enough: between the two a process may stand still for an hour. So the fence
stands where botocore signs and where it sends (`Boto(fence=…)`), and it is bound to one epoch: a write that was decided
in an earlier one does not leave in a later one, whose holder has not looked at the account yet.
"""

from __future__ import annotations

from typing import Final

from reconciler import errors
from reconciler.store.lease import Lease

MARGIN_SECONDS: Final = 10.0
"""What a call may take from the last check to AWS: five seconds to connect (aws/session.py), as much for the way."""


class Fence:
    """`begin` at the start of each pass; then call it before each write."""

    def __init__(self, lease: Lease, *, margin: float = MARGIN_SECONDS) -> None:
        if not 0 <= margin < lease.ttl:
            raise ValueError(f"a margin of {margin:g} s leaves nothing of a TTL of {lease.ttl:g} s")
        self.margin: Final = margin
        self._lease = lease
        self._epoch = 0

    def begin(self) -> int:
        """Bind what follows to the epoch of now, and return it. Raises `errors.LeaseLost`."""
        self._epoch = self._lease.epoch
        self()
        return self._epoch

    def __call__(self) -> None:
        """Raises `errors.LeaseLost`: nothing may be sent."""
        if self._lease.left(self._epoch) > self.margin:
            return
        if self._epoch == 0 or self._epoch != self._lease.epoch:
            raise errors.LeaseLost("not sent: the lease is not held any more")
        raise errors.LeaseLost(f"not sent: the lease was not renewed in time (TTL {self._lease.ttl:g} s)")
