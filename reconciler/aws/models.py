"""botocore's service models, read once a process and with a fast parser.

Half of what a client costs to make is the reading of its model's JSON, and finding it the better part of the rest. One
loader serves all sessions; AWS_DATA_PATH is honoured as botocore does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import botocore.session
import orjson
from botocore.exceptions import BotoCoreError
from botocore.loaders import JSONFileLoader, Loader

from reconciler import errors
from reconciler.aws import timestamps


class _Fast(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        for ending, opened in _ENDINGS.items():
            if os.path.isfile(file_path + ending):
                with opened(file_path + ending, "rb") as file:
                    return orjson.loads(file.read())
        return None


def _gzip(path: str, mode: str) -> Any:
    import gzip

    return gzip.open(path, mode)


_ENDINGS: dict[str, Callable[[str, str], Any]] = {".json": open, ".json.gz": _gzip}


class _Quick(Loader):
    def list_available_services(self, type_name: str) -> Any:
        return _Services(self, type_name)


class _Services(Sequence[str]):
    """The services that have a model. Whether there is one of a given name is asked of its folder; botocore would look
    into four hundred folders to make one client."""

    def __init__(self, models: Loader, type_name: str) -> None:
        self._models, self._type = models, type_name

    def __contains__(self, name: object) -> bool:
        return any(os.path.isdir(os.path.join(path, str(name))) for path in self._models.search_paths)

    def _all(self) -> list[str]:
        found: list[str] = Loader.list_available_services(self._models, self._type)
        return found

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, place: Any) -> Any:
        return self._all()[place]


@cache
def loader() -> Loader:
    extra = [os.path.expanduser(path) for path in os.environ.get("AWS_DATA_PATH", "").split(os.pathsep) if path]
    return _Quick(extra_search_paths=extra, file_loader=_Fast())


def session(profile: str | None = None, region: str | None = None) -> Any:
    """A botocore session over the shared loader; `profile` as in AWS's configuration files.

    Raises `botocore.exceptions.ProfileNotFound`.
    """
    made = botocore.session.Session(profile=profile)
    made.get_scoped_config()  # else a profile that does not exist is found out much later
    made.register_component("data_loader", loader())
    timestamps.use(made)
    if region is not None:
        made.set_config_variable("region", region)
    return made


def configured_region(profile: str | None = None) -> str | None:
    """The region that AWS's chain names: AWS_DEFAULT_REGION, AWS_REGION or the profile.

    Raises `errors.CredentialsMissing` for a profile that does not exist.
    """
    try:
        found: str | None = session(profile).get_config_variable("region")
    except BotoCoreError as error:
        raise errors.CredentialsMissing(str(error)) from error
    return found or os.environ.get("AWS_REGION")
