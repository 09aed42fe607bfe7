"""Roll back to the previous version, traffic first.

While the previous version is still running, this is one write to the load balancer; afterwards it is deployed again.
"""

from reconciler.cli.service_requests import request_command
from reconciler.rollout.requests import RequestVerb

rollback = request_command(RequestVerb.ROLLBACK, __doc__)
