"""Remove the previous version now (ends instant rollback)."""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

finish = request_command(RequestVerb.FINISH, __doc__)
