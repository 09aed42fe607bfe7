"""The clients that boto3 makes for us."""

from __future__ import annotations

import pytest
from botocore.exceptions import UnknownServiceError

from reconciler import __version__
from reconciler.aws import models
from reconciler.aws.session import Boto
from reconciler.model.resource import Call


def test_aws_is_told_who_asks_and_for_which_stack() -> None:
    """CloudTrail shows the user agent, so that an account's owner can tell our calls from others."""
    sent: list[str] = []
    boto = Boto("us-west-2", anonymous=True, stack="my app", endpoint="http://127.0.0.1:1")
    client = boto._client("sts")

    def caught(request: object, **_: object) -> None:
        sent.append(request.headers["User-Agent"].decode())  # type: ignore[attr-defined]  # botocore's request
        raise RuntimeError("not sent")

    client.meta.events.register("before-send", caught)
    with pytest.raises(RuntimeError, match="not sent"):
        client.get_caller_identity()
    (agent,) = sent
    assert agent.startswith(f"reconciler/{__version__} ")
    assert " stack/my_app" in agent


def test_a_service_without_a_model_is_refused_by_its_name() -> None:
    """Not looking through all services for one does not make up services."""
    session = models.session(None, "us-west-2")
    with pytest.raises(UnknownServiceError, match="nosuch"):
        session.create_client("nosuch")


def test_all_services_can_still_be_listed() -> None:
    """Whoever asks for the whole list gets it."""
    found = models.session(None, "us-west-2").get_available_services()
    assert {"ecs", "elbv2"} <= set(found)
    assert len(found) > 100


@pytest.mark.parametrize("external_id", [None, "shop-4711"])
def test_a_role_is_assumed_with_the_external_id_that_was_given(
    external_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with none where none was: AWS refuses an empty one."""
    asked: list[dict[str, str]] = []

    class Fetcher:
        def __init__(self, create: object, source: object, role: str, *, extra_args: dict[str, str]) -> None:
            asked.append({"role": role, **extra_args})

        def fetch_credentials(self) -> dict[str, str]:
            raise AssertionError("nothing is signed here")

    monkeypatch.setattr("botocore.credentials.AssumeRoleCredentialFetcher", Fetcher)
    role = "arn:aws:iam::123456789012:role/deployer"
    Boto("us-west-2", anonymous=True, assume_role=role, external_id=external_id)
    given = {} if external_id is None else {"ExternalId": external_id}
    assert asked == [{"role": role, "RoleSessionName": "reconciler", **given}]


def test_a_call_may_be_made_in_another_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is in another account: the role is assumed once, and other calls are made as before."""
    asked: list[str] = []

    class Fetcher:
        def __init__(self, create: object, source: object, role: str, *, extra_args: dict[str, str]) -> None:
            asked.append(role)

        def fetch_credentials(self) -> dict[str, str]:
            raise AssertionError("nothing is signed here")

    monkeypatch.setattr("botocore.credentials.AssumeRoleCredentialFetcher", Fetcher)
    role = "arn:aws:iam::210987654321:role/dns"
    boto = Boto("us-west-2", anonymous=True)
    own = boto._usable(Call("route53", "ListHostedZones"))
    theirs = [boto._usable(Call("route53", name, role=role)) for name in ("ListHostedZones", "GetHostedZone")]
    assert asked == [role]
    assert theirs[0] is theirs[1] is not own
