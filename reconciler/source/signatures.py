"""Commit signatures by SSH keys (`git config gpg.format ssh`), checked against a file of allowed signers.

The file has ssh-keygen's format (ALLOWED SIGNERS in its manual), one key per line:

    ana@example.com,ana namespaces="git",valid-before="20271231" ssh-ed25519 AAAAC3Nz… laptop

Only Ed25519 keys are supported, ssh-keygen's default. Lines with another key type, and options other than those two and
`valid-after`, are refused when the file is read, so that no unchecked restriction is relied on. OpenPGP and X.509
signatures are not supported: such a commit counts as unsigned. Validity is checked at the time in the commit, as Git
does, so that an old commit does not become invalid; to revoke a key, remove its line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler import errors

_MAGIC: Final = b"SSHSIG"
_NAMESPACE: Final = b"git"
_KEY_TYPE: Final = b"ssh-ed25519"
_ARMOUR: Final = re.compile(rb"\A-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n*\Z")
_HASHES: Final = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Signer:
    """One line of the file."""

    principals: str
    key: bytes
    after: datetime | None = None
    before: datetime | None = None

    def valid(self, at: datetime) -> bool:
        return (self.after is None or at >= self.after) and (self.before is None or at < self.before)


def allowed_signers(text: str) -> tuple[Signer, ...]:
    """Raises `errors.SpecInvalid` with the invalid line, and for a file without a key."""
    signers = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            signers.append(_signer(line))
        except ValueError as error:
            raise errors.SpecInvalid(f"the allowed signers, line {number}: {error}") from error
    if not signers:
        raise errors.SpecInvalid("the allowed signers file contains no key")
    return tuple(signers)


def signer(payload: bytes, signature: bytes | None, signers: tuple[Signer, ...], at: datetime) -> str:
    """The principals of the key that signed `payload`, a commit without its signature, at `at`.

    Raises `errors.RevisionRejected`.
    """
    if signature is None:
        raise errors.RevisionRejected("the commit is not signed")
    try:
        key, text, raw = _parts(signature, payload)
    except ValueError as error:
        raise errors.RevisionRejected(f"the commit has an unusable signature: {error}") from error
    known = [one for one in signers if one.key == key]
    if not known:
        raise errors.RevisionRejected(f"the commit is signed by a key that is not allowed, {fingerprint(key)}")
    try:
        Ed25519PublicKey.from_public_bytes(_raw_key(key)).verify(raw, text)
    except InvalidSignature:
        raise errors.RevisionRejected("the commit's signature does not match the commit") from None
    valid = [one for one in known if one.valid(at)]
    if not valid:
        raise errors.RevisionRejected(f"the commit is signed by a key that was not valid then, {fingerprint(key)}")
    return valid[0].principals


def fingerprint(key: bytes) -> str:
    """As ssh-keygen -l shows it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"


def _parts(signature: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Public key, signed text and raw signature; PROTOCOL.sshsig of OpenSSH."""
    found = _ARMOUR.match(signature)
    if found is None:
        raise ValueError("it is not an SSH signature")
    blob = _base64(found[1].replace(b"\n", b""))
    if not blob.startswith(_MAGIC) or blob[6:10] != b"\0\0\0\1":
        raise ValueError("its version is unknown")
    key, rest = _string(blob[10:])
    namespace, rest = _string(rest)
    reserved, rest = _string(rest)
    hash_name, rest = _string(rest)
    signed, rest = _string(rest)
    if rest or reserved:
        raise ValueError("it contains unknown data")
    if namespace != _NAMESPACE:
        raise ValueError(f"it was made for {namespace!r}, not for Git")
    if hash_name not in _HASHES:
        raise ValueError(f"its hash {hash_name!r} is unknown")
    kind, rest = _string(signed)
    raw, rest = _string(rest)
    if kind != _KEY_TYPE or rest:
        raise ValueError(f"its key is not Ed25519 but {kind.decode(errors='replace')}")
    _raw_key(key)
    digest = _HASHES[hash_name](payload).digest()
    text = _MAGIC + b"".join(_wire(part) for part in (namespace, reserved, hash_name, digest))
    return key, text, raw


def _signer(line: str) -> Signer:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(lexer)
    place = next((n for n, word in enumerate(words) if re.match(r"^(sk-)?(ssh|ecdsa)-", word)), None)
    if place is None or place not in (1, 2) or len(words) <= place + 1:
        raise ValueError("expected: principals, options, key type, key")
    if words[place] != _KEY_TYPE.decode():
        raise ValueError(f"keys are ssh-ed25519, not {words[place]}")
    key = _base64(words[place + 1].encode())
    _raw_key(key)
    options = _options(words[1]) if place == 2 else {}
    if "git" not in options.pop("namespaces", "git").split(","):
        raise ValueError("the key is not for the namespace git")
    after, before = options.pop("valid-after", None), options.pop("valid-before", None)
    if options:
        raise ValueError(f"the option {min(options)} is not supported")
    return Signer(words[0], key, _time(after) if after else None, _time(before) if before else None)


def _options(text: str) -> dict[str, str]:
    """`namespaces=git,file,valid-before=2027` without quotes; a part without `=` continues the previous one."""
    options: dict[str, str] = {}
    last = ""
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals:
            last = name.lower()
            options[last] = value
        elif last == "namespaces":
            options[last] += f",{part}"
        else:
            options[part.lower()] = ""
    return options


def _time(text: str) -> datetime:
    """`20271231`, `202712312359` or with seconds; UTC with and without the `Z`."""
    digits = text.removesuffix("Z")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None:
        raise ValueError(f"{text} is not a time")
    return datetime.strptime(digits, form).replace(tzinfo=UTC)


def _raw_key(key: bytes) -> bytes:
    kind, rest = _string(key)
    raw, rest = _string(rest)
    if kind != _KEY_TYPE or len(raw) != 32 or rest:
        raise ValueError(f"the key is not Ed25519 but {kind.decode(errors='replace')}")
    return raw


def _string(data: bytes) -> tuple[bytes, bytes]:
    """SSH string: four bytes of length and the text; and the remaining bytes."""
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size or len(data) < 4:
        raise ValueError("it is truncated")
    return data[4 : 4 + size], data[4 + size :]


def _wire(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None
