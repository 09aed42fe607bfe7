"""The document classes as such."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from reconciler.spec.documents import KINDS, Block, Network
from reconciler.spec.documents.secret import SecretReference
from reconciler.spec.load import load
from tests.spec import folder

SEED = Path(__file__).parents[2] / "specs"


def blocks(block: type[Block] = Block) -> list[type[Block]]:
    return [block, *(found for child in block.__subclasses__() for found in blocks(child))]


def test_no_field_is_read_by_pydantics_own_rules() -> None:
    """pydantic takes "yes" for true, 1.0 for 1 and "5" for 5; every scalar field here has our own reading before it."""
    bare = (bool, int, float, timedelta)
    loose = []
    for block in blocks():
        for name, info in block.model_fields.items():
            own = bool(info.metadata) or name == "name"  # Document's name is spelled by each kind
            if (info.annotation in (*bare, str) and not own) or any(part in bare for part in get_args(info.annotation)):
                loose.append(f"{block.__name__}.{name}")
    assert loose == []


def test_documents_cannot_be_changed() -> None:
    """What was checked is what is compiled."""
    stack = folder.lay("").stack
    assert stack is not None
    with pytest.raises(ValueError, match="frozen"):
        stack.name = "other"  # type: ignore[misc]  # that it is refused is the point


@pytest.mark.parametrize(
    ("subnet", "table"),
    [
        ("app-public1-a", "public1-a"),
        ("app-private1-a", "private1-a"),
        ("public", "public"),
        ("data-a", "data-a"),
        ("my-private-public", "private-public"),
    ],
)
def test_a_route_table_is_named_from_public_or_private_on(subnet: str, table: str) -> None:
    """So subnets of one sort and zone share a table without saying so."""
    found = {"name": subnet, "zone": "us-west-2a", "cidr": "10.0.0.0/24", "access": "public"}
    network = {"name": "n", "cidr": "10.0.0.0/16", "subnets": [found]}
    assert Network.model_validate(network).subnets[0].table == table


PARAMETER = "arn:aws:ssm:us-west-2:123456789012:parameter/a"


@pytest.mark.parametrize(
    "reference",
    [
        SecretReference("ssm", name="/my-app/key", written="ssm:/my-app/key"),
        SecretReference("secretsmanager", name="db", written="secretsmanager:db"),
        SecretReference("secretsmanager", name="db", key="password", written="secretsmanager:db:password::"),
        SecretReference("ssm", arn=PARAMETER, written=PARAMETER),
    ],
    ids=str,
)
def test_secrets_are_references(reference: SecretReference) -> None:
    """ssm:/path, secretsmanager:name[:json-key[:stage[:version]]], or an ARN."""
    task = f"{{containers: {{frontend: {{secrets: {{KEY: '{reference}'}}}}}}}}"
    specs = folder.lay(f"kind: Service\nname: my-app-frontend\ntask: {task}\n")
    assert specs.diagnostics == ()
    assert specs.services[0].task.containers["frontend"].secrets["KEY"].value_from == reference


def test_every_document_takes_adopt_protect_and_tags() -> None:
    """Whatever it is about."""
    for kind in KINDS.values():
        assert {"kind", "name", "adopt", "protect", "tags"} <= set(kind.model_fields)
        assert kind.model_fields["kind"].default == kind.__name__


def test_documents_explain_themselves() -> None:
    """Every block has a docstring; it is the description that editors and the reference show."""
    for block in blocks():
        assert block.__doc__ is not None
        assert not block.__doc__.startswith(BaseModel.__doc__ or "!")


@pytest.mark.parametrize("environment", [None, "staging", "production"])
def test_the_seed_is_valid_without_a_warning(environment: str | None) -> None:
    """The specs that a newcomer starts from."""
    specs = load(SEED, environment)
    assert [str(found) for found in specs.diagnostics] == []
    assert len(specs.documents) == 8
    assert specs.stack_id == ("my-app" if environment is None else f"my-app@{environment}")


def test_loading_needs_neither_boto3_nor_deepdiff() -> None:
    """`validate` starts fast and cannot call AWS."""
    program = (
        "import sys; from pathlib import Path; from reconciler.spec.load import load; load(Path(sys.argv[1]));"
        "print([name for name in ('boto3', 'botocore', 'deepdiff', 'moto') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_any_python_value_is_refused_in_our_words() -> None:
    """No value that YAML can hold makes a field speak pydantic."""
    words: dict[str, Any] = {"text": "x", "number": 1, "flag": "true", "list": "[]", "map": "{}"}
    for kind, block in KINDS.items():
        for field in block.model_fields:
            for value in words.values():
                if field in ("kind", "name"):
                    continue
                for found in folder.documents(f"kind: {kind}\nname: a-name\n{field}: {value}\n").diagnostics:
                    assert "pydantic" not in found.message.lower()
                    assert "is not valid here" not in found.message, (kind, field, value)
