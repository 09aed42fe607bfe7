"""The local image registry: an image is a copy of a folder under its digest, and a tag is a name for a digest.

    IMAGES/<repository>/content/<digest>/image/app/…     the folder as it was pushed; `app` whatever its name was
    IMAGES/<repository>/content/<digest>/manifest.json   what ECR would keep; the digest is this file's
    IMAGES/<repository>/tags/<tag>                       the digest, in one line

Everything is written aside and renamed, so a push that is interrupted leaves nothing that looks like an image.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

from reconciler import dockerfile
from reconciler.local import public_images
from reconciler.local.public_images import Program

SKIPPED = frozenset({".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"})
REPOSITORY = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PRIVATE = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<rest>.+)")


class CannotPull(Exception):
    """The image is not there; the text is the task's stopped reason, as AWS words it."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What ECR has to know: its PutImage takes `manifest`, and `digest` is the manifest's."""

    repository: str
    tag: str
    digest: str
    manifest: str
    size: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name taken apart: `repository` without the host when it is of a private ECR registry."""

    repository: str
    tag: str | None
    digest: str | None
    private: bool


class Registry:
    def __init__(self, images: Path) -> None:
        self._images = images

    def push(self, folder: Path, repository: str, tag: str) -> Pushed:
        """Keep a copy of the folder under its digest and let the tag mean it; the same content has the same digest.

        Raises ValueError for a name ECR would refuse, a folder that is none, or a link that leads out of it.
        """
        if not REPOSITORY.fullmatch(repository) or not 2 <= len(repository) <= 256:
            raise ValueError(f"{repository!r} is no name for a repository")
        if not TAG.fullmatch(tag):
            raise ValueError(f"{tag!r} is no tag")
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder")
        _defaults(folder)  # a Dockerfile that cannot be read is better refused now than at every start of a task
        manifest, size = _manifest(folder)
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        self._keep(folder, self._content(repository, digest), manifest)
        _replace(self._tags(repository) / tag, digest + "\n")
        return Pushed(repository, tag, digest, manifest, size)

    def pushed(self) -> tuple[Pushed, ...]:
        """Every tag there is, sorted: what a fresh ECR has to be told."""
        found = []
        for path in sorted(self._images.glob("*/tags/*")):
            repository, digest = unquote(path.parts[-3]), path.read_text().strip()
            manifest = (self._content(repository, digest) / "manifest.json").read_text()
            size = sum(layer["size"] for layer in json.loads(manifest)["layers"])
            found.append(Pushed(repository, path.name, digest, manifest, size))
        return tuple(found)

    def remove(self, repository: str, tag: str) -> bool:
        """Forget a tag; the content stays for whoever names its digest. False when it was not there."""
        path = self._tags(repository) / tag
        if not TAG.fullmatch(tag) or not path.is_file():
            return False
        path.unlink()
        return True

    def resolve(self, image: str, digest: str = "") -> Program:
        """What to run for an image, of which `digest` is known already; raises CannotPull."""
        reference = parse(image)
        if digest:
            reference = replace(reference, digest=digest)
        if not reference.private:
            program = public_images.program(reference.repository)
            if program is not None:
                return program
        content = self._find(reference)
        if content is None:
            raise CannotPull(_cannot_pull(image, reference))
        return _program(content)

    def _find(self, reference: Reference) -> Path | None:
        digest = reference.digest
        if not REPOSITORY.fullmatch(reference.repository):
            return None
        if digest is None:
            path = self._tags(reference.repository) / (reference.tag or "latest")
            if not path.is_file():
                return None
            digest = path.read_text().strip()
        content = self._content(reference.repository, digest)
        return content if content.is_dir() else None

    def _keep(self, folder: Path, content: Path, manifest: str) -> None:
        if content.is_dir():
            return
        content.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=content.parent, prefix=".push-"))
        try:
            shutil.copytree(
                folder, aside / "image" / "app", symlinks=True, ignore=lambda _, names: SKIPPED & set(names)
            )
            (aside / "manifest.json").write_text(manifest)
            try:
                aside.rename(content)
            except OSError:
                if not content.is_dir():  # else somebody else has pushed the same at the same time
                    raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _content(self, repository: str, digest: str) -> Path:
        return self._images / quote(repository, safe="") / "content" / digest.removeprefix("sha256:")

    def _tags(self, repository: str) -> Path:
        return self._images / quote(repository, safe="") / "tags"


def parse(image: str) -> Reference:
    """`host/name`, `:tag`, `@digest`, in whatever combination; raises CannotPull for what is no image name."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{head}{slash}{last}"
    private = PRIVATE.fullmatch(repository)
    if (digest and not DIGEST.fullmatch(digest)) or (tag and not TAG.fullmatch(tag)):
        raise CannotPull(
            f"CannotPullContainerError: pull image manifest has been retried 0 time(s): invalid reference: {image}"
        )
    return Reference(private["rest"] if private else repository, tag or None, digest or None, private is not None)


def _cannot_pull(image: str, reference: Reference) -> str:
    tagged = image if reference.tag or reference.digest else f"{image}:latest"
    retried = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
    if reference.private:
        return f"{retried} {tagged}: {tagged}: not found"
    full = tagged if "." in tagged.partition("/")[0] else f"docker.io/{'' if '/' in tagged else 'library/'}{tagged}"
    return (
        f"{retried} {full}: pull access denied, repository does not exist or may require authorization: "
        "server message: insufficient_scope: authorization failed"
    )


def _program(content: Path) -> Program:
    """The Dockerfile's program, else `python -m app` where the folder is a Python package that runs."""
    image = content / "image"
    defaults = _defaults(image / "app")
    command = defaults.command
    if not command and not defaults.entry_point and (image / "app" / "__main__.py").is_file():
        command = ("python", "-m", "app")
    return Program(defaults.entry_point, command, defaults.environment, image)


def _defaults(folder: Path) -> dockerfile.Defaults:
    path = folder / "Dockerfile"
    return dockerfile.read(path.read_text()) if path.is_file() else dockerfile.Defaults()


def _manifest(folder: Path) -> tuple[str, int]:
    """A manifest in the form of an image's, with the folder as its one layer; and the folder's size in bytes."""
    layer = hashlib.sha256()
    size = 0
    for name, path in _files(folder):
        if path.is_symlink():
            kind, content = "link", os.readlink(path).encode()
        else:
            kind, content = ("program" if os.access(path, os.X_OK) else "file"), path.read_bytes()
        size += len(content)
        layer.update(json.dumps([name, kind, hashlib.sha256(content).hexdigest()]).encode() + b"\n")
    config = hashlib.sha256(b"{}").hexdigest()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": f"sha256:{config}"},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "size": size,
                "digest": f"sha256:{layer.hexdigest()}",
            }
        ],
    }
    return json.dumps(manifest, indent=2), size


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file and link in a fixed order; raises ValueError for a link that leads out of the folder."""
    root = folder.resolve()
    for directory, names, files in os.walk(folder):
        links = [name for name in names if Path(directory, name).is_symlink()]
        names[:] = sorted(name for name in names if name not in SKIPPED and name not in links)
        for name in sorted([*files, *links]):
            path = Path(directory, name)
            if name in SKIPPED:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise ValueError(f"{path} leads out of the folder")
            yield path.relative_to(folder).as_posix(), path


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=".tag-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(aside, path)
