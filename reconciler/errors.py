"""Error hierarchy, by who can resolve the error.

ReconcilerError
├── Refused                  the user: refused until something is changed; exit 5
│   ├── StalePlan            specs or account have changed since the plan was made
│   ├── WrongAccount         the stack is pinned to another account
│   ├── WrongRegion          the stack is in another region
│   ├── NotApproved          the plan was not confirmed
│   ├── FileExists           a file that would be written exists with other content
│   ├── UnknownFormat        a newer version has stored what this one cannot read
│   └── LeaseHeld            another process holds the lease of the stack
├── SpecInvalid              the user: the specs are not valid; exit 1
│   └── RevisionRejected     this revision must not be applied; the last good one remains active
│       └── HistoryRewritten     it does not descend from the revision applied last
├── CredentialsMissing       the user: no credentials found; exit 1
├── AwsConfigurationInvalid  the user: an AWS profile, endpoint or region is not valid; exit 1
├── Undecidable              the user: an IAM policy holds something that reconciler cannot evaluate
├── OwnershipBreach          a bug: a write to a resource that the stack does not own; not sent
├── SafetyBreach             a bug: a rollout step that must not be done; not sent, and no other write any more
├── Contested                the user: a write that somebody else has undone several times; not sent
├── LeaseLost                time: a write after the lease was lost; not sent
├── Declined             AWS does not take one change of several; everything else of the step was done
├── SourceUnreachable        time: the specs could not be read; the last good revision remains active
│   └── SourcePending        they are still being read
├── StoreUnreachable         time: the lease, or the copy of the specs, could not be read or written
│   └── StoreFormatUnknown   and UnknownFormat: a newer version has written the store
├── CopyUnusable             time: the stored copy of the specs cannot be used; the next accepted revision replaces it
└── AwsError                 one AWS call failed, translated once, by its code (aws/errors.py)
    ├── Gone                 it does not exist: success for a delete, absent for a read
    ├── Exists               it already exists: adopt it if the stack owns it
    ├── Blocked              something still depends on it: time, minutes
    │   └── InUse            part of a resource that stays: what depends on the resource goes on, and may let go of it
    ├── Propagating          AWS has not propagated an earlier write yet: time, minutes (aws/propagation.py)
    ├── Throttled            too many calls; certainly not executed: time, seconds
    ├── Ambiguous            no response, or a server error: executed or not, read before acting again
    ├── Quota                an account limit: the user
    ├── Denied               a permission or the credentials: the user
    ├── Protected            deletion protection and the like: the user
    └── Invalid              AWS will never accept this: the spec
        └── Unserved             this endpoint has no such operation, as an emulator may not have
"""

from __future__ import annotations


class ReconcilerError(Exception):
    """Base of all errors that are meant to be read by a person: one line, deterministic, no secrets.

    `code` says which error it is, for programs; an `AwsError` has the code that AWS gave, if it gave one.
    """

    code: str = "failed"


class Refused(ReconcilerError):
    """Nothing was written, and nothing will be until something is changed.

    A subclass has a code of its own, a refused plan or request gives that of its refusal.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code or self.code


class StalePlan(Refused):
    code = "stale-plan"


class WrongAccount(Refused):
    code = "wrong-account"


class WrongRegion(Refused):
    code = "wrong-region"


class NotApproved(Refused):
    code = "not-approved"


class FileExists(Refused):
    code = "file-exists"


class UnknownFormat(Refused):
    code = "unknown-format"


class LeaseHeld(Refused):
    code = "lease-held"


class SpecInvalid(ReconcilerError):
    code = "spec-invalid"


class RevisionRejected(SpecInvalid):
    """`revision` is the id of what was rejected; the message says why."""

    def __init__(self, message: str, *, revision: str = "", author: str = "", subject: str = "") -> None:
        super().__init__(message)
        self.revision = revision
        self.author = author
        self.subject = subject


class HistoryRewritten(RevisionRejected):
    """The revision does not descend from the one applied last, whose releases are withdrawn thereby."""


class CredentialsMissing(ReconcilerError):
    code = "credentials-missing"


class AwsConfigurationInvalid(ReconcilerError):
    code = "aws-configuration-invalid"


class Undecidable(ReconcilerError):
    code = "undecidable-policy"


class OwnershipBreach(ReconcilerError):
    code = "ownership-breach"


class SafetyBreach(ReconcilerError):
    code = "safety-breach"


class Contested(ReconcilerError):
    code = "contested"


class LeaseLost(ReconcilerError):
    code = "lease-lost"


class Declined(ReconcilerError):
    """`fields` of a resource stay as they are."""

    code = "declined"

    def __init__(self, message: str, *, fields: frozenset[str]) -> None:
        super().__init__(message)
        self.fields = fields


class SourceUnreachable(ReconcilerError):
    code = "source-unreachable"


class SourcePending(SourceUnreachable):
    """Nothing is wrong: there is no answer yet."""


class StoreUnreachable(ReconcilerError):
    code = "store-unreachable"


class StoreFormatUnknown(UnknownFormat, StoreUnreachable):
    """The lease cannot be trusted, so that nothing is written to the stack."""

    code = "unknown-format"


class CopyUnusable(ReconcilerError):
    code = "copy-unusable"


class AwsError(ReconcilerError):
    """One AWS call failed.

    `call` is "service.Operation", `code` AWS's own error code, `request_id` what AWS support and CloudTrail know
    the call by. `propagates`: AWS also says this of what it does not know yet, for up to so many seconds; 0 if it does
    not.
    """

    def __init__(
        self, message: str, *, call: str = "", code: str = "", request_id: str = "", propagates: float = 0.0
    ) -> None:
        super().__init__(message)
        self.message = message
        self.call = call
        self.code = code
        self.request_id = request_id
        self.propagates = propagates

    def __str__(self) -> str:
        return f"{self.call}: {self.code}: {self.message}" if self.call else self.message


class Gone(AwsError):
    pass


class Exists(AwsError):
    pass


class Blocked(AwsError):
    pass


class InUse(Blocked):
    pass


class Propagating(AwsError):
    pass


class Throttled(AwsError):
    pass


class Ambiguous(AwsError):
    pass


class Quota(AwsError):
    pass


class Denied(AwsError):
    pass


class Protected(AwsError):
    pass


class Invalid(AwsError):
    pass


class Unserved(Invalid):
    pass
