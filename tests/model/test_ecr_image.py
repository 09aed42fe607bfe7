"""What the URI of an image says about where it is."""

from __future__ import annotations

import pytest

from reconciler.model.ecr_image import EcrImage, ecr_image

OTHER = "210987654321"
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (f"{OTHER}.dkr.ecr.us-west-2.amazonaws.com/web", ("us-west-2", "web", False)),
        (f"{OTHER}.dkr.ecr.us-west-2.amazonaws.com/shared/web:v1", ("us-west-2", "shared/web", False)),
        (f"{OTHER}.dkr.ecr.us-west-2.amazonaws.com/web:v1@{DIGEST}", ("us-west-2", "web", False)),
        (f"{OTHER}.dkr.ecr-fips.us-east-1.amazonaws.com/web@{DIGEST}", ("us-east-1", "web", False)),
        (f"{OTHER}.dkr.ecr.us-gov-west-1.amazonaws.com/web:v1", ("us-gov-west-1", "web", False)),
        (f"{OTHER}.dkr.ecr.cn-north-1.amazonaws.com.cn/web:v1", ("cn-north-1", "web", False)),
        (f"{OTHER}.dkr-ecr.us-west-2.on.aws/web:v1", ("us-west-2", "web", True)),
        (f"{OTHER}.dkr-ecr-fips.us-gov-west-1.on.aws/web:v1", ("us-gov-west-1", "web", True)),
        (f"{OTHER}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn/web:v1", ("cn-north-1", "web", True)),
    ],
)
def test_a_private_registry_is_told_by_its_host(uri: str, found: tuple[str, str, bool]) -> None:
    """In every partition, over IPv4 and dual-stack, with FIPS, and whether there is a tag, a digest or both."""
    assert ecr_image(uri) == EcrImage(OTHER, *found)


@pytest.mark.parametrize(
    "uri",
    [
        "nginx:1.27",
        "public.ecr.aws/nginx/nginx:1.27",
        f"registry.example.com/{OTHER}.dkr.ecr.us-west-2.amazonaws.com/web:v1",
        f"{OTHER}.dkr.ecr.us-west-2.amazonaws.com.example.com/web:v1",
        f"{OTHER}.dkr.ecr.us-west-2.amazonaws.com",
    ],
)
def test_another_registry_is_none(uri: str) -> None:
    """Also where a private one's host is somewhere in its address."""
    assert ecr_image(uri) is None
