"""Local AWS emulator in this process: its data plane, its control plane and its endpoint."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.clock import SystemClock
from reconciler.local.aws import LaptopAws
from reconciler.local.data_plane import DataPlane
from reconciler.local.registry import Registry
from reconciler.local.server import serve
from reconciler.model.resource import Call

REGION = "us-west-2"


class Emulator:
    """`with Emulator(state) as emulator:` serves `emulator.url`; on exit every process that it started has ended."""

    def __init__(self, state: Path, *, port: int = 0, speed: float = 1.0, region: str = REGION) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.state = state
        clock = SystemClock(speed)
        self.data = DataPlane(state, clock)
        try:
            self.aws = LaptopAws(clock, *self.data.ports, region=region)
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
        return push(self.state, folder, repository, tag, self.url)

    def close(self) -> None:
        self._server.close()
        self.data.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def push(state: Path, folder: Path, repository: str, tag: str, endpoint: str) -> str:
    """Store `folder` as an image and register it in ECR; the digest.

    Raises `errors.ReconcilerError` if the repository does not exist.
    """
    pushed = Registry(state / "images").push(folder, repository, tag)
    image = {
        "repositoryName": repository,
        "imageManifest": pushed.manifest,
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "imageTag": tag,
    }
    if repository not in repositories(endpoint):
        raise errors.ReconcilerError(f"repository {repository} does not exist yet; `reconciler apply` creates it")
    try:
        _boto(endpoint).perform(Call("ecr", "PutImage", image))
    except errors.Exists:
        return pushed.digest  # the same image exists already
    return pushed.digest


def repositories(endpoint: str) -> list[str]:
    answer = _boto(endpoint).perform(Call("ecr", "DescribeRepositories"))
    return sorted(item["repositoryName"] for item in answer["repositories"])


def _boto(endpoint: str) -> Boto:
    return Boto(REGION, endpoint=endpoint, anonymous=True)
