"""What the environment says: GREETING, VERSION, HOST, PORT, ACCESS_LOG."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    greeting: str
    version: str
    host: str
    port: int
    access_log: bool
    hostname: str


def read(environment: Mapping[str, str]) -> Settings:
    """Raises ValueError, with the variable's name, for a value that makes no sense."""
    port = environment.get("PORT", "80")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"PORT must be a number from 0 to 65535, not {port!r}")
    return Settings(
        greeting=environment.get("GREETING", "Hello World"),
        version=environment.get("VERSION", "unversioned"),
        host=environment.get("HOST", "0.0.0.0"),
        port=int(port),
        access_log=environment.get("ACCESS_LOG", "").lower() in {"1", "on", "true", "yes"},
        hostname=environment.get("HOSTNAME") or socket.gethostname(),
    )
