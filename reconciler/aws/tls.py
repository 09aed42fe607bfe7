"""One TLS context for all connections to AWS, its authorities loaded once.

botocore has urllib3 load the bundle of authorities anew for each connection: twenty milliseconds of CPU, thirty times
in a process with thirty connections. Contexts are made to be shared, and this one is what botocore would have made,
with the bundle that it would have loaded (AWS_CA_BUNDLE is heeded).
"""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path


@cache
def context(bundle: str) -> ssl.SSLContext:
    made: ssl.SSLContext = create_urllib3_context()
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cafile=bundle)
    return made


class _Preloaded(URLLib3Session):
    def _setup_ssl_cert(self, conn: Any, url: str, verify: Any) -> None:
        if url.lower().startswith("https") and verify:
            conn.cert_reqs = "CERT_REQUIRED"
            conn.ca_certs = None  # they are in the context
        else:
            super()._setup_ssl_cert(conn, url, verify)  # type: ignore[misc]  # botocore's stubs lack it


def share(client: Any) -> None:
    """Have `client`'s connections use the one context, where they are TLS and verify at all."""
    session: Any = client._endpoint.http_session
    if not client.meta.endpoint_url.lower().startswith("https"):
        return
    bundle = get_cert_path(session._verify) if session._verify else ""
    if type(session) is URLLib3Session and bundle and Path(bundle).is_file():
        _swap(session, context(bundle))


def _swap(session: Any, shared: ssl.SSLContext) -> None:
    session.__class__ = _Preloaded
    session._manager.connection_pool_kw["ssl_context"] = shared
