"""Promote the new version to production now.

The version must be up and tested. Without this command it is promoted as its DeploymentStrategy says.
"""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

promote = request_command(RequestVerb.PROMOTE, __doc__)
