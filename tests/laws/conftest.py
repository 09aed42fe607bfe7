"""AWS for the laws: as everywhere, but with clients that are made once, which is most of what a short test takes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from moto import mock_aws

from reconciler.aws.client import AwsClient
from reconciler.aws.session import Boto
from tests.conftest import REGION
from tests.harness.hosted_zones import hosted_zone
from tests.harness.moto_codedeploy import moto_codedeploy
from tests.harness.moto_network import moto_network
from tests.harness.moto_scaling import moto_scaling
from tests.laws.account import Stack


@cache
def _boto() -> Boto:
    return Boto(REGION)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClient]:
    """An empty account in this process; without moto's thousand machine images, which take longer than a law."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(), moto_codedeploy(), moto_network(), moto_scaling():
        hosted_zone()
        found = AwsClient(_boto())
        yield found
        found.close()


@pytest.fixture
def ours(aws: AwsClient) -> Stack:
    """The stack that a law is about."""
    return Stack(aws, "ours")


@pytest.fixture
def theirs(aws: AwsClient) -> Stack:
    """Another stack in the same account."""
    return Stack(aws, "theirs")
