"""Which calls may be sent again, and when.

botocore re-sends creates that carry no token when the answer was lost, and makes a second VPC of it; so its own retries
are off, and there are two classes here instead. Reads, and writes with a client token, are sent again after anything
that time may cure. A write without a token is sent again only after an answer that says it was *not* executed: a
throttle, a refusal that passes, or a connection that was never made. What may or may not have been executed is observed
in the next pass instead.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from reconciler import errors
from reconciler.model.resource import Call

READ: Final = re.compile(r"^(Describe|List|Get|BatchGet|BatchCheck|Filter|Head|Lookup|Receive|Search|Simulate)")
TOKENS: Final = frozenset({"ClientToken", "clientToken", "CreatorRequestId", "idempotencyToken"})

IN_CALL_SECONDS: Final = 8.0
"""How long a call itself waits for what AWS has not propagated yet; most of it has by then."""

CONNECTION_ATTEMPTS: Final = 4
"""An endpoint that cannot be reached at all rarely comes back within seconds, and a person may be waiting."""


def is_read(call: Call) -> bool:
    return READ.match(call.operation) is not None


def has_token(call: Call) -> bool:
    return not TOKENS.isdisjoint(call.params)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long to go on. `fresh`: what the call names must exist, so that NotFound may be a delay. `begun`: the
    conversation has created something.

    What AWS has not propagated yet is waited for here until `propagation_seconds` after the first refusal, and after
    that between passes.
    """

    fresh: bool = False
    begun: bool = False
    attempts: int = 8
    base_seconds: float = 0.25
    cap_seconds: float = 8.0
    propagation_seconds: float = IN_CALL_SECONDS

    def finishes(self, error: errors.AwsError) -> bool:
        """Whether it is waited out here whatever it takes: a pass might not find what is only half created."""
        return self.begun and isinstance(error, errors.Gone)

    def pause(self, call: Call, error: errors.AwsError, attempt: int, waited: float = 0.0) -> float | None:
        """Seconds to wait before attempt number `attempt + 1`, or None to give up.

        `waited`: seconds since the call was first refused because AWS had not propagated what it names.
        """
        if isinstance(error, errors.Propagating):
            return (
                None
                if waited >= self.propagation_seconds
                else min(self.cap_seconds, self.base_seconds * 2 ** (attempt - 1))
            )
        if attempt >= (CONNECTION_ATTEMPTS if error.code == "ConnectionFailed" else self.attempts):
            return None
        if isinstance(error, errors.Throttled) or (
            isinstance(error, errors.Ambiguous) and (is_read(call) or has_token(call))
        ):
            # full jitter: many waiting clients spread out instead of returning as one
            return random.uniform(self.base_seconds / 2, min(self.cap_seconds, self.base_seconds * 2**attempt))
        return None
