"""Certificates of secure listeners: which of them may be shown, and what each is issued for.

ELB takes certificates of ACM in its region and server certificates of IAM. One of another account is accepted as well,
although AWS refuses it: the emulator cannot know what is in it, and specs that name certificates of a real account
can be tried out as they are.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cryptography import x509

from reconciler.local.balancer.tls import context_of
from reconciler.local.elb.state import Listener
from reconciler.local.ports import ServerCertificate
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

PLAIN_HOST: Final = re.compile(r"(\*\.)?([a-z0-9_-]+\.)*[a-z0-9_-]+")
"""A host of a rule that a certificate can be for; other wildcards are not known there."""
PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def check_usable(world: World, arns: list[str]) -> None:
    """CreateListener, ModifyListener, AddListenerCertificates: a certificate has to exist, and to be issued."""
    for arn in arns:
        service, region, account, _ = (*arn.split(":", 5)[2:], "", "", "", "")[:4]
        if account and account != world.account:
            continue
        found = _found(world, arn) if (service, region) in {("acm", world.region), ("iam", "")} else None
        if found is None:
            raise Refusal("CertificateNotFound", f"Certificate '{arn}' not found")
        if (service == "acm" and found.status != "ISSUED") or not _can_be_shown(arn, found):
            message = f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature"
            raise Refusal("UnsupportedCertificate", f"{message}, and a supported key size.")


def shown_by(world: World, listener: Listener) -> tuple[ServerCertificate, ...]:
    """The certificates of a listener, the default one first."""
    found = [(arn, _found(world, arn)) for arn in listener.certificates]
    return tuple(
        ServerCertificate(_hosts(world, listener)) if one is None else _certificate(arn, one) for arn, one in found
    )


def _can_be_shown(arn: str, found: Any) -> bool:
    """Whether its key is its own, and strong enough for OpenSSL, which AWS finds out when it is imported."""
    try:
        certificate = _certificate(arn, found)
        if certificate.chain:
            context_of(certificate)
    except (ValueError, OSError):
        return False
    return True


def _certificate(arn: str, found: Any) -> ServerCertificate:
    """One that was imported is shown itself; of one that ACM has issued, only its names count."""
    if ":iam:" in arn:
        return _imported(found.cert_body, PEM.findall(found.cert_chain or ""), found.private_key)
    if found.type != "IMPORTED":
        return ServerCertificate(tuple(dict.fromkeys((found.common_name, *found.sans))))
    *chain, _ = PEM.findall(found.chain.decode())  # moto adds a root of Amazon's to it
    return _imported(found.cert.decode(), chain, found.key.decode())


def _imported(certificate: str, chain: list[str], key: str) -> ServerCertificate:
    leaf = x509.load_pem_x509_certificate(certificate.encode())
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = [str(one.value) for one in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    return ServerCertificate(tuple(names), "\n".join((certificate.strip(), *chain, "")), key)


def _found(world: World, arn: str) -> Any | None:
    """moto's certificate of this account, by its ARN."""
    if ":iam:" in arn:
        return next((one for one in world.rest.iam.certificates.values() if one.arn == arn), None)
    return world.rest.state("acm")._certificates.get(arn)


def _hosts(world: World, listener: Listener) -> tuple[str, ...]:
    """What a certificate is for of which nothing but the ARN is known: the hosts of the listener's rules."""
    hosts = [
        host
        for rule in world.elb.rules_of(listener.arn)
        for condition in rule.conditions
        if condition["Field"] == "host-header"
        for host in condition["HostHeaderConfig"].get("Values", ())
        if PLAIN_HOST.fullmatch(host)
    ]
    return tuple(dict.fromkeys(hosts)) or (world.elb.load_balancers[listener.load_balancer].dns_name,)
