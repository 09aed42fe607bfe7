"""Git credentials. They are never part of a URL, a message or a log.

    RECONCILER_GIT_TOKEN        https: the password
    RECONCILER_GIT_USERNAME     https: the user name, if the host needs one (most take any)
    RECONCILER_GIT_SSH_KEY      ssh: a file with a private key
    RECONCILER_GIT_KNOWN_HOSTS  ssh: a file with the hosts' public keys; without it, ssh's own

CodeCommit takes a signature by the caller's AWS credentials as the password. Any other password that changes each time,
such as a GitHub App's, is provided by the caller as a `Login`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from reconciler.clock import Clock
from reconciler.source.location import Location

Login: TypeAlias = Callable[[], tuple[str, str]]
"""Returns a user name and a password for each connection."""

ANY_USER: Final = "x-access-token"
"""GitHub's user name for tokens; GitLab, Gitea and Bitbucket accept it too."""
_CODECOMMIT: Final = re.compile(r"^git-codecommit(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """AWS signing keys; `token` is empty for the keys of an IAM user."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """`login` is for https; the files are for ssh."""

    login: Login | None = field(default=None, repr=False)
    ssh_key: Path | None = None
    known_hosts: Path | None = None


def from_environment(
    location: Location, environ: Mapping[str, str], clock: Clock, *, aws: Callable[[], AwsKeys] | None = None
) -> Credentials:
    """The credentials for `location`, sent only there. `aws` provides the keys for CodeCommit."""
    match location.scheme:
        case "https" | "http":
            token = environ.get("RECONCILER_GIT_TOKEN", "")
            if token:
                user = environ.get("RECONCILER_GIT_USERNAME") or ANY_USER
                return Credentials(login=lambda: (user, token))
            if aws is not None and (region := codecommit_region(location.host)) is not None:
                return Credentials(login=lambda: codecommit(location, region, aws(), clock.now()))
            return Credentials()
        case "ssh":
            return Credentials(
                ssh_key=_file(environ.get("RECONCILER_GIT_SSH_KEY")),
                known_hosts=_file(environ.get("RECONCILER_GIT_KNOWN_HOSTS")),
            )
        case _:
            return Credentials()


def codecommit_region(host: str) -> str | None:
    """The region of a CodeCommit host; None for any other host."""
    found = _CODECOMMIT.match(host)
    return found["region"] if found is not None else None


def codecommit(location: Location, region: str, keys: AwsKeys, now: datetime) -> tuple[str, str]:
    """CodeCommit's user name and password: Signature Version 4 over a request with method `GIT`, valid for minutes."""
    at = now.strftime("%Y%m%dT%H%M%S")
    scope = f"{at[:8]}/{region}/codecommit/aws4_request"
    request = f"GIT\n{location.repository}\n\nhost:{location.host}\n\nhost\n"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key}".encode()
    for step in (*scope.split("/"), text):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    user = f"{keys.access_key}%{keys.token}" if keys.token else keys.access_key
    return user, f"{at}Z{key.hex()}"


def _file(path: str | None) -> Path | None:
    return Path(path) if path else None
