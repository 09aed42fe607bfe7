"""Certificate authority of the local AWS emulator, and the server certificates that it issues.

It is created when a listener first needs it, and kept in the emulator's folder, so that whoever trusts it does so once.
Server certificates are kept in memory only. They are valid by the machine's clock, as clients check them by it,
however fast the emulator's own clock is.
"""

from __future__ import annotations

import ipaddress
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler import errors, private_files
from reconciler.clock import Clock, SystemClock
from reconciler.local.ports import ServerCertificate

LIFETIME: Final = timedelta(days=3650)
OF_SERVERS: Final = timedelta(days=90)
RENEWED_BEFORE: Final = timedelta(days=30)
LATE_CLOCKS: Final = timedelta(hours=1)
"""By how much the clock of a client, such as a virtual machine's, may be late."""
LONGEST_COMMON_NAME: Final = 64
"""RFC 5280, `ub-common-name`. A longer domain name is an alternative name only."""


class Authority:
    """From any thread. `note` says what a person should know of it. Raises `errors.ReconcilerError` if what is stored
    cannot be read."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.file = folder / "ca.pem"
        self.note = ""
        self._key_file = folder / "ca.key"
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._issued: dict[tuple[str, ...], tuple[ServerCertificate, datetime]] = {}
        self._pair = self._read()

    def certificate(self) -> str:
        """Its own certificate in PEM, which clients trust. Raises `OSError` if it cannot be stored."""
        with self._lock:
            return _pem(self._authority()[0])

    def issue(self, names: tuple[str, ...]) -> ServerCertificate:
        """A server's certificate for domain names and addresses: the same one until it is due for renewal.

        Raises `OSError` if the authority's own cannot be stored.
        """
        now = self._clock.now()
        with self._lock:
            known = self._issued.get(names)
            if known is None or known[1] <= now:
                known = self._issued[names] = (self._sign(names, now), now + OF_SERVERS - RENEWED_BEFORE)
            return known[0]

    def _sign(self, names: tuple[str, ...], now: datetime) -> ServerCertificate:
        authority, key_of_authority = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        common = [name for name in names[:1] if len(name) <= LONGEST_COMMON_NAME]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common]))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LATE_CLOCKS)
            .not_valid_after(min(now + OF_SERVERS, authority.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=not common)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key_of_authority.public_key()), critical=False
            )
            .sign(key_of_authority, hashes.SHA256())
        )
        return ServerCertificate(names, _pem(certificate), _key_pem(key))

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if self._pair is None:
            self._pair = self._create()
        return self._pair

    def _read(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        """What is stored, if it can go on issuing; `note` says why it cannot."""
        try:
            text, key_text = self.file.read_bytes(), self._key_file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.ReconcilerError(f"cannot read {error.filename}: {error.strerror}") from error
        try:
            certificate = x509.load_pem_x509_certificate(text)
            key = serialization.load_pem_private_key(key_text, password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
                raise ValueError("the key is not that of the certificate")
            certificate.verify_directly_issued_by(certificate)
        except (ValueError, TypeError, InvalidSignature):
            self.note = f"{self.file} is not a certificate with its key: a new authority has been created"
            return None
        if certificate.not_valid_after_utc - self._clock.now() < OF_SERVERS:
            self.note = f"{self.file} has expired or soon will: a new authority has been created"
            return None
        return certificate, key

    def _create(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        now = self._clock.now()
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reconciler local AWS emulator")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LATE_CLOCKS)
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        private_files.create_folder(self.file.parent)
        private_files.write(self._key_file, _key_pem(key).encode())
        private_files.write(self.file, _pem(certificate).encode())
        return certificate, key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(**allowed: bool) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**(dict.fromkeys(every, False) | allowed))


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *plain).decode()
