"""Detection and masking of secrets, by the name of a field or by the form of a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NAME = re.compile(
    r"(?:^|[_.-])(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|SECRETS|TOKEN|API_?KEY|APIKEY|PRIVATE_?KEY|ACCESS_?KEY"
    r"|ENCRYPTION_?KEY|SIGNING_?KEY|CREDENTIAL|CREDENTIALS|SECRET_?KEY(?:_BASE)?)(?:$|[_.-]?\d+$)",
    re.IGNORECASE | re.ASCII,
)
_SHAPE = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"  # AWS access keys
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,}"  # GitHub
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|\bsk_live_[A-Za-z0-9]{16,}"  # Stripe
    r"|\bAIza[A-Za-z0-9_-]{35}"  # Google
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"  # JSON web tokens
    r"|\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,64}:[^\s/@$]{3,64}@",  # passwords in URLs
    re.ASCII,
)
_ASSIGNED = re.compile(
    r"""(["']?)([A-Za-z_][A-Za-z0-9_.-]{2,60})\1[ \t]*[:=][ \t]*(?=[^\s{\[|>&*#])("[^"]*"?|'[^']*'?|[^\s,}\]#]+)""",
    re.ASCII,
)
_HARMLESS = re.compile(
    r"""["']?(?:\$\{[^}]*\}|ssm:|secretsmanager:|arn:|true\b|false\b|null\b|~|["']{1,2}$|$)""", re.IGNORECASE
)


def secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret: DB_PASSWORD, API_KEY, but not TOKEN_URL."""
    return _NAME.search(name) is not None


def secret_value(text: str) -> bool:
    """Whether a value has the form of a secret: access keys, private keys, passwords in URLs."""
    return _SHAPE.search(text) is not None


def sensitive(path: Iterable[str], *values: Any) -> bool:
    """Whether the value at `path` must not be shown: its name is a secret's, or it contains one at any depth."""
    names = [step for step in path if secret_name(step)]
    return any(_holds(value, bool(names)) for value in values)


def _holds(value: Any, named: bool) -> bool:
    match value:
        case str():
            return masked(value) != value or (named and not harmless(value))
        case Mapping():
            return any(_holds(item, named or secret_name(str(key))) for key, item in value.items())
        case list() | tuple():
            return any(_holds(item, named) for item in value)
        case _:
            return False


def harmless(text: str) -> bool:
    """Whether a value under a secret's name is not one: empty, a placeholder `${…}`, a switch, a reference."""
    return _HARMLESS.match(text) is not None


def masked(line: str) -> str:
    """A source line with secrets masked, at the same length."""
    line = _SHAPE.sub(lambda found: "*" * len(found[0]), line)
    return _ASSIGNED.sub(_starred, line)


def _starred(found: re.Match[str]) -> str:
    if not secret_name(found[2]) or harmless(found[3]):
        return found[0]
    return found[0][: found.start(3) - found.start()] + "*" * len(found[3])
