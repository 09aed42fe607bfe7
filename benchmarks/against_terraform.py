"""Side by side with Terraform: `python -m benchmarks.against_terraform [--services N …] [--write]`.

The same stack on the same backend in the same run, one after the other, 20 ms a call: made, read again with nothing
changed, once more with AWS's token buckets, and with one image changed. Terraform's one image change waits for nothing
but its own calls; ours ends where the rollout begins. Terraform is left out, and said to be, where it or its AWS
provider is not on the machine.
`--write` puts the tables of this and of the other benchmarks into docs/reference/performance.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import command, passes, stack, terraform
from benchmarks.backend import Backend, environment

SERVICES = (1, 20, 100)
DELAY = 0.02
MADE, SAME, BUCKETED, CHANGED = "first apply", "nothing changed", "nothing changed, AWS's buckets", "one image changed"
MEDIUM = f"{BUCKETED}, a medium pass"


def ours(services: int) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as place, Backend() as backend:
        folder = stack.write(Path(place) / "specs", services)
        other = stack.write(Path(place) / "other", services, changed=1)
        backend.reset(delay=DELAY, buckets=False)
        made = passes.run(backend, folder, "unpaced", "create", "deploy")
        same = command.diff(backend, folder, Path(place) / "cache")
        passes.run(backend, folder, "unpaced", "full")  # task definitions become known
        backend.reset(delay=DELAY, buckets=True)
        start, full = passes.run(backend, folder, "full")  # the command does not pace itself on a laptop
        full |= {"wall": full["wall"] + start["wall"], "cpu": full["cpu"] + start["cpu"]}
        medium = passes.run(backend, folder, "warm", "medium")[-1]
        backend.reset(delay=DELAY, buckets=False)
        change = passes.run(backend, folder, "unpaced", "full", f"change:{other}")[-1]
    found = {MADE: made[1], SAME: same, BUCKETED: full, MEDIUM: medium, CHANGED: change}
    return {what: said | {"calls": sum(said["calls"].values())} for what, said in found.items()}


def theirs(services: int) -> dict[str, dict[str, Any]] | str:
    """Terraform's figures, or why there are none."""
    program = shutil.which("terraform")
    if program is None:
        return "terraform is not on this machine"
    with tempfile.TemporaryDirectory() as place, Backend() as backend:
        folder = terraform.write(Path(place), backend.url, services)
        env = environment() | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"} | _mirrored(folder)
        begun = subprocess.run(
            [program, "init", "-input=false", "-no-color"], cwd=folder, env=env, capture_output=True, text=True
        )
        if begun.returncode:
            return "terraform is, but its AWS provider is not on this machine"
        found = {}
        backend.reset(delay=DELAY, buckets=False)
        found[MADE] = _run(backend, folder, env, program, "apply", "-auto-approve")
        for what, buckets in ((SAME, False), (BUCKETED, True)):
            backend.reset(delay=DELAY, buckets=buckets)
            found[what] = _run(backend, folder, env, program, "plan", "-detailed-exitcode")
        backend.reset(delay=DELAY, buckets=False)
        terraform.write(folder, backend.url, services, changed=1)
        found[CHANGED] = _run(backend, folder, env, program, "apply", "-auto-approve")
    return found


MIRRORS = ("/opt/tf-plugins", "~/.terraform.d/plugins")
"""Where providers may have been put on the machine; nothing is downloaded."""


def _mirrored(folder: Path) -> dict[str, str]:
    for mirror in filter(None, (os.environ.get("TF_MIRROR"), *MIRRORS)):
        if Path(mirror).expanduser().is_dir():
            text = f'provider_installation {{ filesystem_mirror {{ path = "{Path(mirror).expanduser()}" }} }}'
            (folder / "terraform.rc").write_text(text.replace("{ ", "{\n").replace(" }", "\n}"), encoding="utf-8")
            return {"TF_CLI_CONFIG_FILE": str(folder / "terraform.rc")}
    return {}


def _run(backend: Backend, folder: Path, env: dict[str, str], *command: str) -> dict[str, Any]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(os.devnull, "wb") as nowhere, tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [*command, "-input=false", "-no-color"], cwd=folder, env=env, stdout=nowhere, stderr=said
        )
        peak = _peak_while(child)
        said.seek(0)
        complaint = said.read().decode()[-1500:]
    if child.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)}: {complaint}")
    wall, after, tally = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN), backend.tally()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"calls": tally.total, "throttled": tally.refused, "wall": wall, "cpu": cpu, "memory": peak}


def _peak_while(child: subprocess.Popen[bytes]) -> int:
    """The most memory, in MB, that the process and its children had together, looked at ten times a second."""
    most = 0
    while child.poll() is None:
        most = max(most, sum(_resident(pid) for pid in _family(child.pid)))
        time.sleep(0.1)
    return most // 1024


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for file in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(text) for text in file.read_text().split()]
            except OSError:
                continue  # it has just ended
    return found


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def table(services: int, mine: dict[str, Any], other: dict[str, Any] | str) -> str:
    lines = []
    for what, said in mine.items():
        lines.append(_row(services, what, "reconciler", said))
        if isinstance(other, str):
            continue
        if what in other:
            lines.append(_row(services, what, "Terraform", other[what]))
        theirs = other[BUCKETED if what == MEDIUM else what]
        calls, wall, memory = (theirs[key] / said[key] for key in ("calls", "wall", "memory"))
        lines.append(f"| {services} | {what} | **ratio** | {calls:.1f} x |  | {wall:.1f} x |  | {memory:.1f} x |")
    return "\n".join(lines)


def _row(services: int, what: str, who: str, said: dict[str, Any]) -> str:
    return (
        f"| {services} | {what} | {who} | {said['calls']} | {said['throttled']} | {said['wall']:.1f} s "
        f"| {said['cpu']:.1f} s | {said['memory']} MB |"
    )


HEAD = "| S | what | who | calls | throttled | wall | CPU | memory |\n| --- | --- | --- | --- | --- | --- | --- | --- |"


def compare(sizes: list[int]) -> str:
    lines, reason = [HEAD], ""
    for services in sizes:
        other = theirs(services)
        lines.append(table(services, ours(services), other))
        reason = other if isinstance(other, str) else reason
        print(lines[-1], file=sys.stderr, flush=True)  # it goes on for minutes
    return "\n".join(lines) + (f"\n\nWithout Terraform: {reason}." if reason else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="*", default=list(SERVICES))
    parser.add_argument("--write", action="store_true", help="write docs/reference/performance.md")
    given = parser.parse_args()
    if given.write:
        from benchmarks import report

        report.write(given.services)
    else:
        print(compare(given.services))


if __name__ == "__main__":
    main()
