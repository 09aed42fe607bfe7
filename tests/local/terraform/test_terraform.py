"""Terraform's AWS provider, which nobody here has written, as a client of the local AWS emulator.

Each stack is applied, planned again without any difference, changed, planned again, and destroyed without force. What
the provider reads it compares with what it wrote, field by field: an answer that AWS would not have given is a
difference. Nothing is downloaded: without Terraform and version 5.100.0 of the provider on the machine this is skipped.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.clock import SystemClock
from reconciler.local.aws import LaptopAws
from reconciler.local.scripted import ScriptedListeners, ScriptedTargets, ScriptedTasks
from reconciler.local.server import Server, serve
from reconciler.local.timings import Timings

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROVIDER = "registry.terraform.io/hashicorp/aws/5.100.0"
MIRRORS = ("/opt/tf-plugins", "~/.terraform.d/plugins")
NOTHING_TO_CHANGE, CHANGES = 0, 2
SECONDS = 600


@pytest.fixture
def server() -> Iterator[Server]:
    """Its tasks are none, and a second of it is a hundredth."""
    tasks = ScriptedTasks()
    laptop = LaptopAws(
        SystemClock(100),
        tasks,
        ScriptedTargets(tasks.healthy_at),
        ScriptedListeners(),
        timings=Timings.instant(),
    ).start()
    with serve("127.0.0.1", 0, laptop) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Terraform:
    program: str
    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def apply(self, **variables: Any) -> None:
        ended = self.run("apply", "-auto-approve", *LOOKS, *_given(variables))
        assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr

    def plan(self, **variables: Any) -> tuple[int, str]:
        """Whether there is something to change, and what."""
        ended = self.run("plan", "-detailed-exitcode", *LOOKS, *_given(variables))
        assert ended.returncode in (NOTHING_TO_CHANGE, CHANGES), ended.stdout[-4000:] + ended.stderr
        return ended.returncode, ended.stdout

    def destroy(self, **variables: Any) -> None:
        ended = self.run("destroy", "-auto-approve", *LOOKS, *_given(variables))
        assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr

    def resources(self) -> list[dict[str, Any]]:
        shown = json.loads(self.run("show", "-json").stdout)
        found: list[dict[str, Any]] = shown.get("values", {}).get("root_module", {}).get("resources", [])
        return [resource for resource in found if resource["mode"] == "managed"]


LOOKS = ("-input=false", "-no-color")


def _given(variables: dict[str, Any]) -> list[str]:
    return [f"-var={name}={value}" for name, value in variables.items()]


def _mirror() -> Path | None:
    """The folder of providers on this machine that has the one that is needed."""
    candidates = (Path(name).expanduser() for name in filter(None, (os.environ.get("TF_MIRROR"), *MIRRORS)))
    return next((folder for folder in candidates if (folder / PROVIDER).is_dir()), None)


def terraform(stack: str, place: Path, server: Server) -> Terraform:
    program, mirror = shutil.which("terraform"), _mirror()
    if program is None:
        pytest.skip("terraform is not on this machine")
    if mirror is None:
        pytest.skip("version 5.100.0 of Terraform's AWS provider is not on this machine")
    folder = Path(shutil.copytree(HERE / stack, place / stack))
    settings = place / "terraform.rc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    made = Terraform(
        program,
        folder,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    ended = made.run("init", *LOOKS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return made


def lives(made: Terraform, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Applied, left alone, changed, left alone, destroyed."""
    made.apply(**before)
    assert made.plan(**before)[0] == NOTHING_TO_CHANGE, made.plan(**before)[1]
    assert made.plan(**after)[0] == CHANGES
    made.apply(**after)
    assert made.plan(**after)[0] == NOTHING_TO_CHANGE, made.plan(**after)[1]
    made.destroy(**after)
    assert made.resources() == []


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_one_service(server: Server, tmp_path: Path, region: str) -> None:
    """A rolling service behind a load balancer; its image, its number of tasks and a tag of everything change."""
    made = terraform("one_service", tmp_path, server)
    before = {"region": region, "image": "public.ecr.aws/nginx/nginx:1.27", "desired_count": 2, "team": "one"}
    after = {**before, "image": "public.ecr.aws/nginx/nginx:1.28", "desired_count": 3, "team": "two"}
    lives(made, before, after)
    assert {world.region for world in server.laptop.regions} == {region}


def test_everything_that_teams_build_around_ecs(server: Server, tmp_path: Path) -> None:
    """Private subnets with NAT and endpoints, HTTPS, rules with every condition, every deployment controller, capacity
    providers, scaling, a schedule, and a registry."""
    made = terraform("everything", tmp_path, server)
    certificate, private_key = self_signed("app.example.com")
    before = {
        "region": "us-east-1",
        "image": "public.ecr.aws/nginx/nginx:1.27",
        "desired_count": 2,
        "team": "one",
        "certificate": certificate,
        "private_key": private_key,
    }
    after = {**before, "image": "public.ecr.aws/nginx/nginx:1.28", "desired_count": 3, "team": "two"}
    lives(made, before, after)


def self_signed(domain: str) -> tuple[str, str]:
    """A certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return (
        certificate.public_bytes(encoding).decode(),
        key.private_bytes(encoding, form, serialization.NoEncryption()).decode(),
    )
