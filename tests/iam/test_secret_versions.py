"""The operator's policy for what tasks read: versions of the secrets that the specs name, and never a value."""

from __future__ import annotations

from typing import Any

from reconciler.iam import document, statements
from reconciler.model.policy_evaluation import Request, is_allowed
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.resources.existing_secret import ExistingSecretSpec
from reconciler.resources.secret_version import SecretVersionSpec
from tests.conftest import ACCOUNT, REGION
from tests.laws.example import wish

SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shop/api"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/shop/token"
REFERENCES = (f"{SECRET}:key::", PARAMETER, "arn:aws:s3:::shop/web.env")


def policy(*desired: Any) -> dict[str, Any]:
    return dict(document(statements(discover(), desired, (), StackId("shop", ACCOUNT, REGION))))


def allowed(given: dict[str, Any], action: str, resource: str) -> bool:
    return is_allowed(Request(action, resource, {"aws:RequestedRegion": (REGION,)}), (given,))


def test_versions_are_described_and_values_are_not_read() -> None:
    """Also where a sign-in has a secret of its own, whose value is read."""
    wanted = [wish(f"secret-version/{one}", SecretVersionSpec(reference=one)) for one in REFERENCES]
    login = wish("existing-secret/login", ExistingSecretSpec(service="secretsmanager", name="login"))
    for given in (policy(*wanted), policy(*wanted, login)):
        assert allowed(given, "secretsmanager:DescribeSecret", f"{SECRET}-AbCdEf")
        assert allowed(given, "ssm:DescribeParameters", "*")
        assert allowed(given, "s3:ListBucket", "arn:aws:s3:::shop")
        for action, resource in (
            ("secretsmanager:GetSecretValue", f"{SECRET}-AbCdEf"),
            ("ssm:GetParameter", PARAMETER),
            ("s3:GetObject", "arn:aws:s3:::shop/web.env"),
            ("secretsmanager:DescribeSecret", f"{SECRET.replace('api', 'other')}-AbCdEf"),
        ):
            assert not allowed(given, action, resource), action
    assert allowed(policy(login), "secretsmanager:GetSecretValue", f"{SECRET.replace('shop/api', 'login')}-AbCdEf")


def test_specs_without_secrets_need_none_of_it() -> None:
    given = policy()
    assert not allowed(given, "ssm:DescribeParameters", "*")
    assert not allowed(given, "s3:ListBucket", "arn:aws:s3:::shop")
