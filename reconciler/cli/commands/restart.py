"""Replace the tasks of a service by fresh ones of the same release.

The new tasks have to be healthy before requests leave the present ones, under every engine. Tests, promotion and
deployment windows are skipped. Refused while a rollout is in progress.
"""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

restart = request_command(RequestVerb.RESTART, __doc__)
