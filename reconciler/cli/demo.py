"""demo: the main job on this machine, without an AWS account: apply, no drift, a new version, apply."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.exits import Exit

REGION = "us-west-2"
REGISTRY = "my-app-frontend"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def demo(folder: Path | None) -> int:
    """Apply the specs to an AWS inside this process, change the image's tag, and apply again."""
    source = options.find_specs(folder)
    with _aws() as endpoint, tempfile.TemporaryDirectory(prefix="reconciler-demo-") as scratch:
        specs = Path(scratch) / "specs"
        shutil.copytree(source, specs)
        _say("An AWS runs in this process. First, everything is made:", "reconciler apply specs")
        _run(["apply", str(specs), "--auto-approve"], endpoint, Exit.DONE)
        for tag in ("v1", "v2"):
            _push(endpoint, tag)
        _say(
            "v1 and v2 of the app are pushed. What was started by its tag is now pinned to what the tag means:",
            "reconciler apply specs",
        )
        _run(["apply", str(specs), "--auto-approve"], endpoint, Exit.DONE)
        _say("A second look finds nothing to do, and has written nothing:", "reconciler diff specs")
        _run(["diff", str(specs)], endpoint, Exit.DONE)
        service = specs / "services" / "frontend.yaml"
        service.write_text(service.read_text(encoding="utf-8").replace("tag: v1", "tag: v2"), encoding="utf-8")
        _say("Now the image's tag is changed from v1 to v2 in specs/services/frontend.yaml:", "reconciler diff specs")
        _run(["diff", str(specs)], endpoint, Exit.PENDING)
        _say("And applied:", "reconciler apply specs")
        _run(["apply", str(specs), "--auto-approve"], endpoint, Exit.DONE)
        _run(["diff", str(specs)], endpoint, Exit.DONE)
    return Exit.DONE


@contextmanager
def _aws() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _push(endpoint: str, tag: str) -> None:
    from reconciler.aws.session import Boto
    from reconciler.model.resource import Call

    image = {
        "repositoryName": REGISTRY,
        "imageManifest": f'{{"schemaVersion": 2, "config": {{"digest": "{tag}"}}}}',
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "imageTag": tag,
    }
    Boto(REGION, endpoint=endpoint, anonymous=True).perform(Call("ecr", "PutImage", image))


def _run(arguments: list[str], endpoint: str, expected: Exit) -> None:
    environment: dict[str, Any] = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
    }
    ended = subprocess.run([sys.executable, "-m", "reconciler", *arguments], env=environment, check=False)
    click.echo(f"exit {ended.returncode}")
    if ended.returncode != expected:
        raise click.ClickException(f"expected exit {int(expected)}")


def _say(text: str, command: str) -> None:
    click.echo(f"\n{text}\n$ {command}")
