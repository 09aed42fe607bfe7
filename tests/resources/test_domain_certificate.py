"""Certificates of domains: the law example, their validation, and what becomes of one that ACM gives up."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.resources.domain_certificate import ZONE as ZONE_TAG
from reconciler.resources.domain_certificate import DomainCertificate, DomainCertificateSpec
from tests.harness.hosted_zones import ZONE
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ARN = "arn:aws:acm:us-west-2:123456789012:certificate/web"
DOMAIN = "app.example.com"
RECORD = {"Name": f"_x1.{DOMAIN}.", "Type": "CNAME", "Value": "_y1.acm-validations.aws."}
CNAME = {
    "Name": RECORD["Name"],
    "Type": "CNAME",
    "TTL": 300,
    "ResourceRecords": [{"Value": RECORD["Value"]}],
}


def certificate(domain: str = DOMAIN, **fields: Any) -> Desired[Any]:
    return wish(f"domain-certificate/{domain}", DomainCertificateSpec(domain=domain, zone=ZONE, **fields))


EXAMPLE = Example(
    certificate(),
    edits=(Edit({"domain": "www.example.com"}, "domain"),),
)

WANT = certificate()


def talk(status: str = "ISSUED", records: Any = (CNAME,), **more: Any) -> Talk:
    described = {
        "CertificateArn": ARN,
        "DomainName": DOMAIN,
        "Status": status,
        "DomainValidationOptions": [{"DomainName": DOMAIN, "ResourceRecord": RECORD}],
        **more.pop("certificate", {}),
    }

    def listed(call: Any) -> dict[str, Any]:
        return {"ResourceRecordSets": [one for one in records if one["Name"] >= call.params["StartRecordName"]]}

    answers = {
        "ListCertificates": {
            "CertificateSummaryList": [{"CertificateArn": ARN, "DomainName": DOMAIN, "Status": status}]
        },
        "ListTagsForCertificate": {"Tags": pairs({**tagged(WANT), ZONE_TAG: ZONE})},
        "DescribeCertificate": {"Certificate": described},
        "RequestCertificate": {"CertificateArn": ARN},
        "ListResourceRecordSets": listed,
    }
    return Talk(**(answers | more))


def observe(told: Talk, *, wanted: bool = True, **more: Any) -> list[Observed[Any]]:
    return told.hold(DomainCertificate().observe(scope(*([WANT] if wanted else []), **more)))


def new() -> Desired[Any]:
    return Desired(WANT.address, WANT.spec, tags=tagged(WANT))


def changes(told: Talk) -> list[tuple[str, str, str]]:
    """Action, type and name of each record that was changed."""
    return [
        (one["Action"], one["ResourceRecordSet"]["Type"], one["ResourceRecordSet"]["Name"])
        for params in told.params("ChangeResourceRecordSets")
        for one in params["ChangeBatch"]["Changes"]
    ]


@pytest.mark.parametrize(
    ("status", "health", "unusable"),
    [
        ("ISSUED", ResourceHealth.READY, False),
        ("PENDING_VALIDATION", ResourceHealth.PROGRESSING, False),
        ("FAILED", ResourceHealth.DEGRADED, True),
        ("VALIDATION_TIMED_OUT", ResourceHealth.DEGRADED, True),
        ("EXPIRED", ResourceHealth.DEGRADED, False),
        ("REVOKED", ResourceHealth.DEGRADED, False),
    ],
)
def test_its_status_is_its_health(status: str, health: ResourceHealth, unusable: bool) -> None:
    """One that was given up is of no use to anybody; one that has expired is still shown where it was."""
    (found,) = observe(talk(status))
    assert (found.health, found.facts["unusable"], bool(found.reason)) == (health, unusable, status != "ISSUED")


def test_why_it_was_given_up_is_told_with_the_way_out() -> None:
    """ACM's own reason, and which certificate is to be replaced."""
    (found,) = observe(talk("FAILED", certificate={"FailureReason": "CAA_ERROR"}))
    assert all(part in found.reason for part in ("CAA_ERROR", ARN, "--allow-replace"))
    assert not diff(found, WANT.spec), "its record is of no use any more"


def test_a_record_that_is_missing_is_written_again() -> None:
    """ACM renews by it: with its owner, in one call that fails if anything is there by then."""
    (old,) = observe(talk(records=()))
    assert [str(change) for change in diff(old, WANT.spec)] == ["validated"]
    told = talk(records=())
    told.hold(DomainCertificate().update(old, new(), diff(old, WANT.spec)))
    name = f"_x1.{DOMAIN}"
    assert changes(told) == [("CREATE", "CNAME", name), ("CREATE", "TXT", f"_reconciler.{name}")]


def test_acm_may_show_the_record_later() -> None:
    """In the first seconds there is none; the certificate is requested nevertheless."""
    told = talk(certificate={"DomainValidationOptions": [{"DomainName": DOMAIN}]})
    assert told.hold(DomainCertificate().create(new())) == ARN
    assert changes(told) == []


def test_a_record_of_another_certificate_serves_as_well() -> None:
    """It follows from the domain and the account, so it is used, and neither written nor deleted."""
    told = talk()
    told.hold(DomainCertificate().create(new()))
    (old,) = observe(talk())
    told.hold(DomainCertificate().delete(old))
    assert changes(told) == []
    assert told.operations()[-1] == "DeleteCertificate"


def test_a_record_that_leads_elsewhere_is_not_touched() -> None:
    """Nobody but ACM chooses such a name: it is an error."""
    other = {**CNAME, "ResourceRecords": [{"Value": "elsewhere.example.com."}]}
    told = talk("PENDING_VALIDATION", records=(other,))
    with pytest.raises(errors.Exists):
        told.hold(DomainCertificate().create(new()))
    assert changes(told) == []


def test_what_shows_it_keeps_it_and_its_record() -> None:
    """A load balancer lets go of it some time after its listener."""
    (old,) = observe(talk())
    told = talk(certificate={"InUseBy": ["arn:aws:elasticloadbalancing:…"]})
    with pytest.raises(errors.Blocked):
        told.hold(DomainCertificate().delete(old))
    assert "DeleteCertificate" not in told.operations()


def test_certificates_of_others_for_the_domain_are_in_nobodys_way() -> None:
    """By hand or of another stack."""
    for tags in ({}, {ownership.STACK: "theirs", ownership.ADDRESS: str(WANT.address)}):
        assert observe(talk(ListTagsForCertificate={"Tags": pairs(tags)})) == []


def test_one_that_left_the_specs_is_found_by_the_tag_index() -> None:
    """With its record, which goes with it."""
    (leaving,) = observe(talk(), wanted=False, swept={ARN: tagged(WANT)})
    assert leaving.facts["ids"] == (f"_x1.{DOMAIN}", f"_reconciler._x1.{DOMAIN}")
    assert observe(Talk(), wanted=False) == []
