"""The local image registry."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from reconciler import dockerfile
from reconciler.local.registry import CannotPull, Registry

HOST = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "sub").mkdir(parents=True)
    (made / "__main__.py").write_text("print('hello')\n")
    (made / "sub" / "data.txt").write_text("data\n")
    return made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "images")


def test_the_digest_is_the_contents_and_nothing_else(registry: Registry, folder: Path) -> None:
    """Same content, same digest, whatever the tag and whatever Python has left there; other content, another one."""
    first = registry.push(folder, "team/app", "v1")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"\0")
    assert registry.push(folder, "team/app", "v2").digest == first.digest
    (folder / "sub" / "data.txt").write_text("other\n")
    assert registry.push(folder, "team/app", "v3").digest != first.digest


def test_the_digest_is_the_manifests(registry: Registry, folder: Path) -> None:
    """What ECR computes from the manifest is the digest that was returned."""
    pushed = registry.push(folder, "app", "v1")
    assert pushed.digest == "sha256:" + hashlib.sha256(pushed.manifest.encode()).hexdigest()


def test_a_tag_that_moves_leaves_its_old_content_under_its_digest(registry: Registry, folder: Path) -> None:
    """A release that names a digest keeps its content when somebody pushes the tag again."""
    old = registry.push(folder, "app", "v1")
    (folder / "__main__.py").write_text("print('new')\n")
    new = registry.push(folder, "app", "v1")
    program = registry.resolve(f"{HOST}/app@{old.digest}")
    assert program.content is not None
    assert (program.content / "app" / "__main__.py").read_text() == "print('hello')\n"
    assert [pushed.digest for pushed in registry.pushed()] == [new.digest]


def test_a_digest_that_is_known_already_is_run_whatever_its_tag_means_now(registry: Registry, folder: Path) -> None:
    """ECS resolves a tag once; since then it may have been moved, or be that of a push to another region."""
    old = registry.push(folder, "app", "v1")
    (folder / "new.txt").write_text("new")
    registry.push(folder, "app", "v1")
    content = registry.resolve(f"{HOST}/app:v1", old.digest).content
    assert content is not None
    assert not (content / "app" / "new.txt").exists()


def test_a_pushed_folder_that_is_changed_later_is_still_what_was_pushed(registry: Registry, folder: Path) -> None:
    """The registry keeps a copy."""
    registry.push(folder, "app", "v1")
    (folder / "__main__.py").write_text("print('changed')\n")
    content = registry.resolve(f"{HOST}/app:v1").content
    assert content is not None
    assert (content / "app" / "__main__.py").read_text() == "print('hello')\n"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (
            f"{HOST}/app:v2",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
            f"{HOST}/app:v2: {HOST}/app:v2: not found",
        ),
        (
            f"{HOST}/other",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
            f"{HOST}/other:latest: {HOST}/other:latest: not found",
        ),
        (
            "nobody/nothing:1",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
            "docker.io/nobody/nothing:1: pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed",
        ),
    ],
)
def test_an_image_that_is_not_there_fails_as_on_aws(registry: Registry, folder: Path, image: str, reason: str) -> None:
    """The text is the stopped reason that ECS gives."""
    registry.push(folder, "app", "v1")
    with pytest.raises(CannotPull) as failed:
        registry.resolve(image)
    assert str(failed.value) == reason


@pytest.mark.parametrize("image", [f"{HOST}/../images/app:v1", f"{HOST}/app:../../x", f"{HOST}/app@sha256:../x", ""])
def test_a_name_never_leads_out_of_the_registry(registry: Registry, folder: Path, image: str) -> None:
    """What is no image name is not looked for."""
    registry.push(folder, "app", "v1")
    with pytest.raises(CannotPull):
        registry.resolve(image)


def test_a_removed_tag_is_gone(registry: Registry, folder: Path) -> None:
    """Removing says whether there was anything."""
    registry.push(folder, "app", "v1")
    assert registry.remove("app", "v1")
    assert not registry.remove("app", "v1")
    with pytest.raises(CannotPull):
        registry.resolve(f"{HOST}/app:v1")


@pytest.mark.parametrize(
    ("repository", "tag"), [("App", "v1"), ("a", "v1"), ("app", ""), ("app", "-x"), ("../x", "v1")]
)
def test_a_name_that_ecr_would_refuse_is_refused(registry: Registry, folder: Path, repository: str, tag: str) -> None:
    """Nothing is kept under it."""
    with pytest.raises(ValueError, match=r"name|tag"):
        registry.push(folder, repository, tag)
    assert registry.pushed() == ()


def test_a_link_out_of_the_folder_is_refused(registry: Registry, folder: Path) -> None:
    """Nothing of the machine gets into an image by a link."""
    (folder / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="out of the folder"):
        registry.push(folder, "app", "v1")


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "nginx:1.27",
        "public.ecr.aws/nginx/nginx:stable",
        "public.ecr.aws/docker/library/nginx",
        "library/nginx",
    ],
)
def test_well_known_web_servers_run_without_being_pulled(registry: Registry, image: str) -> None:
    """Whatever the tag, and however the registry is spelt."""
    assert registry.resolve(image).command[0] == "python"


def test_the_dockerfile_says_what_runs(registry: Registry, folder: Path) -> None:
    """ENTRYPOINT, CMD and ENV of the last stage, in either form, over several lines."""
    (folder / "Dockerfile").write_text(
        'FROM a AS build\nCMD ["no"]\nFROM b\n# comment\nENV A=1 B="two words"\nENV C old form\n'
        'ENTRYPOINT ["python", \\\n  "serve.py"]\nCMD --port 80\n'
    )
    registry.push(folder, "app", "v1")
    program = registry.resolve(f"{HOST}/app:v1")
    assert program.entry_point == ("python", "serve.py")
    assert program.command == ("/bin/sh", "-c", "--port 80")
    assert program.environment == {"A": "1", "B": "two words", "C": "old form"}


def test_without_a_dockerfile_a_package_runs_itself(registry: Registry, folder: Path) -> None:
    """`python -m app`, whatever the folder was called."""
    registry.push(folder, "app", "v1")
    assert registry.resolve(f"{HOST}/app:v1").command == ("python", "-m", "app")


def test_a_dockerfile_that_cannot_be_read_is_refused_at_the_push(registry: Registry, folder: Path) -> None:
    """Better then than at every start of a task."""
    (folder / "Dockerfile").write_text('CMD ["python"\n')
    with pytest.raises(ValueError, match="JSON"):
        registry.push(folder, "app", "v1")
    with pytest.raises(ValueError, match="JSON"):
        dockerfile.read('ENTRYPOINT ["a", b]')
