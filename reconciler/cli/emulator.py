"""Local AWS emulator in this process: its data plane, its control plane and its endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import click

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.cli.emulator_client import regions_of
from reconciler.clock import SystemClock
from reconciler.local.aws import LaptopAws
from reconciler.local.data_plane import DataPlane
from reconciler.local.registry import Registry
from reconciler.local.server import serve
from reconciler.model import formats
from reconciler.model.resource import Call

REGION = "us-west-2"
FORMAT = 1
"""Of what the emulator keeps in its folder."""


class Emulator:
    """`with Emulator(state) as emulator:` serves `emulator.url`; on exit every process that it started has ended."""

    def __init__(self, state: Path, *, port: int = 0, speed: float = 1.0, region: str = REGION) -> None:
        self.state = checked(state)
        clock = SystemClock(speed)
        self.data = DataPlane(state, clock)
        try:
            self.aws = LaptopAws(clock, *self.data.ports, region=region, folder=str(state.resolve()))
            self._server = serve("127.0.0.1", port, self.aws)
        except BaseException:
            self.data.close()
            raise
        self.aws.start()
        self.url = self._server.url

    @property
    def notes(self) -> tuple[str, ...]:
        return self.data.notes

    def push(self, folder: Path, repository: str, tag: str) -> str:
        return push(self.state, folder, the_repository(self.url, name=repository), tag, self.url)

    def close(self) -> None:
        self._server.close()
        self.data.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """An ECR repository in its region."""

    name: str
    region: str

    def __str__(self) -> str:
        return f"{self.name} ({self.region})"


def checked(state: Path) -> Path:
    """The emulator's folder, created if there is none, and ignored by Git. Raises `errors.UnknownFormat`."""
    state.mkdir(parents=True, exist_ok=True)
    if not (ignored := state / ".gitignore").exists():
        ignored.write_text("*\n", encoding="utf-8")
    file = state / "format"
    try:
        found = file.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:  # it is new, or of a release from before formats had numbers
        file.write_text(f"{FORMAT}\n", encoding="utf-8")
        return state
    if found != str(FORMAT):
        raise errors.UnknownFormat(f"{formats.unknown(str(state), found, FORMAT)}, or delete that folder")
    return state


def push(state: Path, folder: Path, repository: Repository, tag: str, endpoint: str) -> str:
    """Store `folder` as an image and register it in ECR; the digest."""
    pushed = Registry(checked(state) / "images").push(folder, repository.name, tag)
    image = {
        "repositoryName": repository.name,
        "imageManifest": pushed.manifest,
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "imageTag": tag,
    }
    try:
        _boto(endpoint, repository.region).perform(Call("ecr", "PutImage", image))
    except errors.Exists:
        return pushed.digest  # the same image exists already
    return pushed.digest


def the_repository(endpoint: str, *, name: str | None = None, region: str | None = None) -> Repository:
    """The only repository of this name, in this region; None stands for any.

    Raises `errors.ReconcilerError` if there is none, and `click.UsageError` if there is more than one.
    """
    existing = repositories(endpoint)
    if name is None and not existing:
        raise errors.ReconcilerError("no repository exists yet; `reconciler apply` creates those of the specs")
    found = [one for one in existing if name in (None, one.name) and region in (None, one.region)]
    if len(found) == 1:
        return found[0]
    if name is not None and not found:
        where = f" in {region}" if region else ""
        raise errors.ReconcilerError(f"repository {name} does not exist yet{where}; `reconciler apply` creates it")
    listed = ", ".join(str(one) for one in existing) or "none"
    raise click.UsageError(f"pass --repository and --region; existing repositories: {listed}")


def repositories(endpoint: str) -> list[Repository]:
    """Of every region in which anything has been called."""
    return sorted(
        Repository(item["repositoryName"], region)
        for region in regions_of(endpoint)
        for item in _boto(endpoint, region).perform(Call("ecr", "DescribeRepositories"))["repositories"]
    )


def _boto(endpoint: str, region: str) -> Boto:
    return Boto(region, endpoint=endpoint, anonymous=True)
