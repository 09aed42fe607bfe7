"""Stop the rollout in progress and remove the new version.

Production stays with, or returns to, the version that it had before.
"""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

abort = request_command(RequestVerb.ABORT, __doc__)
