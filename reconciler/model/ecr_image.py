"""Address of an image in a private ECR registry: the account, region and repository that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ADDRESS: Final = re.compile(
    r"(?P<account>\d{12})\.dkr(?:\.ecr|(?P<dual_stack>-ecr))(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
    r"/(?P<repository>[^:@]+)(?::[^:@/]+)?(?:@[^@/]+)?"
)
"""Source: ECR user guide, "Making requests to Amazon ECR registries". The domains are those that AWS's own credential
helper for Docker signs in to."""


@dataclass(frozen=True, slots=True)
class EcrImage:
    """`dual_stack`: the address is of IPv4 and IPv6, which VPC endpoints do not serve."""

    account: str
    region: str
    repository: str
    dual_stack: bool


def ecr_image(image: str) -> EcrImage | None:
    """What an image's URI says; None where it is in no private ECR registry."""
    found = _ADDRESS.fullmatch(image)
    if found is None:
        return None
    return EcrImage(found["account"], found["region"], found["repository"], found["dual_stack"] is not None)
