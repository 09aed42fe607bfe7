"""Retry a version that failed or was rolled back.

Lifts the quarantine of the release; the controller or the next `apply` rolls it out again.
"""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

retry = request_command(RequestVerb.RETRY, __doc__)
