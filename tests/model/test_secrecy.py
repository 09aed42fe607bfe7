"""What is taken for a secret and what is not, also compared with a maintained detector."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import secrecy

HEX32 = "9f86d081884c7d659a2feaa0c55ad015"
LETTERS = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z"
"""Samples are put together here, so that no scanner of repositories takes this file for a leak."""

VALUES = {
    "aws-access-key": "AKIA" + "IOSFODNN7EXAMPLE",
    "private-key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "age-key": "AGE-SECRET-KEY-" + "1QQPQZ8R9X0EXAMPLEEXAMPLE",
    "github-token": "ghp_" + LETTERS,
    "github-fine-grained-token": "github_pat_" + LETTERS + "_" + LETTERS,
    "gitlab-token": "glpat-" + LETTERS[:20],
    "slack-token": "xoxb-" + "123456789012-" + LETTERS[:24],
    "slack-webhook": "https://hooks.slack.com/" + "services/T00000000/B00000000/" + LETTERS[:24],
    "discord-webhook": "https://discord.com/api/" + "webhooks/123456789012345678/" + LETTERS,
    "discord-bot-token": "MTk4NjIyNDgzNDcxOTI1MjQ4" + ".Cl2FMQ." + LETTERS[:27],
    "teams-webhook": "https://acme.webhook.office.com/" + "webhookb2/" + HEX32 + "@" + HEX32,
    "signed-url": "https://acme.logic.azure.com/workflows/x?sp=run&" + "sig=" + LETTERS,
    "sentry-dsn": "https://" + HEX32 + "@o12345.ingest.sentry.io/42",
    "stripe-key": "sk_live_" + LETTERS[:24],
    "stripe-webhook-secret": "whsec_" + LETTERS[:32],
    "google-api-key": "AIza" + LETTERS[:35],
    "google-oauth": "GOCSPX-" + LETTERS[:28],
    "npm-token": "npm_" + LETTERS[:36],
    "npm-registry-token": "//registry.example.com/:_authToken=" + LETTERS[:20],
    "pypi-token": "pypi-" + "AgEIcHlwaS5vcmc" + LETTERS + LETTERS,
    "docker-token": "dckr_pat_" + LETTERS[:27],
    "sendgrid-key": "SG." + LETTERS[:22] + "." + LETTERS + LETTERS[:6],
    "mailgun-key": "key-" + HEX32,
    "mailchimp-key": HEX32 + "-us12",
    "twilio-key": "SK" + HEX32,
    "openai-key": "sk-proj-" + LETTERS + "T3BlbkFJ" + LETTERS[:20],
    "sk-key": "sk-ant-" + LETTERS,
    "hugging-face-token": "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
    "digitalocean-token": "dop_v1_" + HEX32 * 2,
    "shopify-token": "shpat_" + HEX32,
    "square-token": "sq0csp-" + LETTERS,
    "telegram-token": "110201543:AA" + LETTERS[:33],
    "vault-token": "hvs." + LETTERS,
    "json-web-token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + LETTERS,
    "password-in-url": "redis://:hunter22@cache:6379/0",
    "password-in-connection-string": "Server=db;User Id=app;Password=hunter22;",
}
NAMED = [
    ("STRIPE_KEY", "rk_" + LETTERS[:20]),
    ("AUTH", "ana:hunter22"),
    ("BASIC_AUTH", "YW5hOmh1bnRlcjIy"),
    ("PGPASS", "hunter22"),
    ("PGPASSWORD", "hunter22"),
    ("DBPASS", "hunter22"),
    ("dbPassword", "hunter22"),
    ("PASSWORD_SALT", "a8f5f167"),
    ("SALT", "a8f5f167"),
    ("DB_PASSWORD", "hunter22"),
    ("API_KEY", "0123abcd"),
    ("DB_PASSWORD", "true-north-9"),
    ("DB_PASSWORD", "null.hunter22"),
    ("DB_PASSWORD", "~hunter22"),
    ("DB_PASSWORD", "${PREFIX}hunter22"),
    ("github_token", "abc"),
    ("SECRET_KEY_BASE", "abc"),
    ("TOKEN_2", "abc"),
    ("WIDGET_KEY", "q7Zt2Lx9Vb4Nc8Md1Kf6"),
    ("client_secret_value", "hunter22"),
    ("SecretString", "hunter22"),
    ("ClientSecret", "hunter22"),
    ("apiKey", "hunter22"),
]
HARMLESS = [
    ("ROLE", "arn:aws:iam::123456789012:role/my-app"),
    ("KMS_KEY", "arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
    ("DB_SECRET", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-a1b2c3"),
    ("IMAGE", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app@sha256:" + HEX32 * 2),
    ("DIGEST", "sha256:" + HEX32 * 2),
    ("COMMIT", HEX32 + "deadbeef"),
    ("ETAG", HEX32),
    ("TENANT_KEY", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
    ("ID", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
    ("DATABASE_URL", "postgres://db.internal:5432/app?sslmode=require"),
    ("DATABASE_URL", "postgres://app@db.internal/app"),
    ("DATABASE_URL", "postgres://app:${DB_PASSWORD}@db/app"),
    ("DATABASE_URL", "postgres://app:{password}@db/app"),
    ("DSN", "Server=db;User Id=app;Password=${DB_PASSWORD};"),
    ("HOOK", "https://hooks.slack.com/"),
    ("CALLBACK", "https://discord.com/api/webhooks"),
    ("SENTRY_HOST", "https://o12345.ingest.sentry.io/42"),
    ("TOKEN_URL", "https://login.example.com/oauth2/token?grant_type=client_credentials"),
    ("AUTH", "oauth2"),
    ("AUTH", "none"),
    ("AUTH", "https://auth.example.com"),
    ("BASIC_AUTH", "true"),
    ("AUTH_PORT", "8080"),
    ("PASSWORD_RESET", "true"),
    ("RESET_PASSWORD", "false"),
    ("DB_PASSWORD", ""),
    ("DB_PASSWORD", "${DB_PASSWORD}"),
    ("DB_PASSWORD", "${FIRST}-${SECOND}"),
    ("DB_PASSWORD", "~"),
    ("DB_PASSWORD", "null"),
    ("DB_PASSWORD", "/run/secrets/db"),
    ("PASSWORD_FILE", "/run/secrets/db"),
    ("SALT_ROUNDS", "12"),
    ("PARTITION_KEY", "customer_id"),
    ("SORT_KEY", "created_at#order-2024"),
    ("S3_KEY", "config/prod/settings.json"),
    ("CACHE_KEY", "my-app:v1:users"),
    ("FEATURE_KEY", "checkout-redesign-2024"),
    ("PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----"),
    ("STRIPE_KEY", "pk_live_" + LETTERS[:24]),
    ("SSH_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI ana@laptop"),
    ("FEATURE_FLAGS", "new-checkout=true,dark-mode=false"),
    ("JAVA_OPTS", "-Xmx512m -Dspring.profiles.active=prod -Dreset.password=false"),
    ("LOG_FORMAT", '%h %l %u %t "%r" %>s %b'),
    ("SKU", "SKU-2024-000123"),
    ("token_endpoint", "https://login.example.com/oauth2/token"),
    ("secret_name", "shop/login"),
    ("TokenUrl", "https://login.example.com/oauth2/token"),
    ("compass", "north"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("CSP", "default-src 'self'; img-src https://*.example.com"),
]


@pytest.mark.parametrize("name", VALUES)
def test_each_form_of_a_value_is_found_and_masked(name: str) -> None:
    """Alone, inside of other text, and at the same length; nothing of it is left."""
    value = VALUES[name]
    text = f"run with '{value}' today"
    assert secrecy.secret_value(value)
    assert secrecy.secret_value(text)
    assert len(secrecy.masked(text)) == len(text)
    parts = ("hunter22", "IOSFODNN7", "QQPQZ8R9X0", LETTERS[8:20], HEX32[8:28], "cDeFgHiJkLm")
    assert [part for part in parts if part in secrecy.masked(text)] == []


def test_every_pattern_of_a_value_has_a_sample() -> None:
    """And is the one that finds it."""
    assert set(VALUES) == {one.name for one in secrecy.patterns("value")}
    for one in secrecy.patterns("value"):
        assert one.pattern.search(VALUES[one.name]), one.name


@pytest.mark.parametrize(("name", "value"), NAMED)
def test_a_name_tells_of_a_secret(name: str, value: str) -> None:
    """Also as a field of a resource, and on a line of a spec file."""
    assert secrecy.secret(name, value)
    assert secrecy.sensitive(("environment", name), value)
    assert value not in secrecy.masked(f"  {name}: {value}")


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    """ARNs, digests, ids, hashes, URLs without credentials, switches and names."""
    assert not secrecy.secret(name, value)
    assert not secrecy.secret_value(value)
    assert not secrecy.sensitive((name,), value)


@given(st.text(string.printable, max_size=200))
def test_masking_keeps_every_column(text: str) -> None:
    """A finding's caret is counted in the line as it is."""
    assert len(secrecy.masked(text)) == len(text)


NOT_CLAIMED = {
    "ArtifactoryDetector": "its form is that of a word",
    "BasicAuthDetector": "a password in a URL is a sample above",
    "CloudantDetector": "an assignment in source code of another cloud",
    "IbmCloudIamDetector": "an assignment in source code of another cloud",
    "IbmCosHmacDetector": "an assignment in source code of another cloud",
    "IPPublicDetector": "an address is no secret",
    "JwtTokenDetector": "takes any two words that begin with eyJ",
    "SoftlayerDetector": "an assignment in source code of another cloud",
}
ELSEWHERE = ("aws.{0,20}?", "AC[a-z0-9]{32}")
"""An assignment, which is found by its name; the id of an account, which is none."""


def _forms() -> list[Any]:
    """The patterns of detect-secrets, as a fixture of the test and not at import: it is a development library only."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    kinds = get_mapping_from_secret_type_to_class().values()
    found = [one for one in kinds if issubclass(one, RegexBasedDetector) and one.__name__ not in NOT_CLAIMED]
    return [form for one in found for form in one.denylist if not form.pattern.startswith(ELSEWHERE)]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_form_of_a_maintained_detector_is_missed(data: st.DataObject) -> None:
    """Whatever text one of its patterns describes, ours find a secret in it."""
    form = data.draw(st.sampled_from(_forms()))
    text = data.draw(st.from_regex(form, fullmatch=True, alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
    assert secrecy.secret_value(text)


def test_a_maintained_detector_agrees_about_what_is_none() -> None:
    """It finds nothing by form in what we call harmless, but for a placeholder that it does not know."""
    harmless = [value for _, value in HARMLESS if "{password}" not in value]
    assert [value for value in harmless for form in _forms() if form.search(value)] == []
