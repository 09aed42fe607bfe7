"""Signed commits: whose key it was, and every way in which it may not be right."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler import errors
from reconciler.source.git import Git
from reconciler.source.location import parse
from reconciler.source.signatures import allowed_signers, fingerprint, signer
from tests.source.repositories import STACK, Repository

FILES = {"specs/stack.yaml": STACK}
AT = datetime(2026, 1, 1, tzinfo=UTC)

# Made by `ssh-keygen -t ed25519` and `ssh-keygen -Y sign -n git` over b"tree 1234\n\nhello\n"
FOREIGN_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOK3X4o5JtZed1+zlkt3bs2dY+zAr1ZkhTbRuDPPNO0r"
FOREIGN_SIGNATURE = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg4rdfijkm1l53X7OWS3duzZ1j7M
CvVmSFNtG4M8807SsAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQNW1emte3YJ+r76P/diJs8pu1THC2p17x6krIVS+JIkx6pMlq3K/+kfcjzQw352q4B
YsZuu5jeOTck2AYXm6Vw4=
-----END SSH SIGNATURE-----
"""


def string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


class Key:
    """An Ed25519 key that signs as ssh-keygen does; every part of it may be bent."""

    def __init__(self) -> None:
        self.inner = Ed25519PrivateKey.generate()
        raw = self.inner.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.blob = string(b"ssh-ed25519") + string(raw)
        self.text = base64.b64encode(self.blob).decode()

    def sign(
        self,
        payload: bytes,
        *,
        namespace: bytes = b"git",
        hash_name: bytes = b"sha512",
        version: int = 1,
        reserved: bytes = b"",
        kind: bytes = b"ssh-ed25519",
        key: bytes | None = None,
        tail: bytes = b"",
    ) -> bytes:
        digest = hashlib.new("sha256" if hash_name == b"sha256" else "sha512", payload).digest()
        parts = (namespace, reserved, hash_name)
        signed = self.inner.sign(b"SSHSIG" + b"".join(map(string, (*parts, digest))))
        blob = b"SSHSIG" + version.to_bytes(4, "big") + string(key or self.blob)
        blob += b"".join(map(string, (*parts, string(kind) + string(signed)))) + tail
        encoded = base64.b64encode(blob)
        lines = [encoded[place : place + 70] for place in range(0, len(encoded), 70)]
        return b"\n".join((b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----"))


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    found = Repository(tmp_path / "shop.git")
    yield found
    found.close()


def opened(repository: Repository, signers: str, path: str = "") -> Git:
    return Git(
        parse(f"{repository.folder}#main" + (f":{path}" if path else "")),
        signers=allowed_signers(signers) if signers else (),
        cache=repository.folder.parent / "cache",
    )


def test_a_commit_signed_by_an_allowed_key_is_taken(repository: Repository, key: Key) -> None:
    """The revision says who signed it, in the words of the allowed signers."""
    repository.commit(FILES, sign=key.sign)
    source = opened(repository, f"# ours\n\nana@example.com ssh-ed25519 {key.text} laptop\n")
    assert source.fetch().revision.signer == "ana@example.com"
    source.close()


def test_an_unsigned_commit_is_rejected_and_the_next_signed_one_taken(repository: Repository, key: Key) -> None:
    """When signatures are wanted, a commit without one is named and nothing of it is read."""
    source = opened(repository, f"ana ssh-ed25519 {key.text}")
    first = repository.commit(FILES, sign=key.sign)
    assert source.fetch().revision.id == first
    second = repository.commit(FILES, subject="quick fix")
    with pytest.raises(errors.RevisionRejected, match="not signed") as caught:
        source.fetch(first)
    assert (caught.value.revision, caught.value.subject) == (second, "quick fix")
    third = repository.commit(FILES, sign=key.sign)
    assert source.fetch(first).revision.id == third
    source.close()


def test_a_signature_of_another_commit_is_rejected(repository: Repository, key: Key) -> None:
    """A good signature moved to another commit is worth nothing."""
    repository.commit(FILES, sign=lambda payload: key.sign(payload.replace(b"change", b"chance")))
    source = opened(repository, f"ana ssh-ed25519 {key.text}")
    with pytest.raises(errors.RevisionRejected, match="does not match the commit"):
        source.fetch()
    source.close()


def test_a_strangers_key_is_rejected_by_its_fingerprint(repository: Repository, key: Key) -> None:
    """A key that nobody allowed is named, so that it can be allowed."""
    stranger = Key()
    repository.commit(FILES, sign=stranger.sign)
    source = opened(repository, f"ana ssh-ed25519 {key.text}")
    with pytest.raises(errors.RevisionRejected) as caught:
        source.fetch()
    assert fingerprint(stranger.blob) in str(caught.value)
    source.close()


@pytest.mark.parametrize(
    "bend",
    [
        lambda key, text: key.sign(text, namespace=b"file"),
        lambda key, text: key.sign(text, hash_name=b"md5"),
        lambda key, text: key.sign(text, version=2),
        lambda key, text: key.sign(text, reserved=b"x"),
        lambda key, text: key.sign(text, kind=b"ssh-rsa"),
        lambda key, text: key.sign(text, key=string(b"ssh-rsa") + string(b"x" * 32)),
        lambda key, text: key.sign(text, tail=b"x"),
        lambda key, text: key.sign(text).replace(b"BEGIN SSH", b"BEGIN PGP"),
        lambda key, text: b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----",
        lambda key, text: b"-----BEGIN SSH SIGNATURE-----\nA\n-----END SSH SIGNATURE-----",
        lambda key, text: b"",
    ],
)
def test_a_bent_signature_is_rejected(key: Key, bend: Callable[[Key, bytes], bytes]) -> None:
    """Each part of a signature that is not as it should be rejects the commit, and nothing else happens."""
    signers = allowed_signers(f"ana ssh-ed25519 {key.text}")
    with pytest.raises(errors.RevisionRejected):
        signer(b"text", bend(key, b"text"), signers, AT)


def test_every_bit_of_a_signature_counts(key: Key) -> None:
    """No single changed byte of a signature leaves it good."""
    signers = allowed_signers(f"ana ssh-ed25519 {key.text}")
    good = key.sign(b"text")
    assert signer(b"text", good, signers, AT) == "ana"
    blob = base64.b64decode(b"".join(good.split(b"\n")[1:-1]))
    for place in range(len(blob)):
        bent = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        text = b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(bent) + b"\n-----END SSH SIGNATURE-----"
        with pytest.raises(errors.RevisionRejected):
            signer(b"text", text, signers, AT)


def test_what_ssh_keygen_signed_is_understood() -> None:
    """A signature made by OpenSSH itself is good."""
    signers = allowed_signers(f"ana {FOREIGN_KEY}")
    assert signer(b"tree 1234\n\nhello\n", FOREIGN_SIGNATURE, signers, AT) == "ana"


@pytest.mark.parametrize(
    ("options", "good"),
    [
        ('namespaces="git"', True),
        ('namespaces="file,git"', True),
        ('valid-after="20250101"', True),
        ('valid-after="20260102Z"', False),
        ('valid-before="202601010000"', False),
        ('namespaces="git",valid-after="20251231235959",valid-before="20270101"', True),
    ],
)
def test_a_key_is_good_for_its_time(key: Key, options: str, good: bool) -> None:
    """A key counts from its first to before its last moment, by the time of the commit."""
    signers = allowed_signers(f"ana,bea {options} ssh-ed25519 {key.text}")
    if good:
        assert signer(b"text", key.sign(b"text"), signers, AT) == "ana,bea"
        return
    with pytest.raises(errors.RevisionRejected, match="not valid then"):
        signer(b"text", key.sign(b"text"), signers, AT)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# nobody",
        "ana",
        "ana ssh-ed25519",
        "ana ssh-rsa AAAA",
        "ana sk-ssh-ed25519@openssh.com AAAA",
        "ana ssh-ed25519 not-base64!",
        "ana ssh-ed25519 AAAA",
        "ana cert-authority ssh-ed25519 KEY",
        'ana namespaces="file" ssh-ed25519 KEY',
        'ana valid-before="tomorrow" ssh-ed25519 KEY',
        'ana valid-before="20261399" ssh-ed25519 KEY',
        'ana "unclosed ssh-ed25519 KEY',
    ],
)
def test_a_file_of_signers_that_is_not_understood_is_refused(key: Key, line: str) -> None:
    """Nobody is allowed by a line that was not wholly understood."""
    with pytest.raises(errors.SpecInvalid):
        allowed_signers(line.replace("KEY", key.text))
