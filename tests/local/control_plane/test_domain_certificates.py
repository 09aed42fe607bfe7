"""Certificates of ACM and records of Route 53, as far as one is issued by the other."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.timings import Timings

VALIDATION = 60.0


def request(laptop: Laptop, zone: str) -> tuple[str, dict[str, Any]]:
    """A certificate, and the change that writes its record."""
    arn = laptop.client("acm").request_certificate(DomainName="app.example.com", ValidationMethod="DNS")[
        "CertificateArn"
    ]
    shown = laptop.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    record = shown["DomainValidationOptions"][0]["ResourceRecord"]
    values = [{"Value": record["Value"]}]
    return arn, {"Name": record["Name"], "Type": "CNAME", "TTL": 300, "ResourceRecords": values}


def change(laptop: Laptop, zone: str, action: str, record: dict[str, Any]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    laptop.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


def status(laptop: Laptop, arn: str) -> str:
    found: str = laptop.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]["Status"]
    return found


def hosted_zone(laptop: Laptop) -> str:
    answer = laptop.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")
    return str(answer["HostedZone"]["Id"])


def test_a_certificate_is_issued_once_its_record_is_there() -> None:
    """Some time after, by the emulator's clock; and given up after 72 hours without."""
    with laptop_session(timings=Timings(certificate_validation=VALIDATION)) as laptop:
        zone = hosted_zone(laptop)
        arn, record = request(laptop, zone)
        laptop.advance(3600)
        assert status(laptop, arn) == "PENDING_VALIDATION"
        change(laptop, zone, "CREATE", record)
        laptop.advance(VALIDATION - 1)
        assert status(laptop, arn) == "PENDING_VALIDATION"
        laptop.advance(2)
        assert status(laptop, arn) == "ISSUED"
        change(laptop, zone, "DELETE", record)
        late, _ = request(laptop, zone)
        laptop.advance(73 * 3600)
        assert (status(laptop, arn), status(laptop, late)) == ("ISSUED", "VALIDATION_TIMED_OUT")


def test_a_record_that_was_deleted_can_be_created_again() -> None:
    """And one that is there cannot."""
    with laptop_session() as laptop:
        zone = hosted_zone(laptop)
        _, record = request(laptop, zone)
        for action in ("CREATE", "DELETE", "CREATE"):
            change(laptop, zone, action, dict(record))
        with pytest.raises(ClientError, match="already exists"):
            change(laptop, zone, "CREATE", dict(record))
