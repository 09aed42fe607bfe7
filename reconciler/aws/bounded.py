"""Bounds for whatever botocore asks: AWS, STS, the credential endpoints of containers and machines, and programs.

botocore makes clients of its own for credentials, so its classes are replaced and not the objects of one client.
"""

from __future__ import annotations

import subprocess
from typing import Any

import botocore.credentials as credentials
from botocore import awsrequest
from botocore.exceptions import CredentialRetrievalError

from reconciler.exchange import Bounded, current

_AWS: Any = awsrequest  # its classes override urllib3's with other signatures
_CREDENTIALS: Any = credentials


class _Connection(Bounded, _AWS.AWSHTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(Bounded, _AWS.AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Program(subprocess.Popen[bytes]):
    """A `credential_process`."""

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        exchange = current()
        try:
            return super().communicate(input, exchange.left() if exchange is not None else timeout)
        except subprocess.TimeoutExpired as error:
            self.kill()
            for stream in (self.stdout, self.stderr):
                if stream is not None:
                    stream.close()
            self.wait()
            raise CredentialRetrievalError(
                provider="credential_process", error_msg="it was ended because it took too long"
            ) from error


class _ProcessProvider(credentials.ProcessProvider):
    def __init__(self, profile_name: Any, load_config: Any, popen: Any = _Program) -> None:
        super().__init__(profile_name, load_config, popen)


def install() -> None:
    _AWS.AWSHTTPConnectionPool.ConnectionCls = _Connection
    _AWS.AWSHTTPSConnectionPool.ConnectionCls = _SecureConnection
    _CREDENTIALS.ProcessProvider = _ProcessProvider
