"""The guide to renaming: what it shows is valid, and moves what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from reconciler.spec.compile import compile_specs
from reconciler.spec.load import load
from tests.harness.seed import SEED

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "rename-and-move.md"
SERVICE, NETWORK = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_what_the_guide_shows_moves_a_service_and_a_subnet(tmp_path: Path) -> None:
    """Over the example specs: everything of the service goes with it, and the renamed subnet."""
    specs = Path(shutil.copytree(SEED, tmp_path / "specs"))
    for file, old, new in (
        (specs / "services" / "frontend.yaml", "kind: Service\nname: my-app-frontend\n", SERVICE),
        (specs / "network.yaml", "{name: app-private1-a,", "{name: core-private1-a, moved_from: app-private1-a,"),
    ):
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
    assert "{name: core-private1-a, moved_from: app-private1-a," in NETWORK
    shutil.rmtree(specs / "environments")

    loaded = load(specs)

    assert loaded.ok, loaded.diagnostics
    moved = {str(want.address): str(want.moved.old) for want in compile_specs(loaded, account="1" * 12) if want.moved}
    assert moved == {
        "role/frontend-execution": "role/my-app-frontend-execution",
        "service/frontend": "service/my-app-frontend",
        "subnet/core-private1-a": "subnet/app-private1-a",
        "task-definition/frontend": "task-definition/my-app-frontend",
    }
