"""Fence: blocks every write for which the lease may no longer be held.

Checking the lease before a call is not enough, because the process may be suspended between the two. So the fence is
checked where botocore signs and where it sends (`Boto(fence=…)`), and it is bound to one epoch: a write that was
decided in an earlier epoch is not sent in a later one, whose holder has not read the account yet.
"""

from __future__ import annotations

from typing import Final

from reconciler import errors
from reconciler.store.lease import Lease

MARGIN_SECONDS: Final = 10.0
"""Time that a call may take from the last check to AWS: five seconds to connect (aws/session.py), and as much to
arrive.
"""


class Fence:
    """Call `begin` at the start of each pass, and the fence before each write."""

    def __init__(self, lease: Lease, *, margin: float = MARGIN_SECONDS) -> None:
        if not 0 <= margin < lease.ttl:
            raise ValueError(f"a margin of {margin:g} s is not shorter than the TTL of {lease.ttl:g} s")
        self.margin: Final = margin
        self._lease = lease
        self._epoch = 0

    def begin(self) -> int:
        """Bind to the current epoch and return it. Raises `errors.LeaseLost`."""
        self._epoch = self._lease.epoch
        self()
        return self._epoch

    def __call__(self) -> None:
        """Raises `errors.LeaseLost`: nothing may be sent."""
        self._lease.check()
        if self._lease.left(self._epoch) > self.margin:
            return
        if self._epoch == 0 or self._epoch != self._lease.epoch:
            raise errors.LeaseLost("not sent: the lease is no longer held")
        raise errors.LeaseLost(f"not sent: the lease was not renewed in time (TTL {self._lease.ttl:g} s)")
