"""Certificates of ACM: issued once their records are in a public hosted zone, and in use by listeners.

moto issues a certificate after a minute of the machine's clock, whatever there is in any zone. Here it is issued some
time after its record is there, and given up after 72 hours without (ACM User Guide, DNS validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from moto import settings

from reconciler.local.elb.routes import publish
from reconciler.local.refusal import Refusal
from reconciler.local.strict.rule import After, Before, Form
from reconciler.local.wire import Response
from reconciler.local.world import World

settings.ACM_VALIDATION_WAIT = 10**12
"""Seconds after which moto issues a certificate by itself."""

PENDING: Final = "PENDING_VALIDATION"
PATIENCE_SECONDS: Final = 72 * 3600.0


def request_certificate(world: World, params: Form, response: Response) -> None:  # noqa: ARG001 — see `After`
    """RequestCertificate: "If the certificate is not validated within 72 hours, the request times out"."""
    arn = orjson.loads(response.body)["CertificateArn"]
    _soon(world)
    world.after(PATIENCE_SECONDS, lambda: _give_up(world, arn))


def records_changed(world: World, params: Form, response: Response) -> None:  # noqa: ARG001 — see `After`
    _soon(world)


def show_users(world: World, params: Form) -> None:  # noqa: ARG001 — see `Before`
    """DescribeCertificate, ListCertificates: "InUseBy" are the load balancers that show it."""
    for certificate in _certificates(world):
        certificate.in_use_by = _users(world, certificate.arn)


def delete_certificate(world: World, params: Form) -> None:
    """DeleteCertificate: "You cannot delete an ACM certificate that is being used by another AWS service"."""
    arn = params.get("CertificateArn", "")
    if _users(world, arn):
        raise Refusal("ResourceInUseException", f"Certificate {arn} in account {world.account} is in use.")


def imported(world: World, params: Form, response: Response) -> None:  # noqa: ARG001 — see `After`
    """ImportCertificate: one that is imported again, "with the same ARN", is shown from then on."""
    publish(world)


def _soon(world: World) -> None:
    world.after(world.timings.certificate_validation, lambda: _validate(world))


def _validate(world: World) -> None:
    """Issue what has its records. Zones are of no region, and a record may be for certificates of several."""
    zones = [zone for zone in world.rest.state("route53").zones.values() if not zone.private_zone]
    records = {
        (record.name.rstrip(".").lower(), str(value).rstrip(".").lower())
        for zone in zones
        for record in zone.rrsets
        if record.type == "CNAME"
        for value in record.records
    }
    for region in world.rest.regions_of("acm"):
        for certificate in region._certificates.values():
            if certificate.status == PENDING and certificate.type == "AMAZON_ISSUED":
                rows = certificate.describe()["Certificate"]["DomainValidationOptions"]
                needed = {(_plain(row, "Name"), _plain(row, "Value")) for row in rows}
                if needed <= records:
                    certificate.status = "ISSUED"


def _plain(row: dict[str, Any], member: str) -> str:
    return str(row["ResourceRecord"][member]).rstrip(".").lower()


def _give_up(world: World, arn: str) -> None:
    for certificate in _certificates(world):
        if certificate.arn == arn and certificate.status == PENDING:
            certificate.status = "VALIDATION_TIMED_OUT"


def _certificates(world: World) -> Iterator[Any]:
    yield from tuple(world.rest.state("acm")._certificates.values())


def _users(world: World, arn: str) -> list[str]:
    listeners = (one for one in world.elb.listeners.values() if arn in one.certificates)
    return sorted({one.load_balancer for one in listeners})


BEFORE: dict[tuple[str, str], Before] = {
    ("acm", "DeleteCertificate"): delete_certificate,
    ("acm", "DescribeCertificate"): show_users,
    ("acm", "ListCertificates"): show_users,
}
AFTER: dict[tuple[str, str], After] = {
    ("acm", "ImportCertificate"): imported,
    ("acm", "RequestCertificate"): request_certificate,
    ("route53", "POST"): records_changed,
}
