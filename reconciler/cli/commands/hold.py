"""Disable automatic promotion until `promote` or `resume`."""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

hold = request_command(RequestVerb.HOLD, __doc__)
