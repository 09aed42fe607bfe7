"""How long `validate` takes for a hundred files: the whole process, start-up included.

python -m benchmarks.validate [FILES]
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPECS = Path(__file__).parents[1] / "specs"
RUNS = 5


WORKER = """\
kind: Service
name: worker-{number}
cluster: my-app-cluster
task:
  cpu: 256
  memory: 512
  containers:
    worker:
      image: {{registry: my-app-frontend, tag: v1}}
      environment: {{QUEUE: jobs-{number}}}
  logs: {{retention_days: 30}}
desired_count: 1
placement: {{subnets: [app-public1-a, app-public1-c], security_groups: [my-app-task-sg], public_ip: true}}
scaling: {{min: 1, max: 2, cpu: 60}}
"""


def grow(folder: Path, files: int) -> None:
    """The seed stack, with as many more services as it takes to have `files` files."""
    for number in range(files - len(list(folder.rglob("*.yaml")))):
        (folder / "services" / f"worker-{number}.yaml").write_text(WORKER.format(number=number), encoding="utf-8")


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(SPECS, Path(scratch) / "specs", ignore=shutil.ignore_patterns("environments")))
        grow(folder, files)
        walls = []
        for _ in range(RUNS):
            started = time.perf_counter()
            command = [sys.executable, "-m", "reconciler", "validate", str(folder)]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
            walls.append(time.perf_counter() - started)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(ended.stdout.strip().splitlines()[-1])
        print(
            f"{files} files: median {statistics.median(walls):.2f} s of {RUNS} runs "
            f"(best {min(walls):.2f}), {used.ru_utime / RUNS:.2f} s CPU, {used.ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    main()
