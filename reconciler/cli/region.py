"""Region of a stack that has no specs yet."""

from __future__ import annotations

import click


def region_of(option: str | None, profile: str | None = None) -> str | None:
    """That of the option, else that of the AWS configuration; None if neither names one. Raises `click.UsageError`."""
    from reconciler.aws.models import configured_region
    from reconciler.spec.documents.stack import is_region

    region = option or configured_region(profile)
    if region is not None and not is_region(region):
        whose = "--region" if option else "the AWS configuration"
        raise click.UsageError(f"{whose}: {region!r} is not an AWS region such as us-west-2; pass --region")
    return region


def known_region(option: str | None, profile: str | None = None) -> str:
    """The same where nobody can be asked."""
    region = region_of(option, profile)
    if region is None:
        raise click.UsageError("the region is unknown; pass --region, or set AWS_REGION")
    return region
