"""Last accepted revision of a stack, for a controller that starts while its source has no valid one.

The store keeps it by the name of the stack, which is otherwise in the specs. So the name comes from `--stack`, from the
last valid specs of the same source that this machine knows, or from the Stack document of an invalid revision.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import errors
from reconciler.cli.options import Where

if TYPE_CHECKING:
    import threading

    from reconciler.aws.session import Boto
    from reconciler.source.base import Source
    from reconciler.spec.specs import Specs

STORE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StackName:
    name: str
    region: str


def last_accepted(
    source: Source,
    environment: str | None,
    where: Where,
    name: str | None,
    found: Specs | None,
    stop: threading.Event | None = None,
) -> Specs:
    """The specs of the last accepted revision. `name` is the stack that was named, `found` an invalid revision.

    Calls in flight end when `stop` is set.

    Raises `errors.ReconcilerError` with the reason why there is none.
    """
    from reconciler.cli.emulator_client import default_endpoint
    from reconciler.cli.lease import open_store
    from reconciler.controller.accepted_revision import AcceptedRevision

    stack = _stack(source, environment, where, name, found)
    transport = store_transport(stack, where, default_endpoint() if where.local else None, stop)
    identity = transport.identity()
    store = open_store(where.store, transport, stack.name, identity.account, identity.region, identity.endpoint)
    with contextlib.closing(store):
        try:
            archive = AcceptedRevision(store.copies, environment, verified=source.verified).read()
        except errors.CopyUnusable as error:
            raise errors.CopyUnusable(f"the last accepted revision cannot be restored: {error}") from error
    if archive is None:
        raise errors.CopyUnusable(f"no accepted revision of the stack {stack.name!r} is stored")
    specs = archive.fetched.specs(environment)
    if not specs.ok:
        raise errors.CopyUnusable(
            f"the last accepted revision, {archive.revision}, is not valid for this version of reconciler"
        )
    return specs


def store_transport(stack: StackName, where: Where, endpoint: str | None, stop: threading.Event | None = None) -> Boto:
    """Client of the store and of notifications, which are written without the lease, too."""
    from reconciler.aws.session import Boto

    return Boto(
        stack.region,
        profile=where.profile,
        endpoint=endpoint,
        assume_role=where.assume_role,
        external_id=where.external_id,
        stack=stack.name,
        anonymous=where.local,
        read_timeout=STORE_SECONDS,
        stop=stop,
    )


def _stack(source: Source, environment: str | None, where: Where, name: str | None, found: Specs | None) -> StackName:
    from reconciler.cli import last_valid
    from reconciler.cli.spec_source import place_of

    if name is not None and where.region is not None:
        return StackName(name, where.region)
    known = last_valid.kept(place_of(source), environment)
    for specs in (None if known is None else known.specs, found):
        if specs is not None and specs.stack is not None and name in (None, specs.stack_id):
            return StackName(specs.stack_id, specs.stack.region)
    raise errors.CopyUnusable("to find the last accepted revision, name the stack with --stack and --region")
