"""The signed header of a load balancer is believed only as a whole."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.console.access import Asking, NotSignedIn, Operators, Role
from reconciler.console.load_balancer import HEADER, KEY_SECONDS, MOST_FETCHES, LoadBalancerAccess, keys_url

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/console/50dc6c495c0c9188"
ISSUER, CLIENT = "https://id.example.org", "client-1"
KID = "4b4a3c9e-0000-4000-8000-2b6f2a1d7c11"
KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
NOW = int(ManualClock().now().timestamp())
HEAD = {"alg": "ES256", "kid": KID, "signer": ARN, "iss": ISSUER, "client": CLIENT, "exp": NOW + 120}
CLAIMS = {"sub": "s1", "email": "ana@x.org", "groups": ["on-call"], "exp": NOW + 120, "iss": ISSUER}


def pem(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    found: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return found


class Case:
    def __init__(self, *operators: str) -> None:
        self.clock, self.urls, self.missing = ManualClock(), list[str](), False
        self.access = LoadBalancerAccess(ARN, ISSUER, CLIENT, self.fetch, Operators.of(operators), self.clock)

    def fetch(self, url: str) -> bytes:
        self.urls.append(url)
        if self.missing:
            raise errors.ReconcilerError("no key")
        return pem(KEY)

    def refused(self, text: str) -> HTTPStatus:
        with pytest.raises(NotSignedIn) as refusal:
            self.access.viewer(Asking({HEADER: text}))
        return refusal.value.status


def signed(head: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: Any = KEY) -> str:
    """What a load balancer would send, or another process."""
    return jwt.encode({**CLAIMS, **(claims or {})}, key, algorithm="ES256", headers={**HEAD, **(head or {})})


def test_the_person_is_named_by_the_claims() -> None:
    """An operator by e-mail or by claim, else one who may look."""
    for operators, role in (((), Role.VIEWER), (("ana@x.org",), Role.OPERATOR), (("groups=on-call",), Role.OPERATOR)):
        viewer = Case(*operators).access.viewer(Asking({HEADER: signed()}))
        assert (viewer.name, viewer.role) == ("ana@x.org", role)


def test_a_header_as_load_balancers_pad_it_is_read() -> None:
    """They sign the padded text."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()) for one in (HEAD, CLAIMS)]
    text = b".".join(parts)
    der = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(text, KEY)
    padded = b".".join([text, base64.urlsafe_b64encode(der)]).decode()
    assert Case().access.viewer(Asking({HEADER: padded})).name == "ana@x.org"


@pytest.mark.parametrize(
    "head",
    [
        {"signer": ARN.replace("9188", "9189")},
        {"signer": None},
        {"iss": "https://other.example.org"},
        {"client": "client-2"},
        {"kid": "../../latest/meta-data"},
        {"kid": KID.upper()},
        {"kid": f"{KID}\n"},
    ],
)
def test_what_is_not_of_our_load_balancer_fetches_nothing(head: dict[str, Any]) -> None:
    """It is refused before anything is sent anywhere."""
    case = Case()
    assert case.refused(signed(head)) is HTTPStatus.FORBIDDEN
    assert case.urls == []


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    """Neither unsigned nor signed with the public key as a secret."""
    case = Case()
    parts = [{**HEAD, "alg": algorithm}, CLAIMS]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    for signature in ("", "AAAA"):
        assert case.refused(f"{text}.{signature}") is HTTPStatus.FORBIDDEN
    assert case.urls == []


@pytest.mark.parametrize("text", ["x", "a.b.c", "." * 5, "é.é.é", "A" * 9000])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Without a fault of ours."""
    assert Case().refused(text) is HTTPStatus.FORBIDDEN
    assert Case().refused("") is HTTPStatus.UNAUTHORIZED


def test_a_forged_signature_is_refused() -> None:
    """By another key, or of other claims."""
    case = Case()
    assert case.refused(signed(key=OTHER)) is HTTPStatus.FORBIDDEN
    head, _, signature = signed().split(".")
    claims = signed(claims={"email": "eve@x.org"}).split(".")[1]
    assert case.refused(f"{head}.{claims}.{signature}") is HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("claims", [{"iss": "https://other.example.org"}, {"exp": NOW - 10}, {"exp": "soon"}])
def test_claims_of_another_issuer_or_time_are_refused(claims: dict[str, Any]) -> None:
    """Also where the head says otherwise."""
    try:
        text = signed(claims=claims)
    except TypeError:
        pytest.skip("PyJWT does not sign it")
    assert Case().refused(text) in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED)


def test_an_expired_session_is_refused() -> None:
    """By the expiry in the head, which the load balancer sets."""
    assert Case().refused(signed({"exp": NOW - 10})) is HTTPStatus.UNAUTHORIZED


def test_keys_are_kept_for_an_hour() -> None:
    """One fetch for all who ask with it."""
    case = Case()
    for _ in range(3):
        case.access.viewer(Asking({HEADER: signed()}))
    assert case.urls == [f"https://public-keys.auth.elb.us-west-2.amazonaws.com/{KID}"]
    case.clock.advance(KEY_SECONDS)
    later = NOW + int(KEY_SECONDS) + 60
    case.access.viewer(Asking({HEADER: signed({"exp": later}, {"exp": later})}))
    assert len(case.urls) == 2


def test_invented_key_ids_cost_few_fetches_and_no_known_key() -> None:
    """Whoever knows our load balancer's ARN can have a key asked for, a few times a minute."""
    case = Case()
    case.access.viewer(Asking({HEADER: signed()}))
    case.missing = True
    for number in range(20):
        kid = f"{number:08x}-0000-4000-8000-2b6f2a1d7c11"
        assert case.refused(signed({"kid": kid})) is HTTPStatus.SERVICE_UNAVAILABLE
    assert len(case.urls) == MOST_FETCHES
    assert case.access.viewer(Asking({HEADER: signed()})).name == "ana@x.org"


def test_keys_are_where_the_partition_has_them() -> None:
    """Nothing but a load balancer has any."""
    assert keys_url(ARN.replace("aws:", "aws-cn:", 1).replace("us-west-2", "cn-north-1")).endswith(".amazonaws.com.cn/")
    gov = ARN.replace("aws:", "aws-us-gov:", 1).replace("us-west-2", "us-gov-west-1")
    assert keys_url(gov) == "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/"
    others = (ARN.replace("us-west-2", "x/y"), f"{ARN}/listener", ARN.replace("/app/", "/net/"))
    for arn in ("", "arn:aws:iam::1:role/x", *others):
        with pytest.raises(ValueError, match="is not the ARN"):
            keys_url(arn)
