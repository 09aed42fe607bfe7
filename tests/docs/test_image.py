"""The image of the operator: what its Dockerfile promises, held without a container engine."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from reconciler import dockerfile
from reconciler.cli.commands.run import run as loop
from reconciler.cli.operator_specs import LISTEN, USER

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
NOT_IN_IT = "local/"
"""The local emulator, which needs libraries that the image has not."""

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
STARTERS = {
    module
    for contract in CONTRACTS
    for module in contract.get("allowed_importers", ())
    if contract["protected_modules"] in (["reconciler.local"], ["reconciler.cli.emulator"])
}
"""The modules that may import the emulator. The image has them, and they cannot be imported there."""


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in TEXT.splitlines() if not line.startswith("#")))
    parts = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest.strip()) for name, _, rest in parts]


def stage() -> list[tuple[str, str]]:
    """The last one, which is what runs."""
    found = instructions()
    last = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def said(name: str) -> list[str]:
    return [rest for instruction, rest in stage() if instruction == name]


def test_what_is_built_with_does_not_run() -> None:
    """Two stages on one slim base, which can be pinned; the last takes only what the first has made."""
    bases = [rest for name, rest in instructions() if name == "FROM"]
    assert [base.split()[0] for base in bases] == ["${PYTHON}", "${PYTHON}"]
    default, revision = [rest for name, rest in instructions() if name == "ARG"]
    assert revision == "REVISION="
    assert re.fullmatch(r"PYTHON=python:3\.\d+-slim-\w+", default)
    assert [line.split()[0] for line in said("COPY")] == ["--from=build"]
    assert not [line for line in said("RUN") if "pip" in line or "apt" in line]
    assert "ADD" not in {name for name, _ in instructions()}


def test_libraries_are_taken_by_their_hashes_only() -> None:
    """From the lock, all of it, and no source that would have to be built."""
    installs = [rest for name, rest in instructions() if name == "RUN" and " install " in rest]
    assert len(installs) == 1
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "-r /requirements-image.lock"):
        assert option in installs[0]
    lock = (ROOT / "requirements-image.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[\w.-]+==\S+", lock, re.MULTILINE)
    assert pins
    assert lock.count("==") >= len(pins)
    assert len(re.findall(r"^[\w.-]+==[^\n]*\\\n +--hash=sha256:", lock, re.MULTILINE)) == len(pins)


def test_it_runs_as_nobody_who_may_write_nothing() -> None:
    """A user by number, without a shell; what is written goes to a volume, and no bytecode beside the program."""
    assert said("USER") == [USER]
    assert USER != "0"
    assert f"--uid {USER}" in TEXT
    assert "--shell /usr/sbin/nologin" in TEXT
    assert said("VOLUME") == ["/tmp"]
    environment = dockerfile.read(TEXT).environment
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        assert environment[name].startswith("/tmp"), name
    assert environment["TEMP"] == "/dev/shm"


def test_it_is_the_product_and_asks_itself_how_it_is() -> None:
    """ENTRYPOINT and CMD are in the form without a shell, and stop on SIGTERM; the check needs no curl."""
    found = dockerfile.read(TEXT)
    assert found.entry_point == ("reconciler",)
    verb, *arguments = found.command
    assert verb == "run"
    context = loop.make_context("run", list(arguments))
    assert context.params["listen"] == LISTEN
    context.close()
    assert said("STOPSIGNAL") == ["SIGTERM"]
    (check,) = said("HEALTHCHECK")
    assert 'CMD ["python", "-m", "reconciler.server.probe"]' in check
    assert not {"curl", "wget"} & set(shlex.split(TEXT.replace("'", ""), comments=True))


def modules() -> Iterator[Path]:
    for file in sorted((ROOT / "reconciler").rglob("*.py")):
        if not file.relative_to(ROOT / "reconciler").as_posix().startswith(NOT_IN_IT):
            yield file


def test_every_library_that_is_imported_is_in_the_image() -> None:
    """What the lock lacks would be missed by the first task, at night."""
    lock = (ROOT / "requirements-image.lock").read_text(encoding="utf-8")
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    known = packages_distributions()
    missing: dict[str, str] = {}
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for top in {name.partition(".")[0] for name in names} - {"reconciler"} - sys.stdlib_module_names:
                owners = {one.lower().replace("_", "-") for one in known.get(top, [top])}
                if not owners & locked and not top.startswith("types_"):
                    missing.setdefault(top, str(file.relative_to(ROOT)))
    assert missing == {}


def test_nothing_but_the_program_and_its_lock_reaches_the_build() -> None:
    """No credentials, no history, no specs: what is not asked for is not sent."""
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line]
    assert lines[0] == "*"
    assert [line for line in lines if line.startswith("!")] == ["!reconciler", "!requirements-image.lock"]
    assert "reconciler/local" in lines
    copied = {line.split()[0] for name, line in instructions() if name == "COPY" and not line.startswith("--from")}
    assert copied == {"requirements-image.lock", "reconciler"}


def test_the_emulator_is_left_out_and_nothing_misses_it(tmp_path: Path) -> None:
    """The package as the build gets it, in a process of its own: every other module can be imported."""
    (left_out,) = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("reconciler/")
    ]
    shutil.copytree(
        ROOT / "reconciler",
        tmp_path / "reconciler",
        ignore=lambda folder, names: [
            name for name in names if name == "__pycache__" or (ROOT / left_out) == Path(folder) / name
        ],
    )
    program = """
import importlib, pathlib, pkgutil, sys, reconciler
assert pathlib.Path(reconciler.__file__).is_relative_to(sys.argv[1]), reconciler.__file__
failed = []
for found in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        assert error.name == "reconciler.local", error
        failed.append(found.name)
print(*failed)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "reconciler.cli.emulator" in ran.stdout.split()
    assert set(ran.stdout.split()) <= STARTERS
    lock = (ROOT / "requirements-image.lock").read_text(encoding="utf-8")
    assert not re.findall(r"^(moto|werkzeug|aiohttp)==", lock, re.MULTILINE)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_probe_says_how_the_operator_is(status: int | None, code: int) -> None:
    """200 is well; another answer, or none, is not. It loads nothing of the product."""
    import http.server
    import threading

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Health)
    url = f"http://127.0.0.1:{server.server_port}/healthz"
    thread = threading.Thread(target=server.handle_request, daemon=True)
    if status is None:
        server.server_close()
    else:
        thread.start()
    command = [sys.executable, "-X", "importtime", "-m", "reconciler.server.probe", url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env={**os.environ})
    if status is not None:
        thread.join(timeout=10)
        server.server_close()
    assert ran.returncode == code
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if "|" in line}
    assert {name for name in loaded if name.startswith("reconciler")} <= {"reconciler", "reconciler.server"}
    assert not {"boto3", "pydantic", "click", "structlog"} & loaded
