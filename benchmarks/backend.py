"""The AWS emulator behind the toll gate, in a process of its own, with tasks that are none: `with Backend() as aws`.

The time that a call takes counts the AWS emulator's own: a delay is how long AWS is away at least. Quotas are as in an
account that had them raised, so that a hundred services fit behind one load balancer.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MANY = 100_000
OCI = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests, by operation; `first` is when the first of them came, by the clock on the wall."""

    calls: Mapping[str, int]
    throttled: Mapping[str, int]
    first: float | None = None

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    @property
    def refused(self) -> int:
        return sum(self.throttled.values())

    def writes(self) -> int:
        from reconciler.aws.retry import READ

        return sum(count for name, count in self.calls.items() if not READ.match(name.partition(".")[2]))


def environment() -> dict[str, str]:
    """For whatever is measured: credentials that mean nothing, and Python's byte code kept, as where it is at home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"reconciler-bytecode-{os.getuid()}"),
        "AWS_ACCESS_KEY_ID": "laptop",
        "AWS_SECRET_ACCESS_KEY": "laptop",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


class Backend:
    """Answers on `url` until the end of the block."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.backend"],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the local AWS emulator did not start")

    def reset(self, *, delay: float | None = None, buckets: bool | None = None) -> None:
        """Counts are 0 and buckets full. From now on each call takes `delay` seconds at least; None: as before."""
        said = {"delay": delay, "buckets": buckets}
        self._ask("POST", "reset", {name: value for name, value in said.items() if value is not None})

    def tally(self) -> Tally:
        said = self._ask("GET", "counts", None)
        return Tally(said["calls"], said["throttled"], said["first"])

    def image(self, repository: str, tag: str) -> None:
        self._ask("POST", "image", {"repository": repository, "tag": tag})

    def _ask(self, method: str, name: str, said: Any) -> Any:
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=120)
        body = None if said is None else json.dumps(said)
        connection.request(method, f"/_bench/{name}", body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)


def main() -> None:
    from benchmarks.latency_proxy import Tollgate
    from benchmarks.serve import Server
    from reconciler.clock import SystemClock
    from reconciler.local.aws import LaptopAws
    from reconciler.local.endpoint import Endpoint
    from reconciler.local.scripted import ScriptedListeners, ScriptedTargets, ScriptedTasks
    from reconciler.local.timings import Timings

    raise_quotas()
    tasks = ScriptedTasks()
    laptop = LaptopAws(
        SystemClock(), tasks, ScriptedTargets(tasks.healthy_at), ScriptedListeners(), timings=Timings.instant()
    )

    def image(said: dict[str, str]) -> dict[str, str]:
        layer = "sha256:" + hashlib.sha256(json.dumps(said).encode()).hexdigest()  # of which moto makes the digest
        manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": [{"digest": layer}]})
        params = {"repositoryName": said["repository"], "imageTag": said["tag"], "imageManifest": manifest}
        laptop.world.rest.ask("ecr", "PutImage", params)
        return {}

    laptop.start()
    print(Server(Tollgate(Endpoint(laptop), {"image": image})).url, flush=True)
    sys.stdin.read()  # until whoever started us goes
    os._exit(0)


def raise_quotas() -> None:
    from reconciler.local.elb import listeners, rules

    rules.RULES_PER_LOAD_BALANCER = MANY  # final in AWS as well, until one asks
    for module in (listeners, rules):
        vars(module)["check_unique_groups"] = lambda *_: None  # imported there


if __name__ == "__main__":
    main()
