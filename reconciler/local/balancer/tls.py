"""TLS at a listener: which of its certificates a client is shown.

As an ALB chooses (user guide, "SSL certificates"): by the name that the client asks for, among the certificates that
were added to the listener; the default one where none of them is for it, or the client names nothing.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from reconciler.local.ports import ServerCertificate

if TYPE_CHECKING:
    from reconciler.local.authority import Authority


class Certificates:
    """Those of one listener, the default one first, ready for use. Raises `ssl.SSLError`, as `context_of` does."""

    def __init__(self, certificates: Sequence[ServerCertificate]) -> None:
        default, *added = certificates
        self._default = context_of(default)
        self._by_name = {name.lower(): context_of(one) for one in reversed(added) for name in one.names}

    def chosen(self, name: str | None) -> ssl.SSLContext:
        """What a client is shown that asks for this name. A wildcard stands for one label."""
        name = (name or "").lower()
        wildcard = f"*.{name.partition('.')[2]}"
        return self._by_name.get(name) or self._by_name.get(wildcard) or self._default


def issued(
    authority: Authority, certificates: Sequence[ServerCertificate], addresses: tuple[str, ...]
) -> tuple[ServerCertificate, ...]:
    """What a listener shows. The default certificate is also for the addresses, by which clients of this machine come.

    Raises `OSError` (`ssl.SSLError`) for one that cannot be shown: the process that serves it must not get it.
    """
    found = []
    for number, one in enumerate(certificates):
        found.append(one if one.chain else authority.issue((*one.names, *(() if number else addresses))))
        context_of(found[-1])
    return tuple(found)


@lru_cache(maxsize=1024)
def context_of(certificate: ServerCertificate) -> ssl.SSLContext:
    """Raises `ssl.SSLError` for a certificate whose key is another's, or that OpenSSL finds too weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, path = tempfile.mkstemp()  # it is read from files only; this one is the user's alone
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(certificate.key + "\n" + certificate.chain)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
