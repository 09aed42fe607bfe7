"""The seed's specs, and a copy of them that moto alone can play: deployed by ECS's own rolling deployment, and from an
image that nobody has to push.
"""

from __future__ import annotations

import shutil
from pathlib import Path

SEED = Path(__file__).parents[2] / "specs"
PUSHED = "{registry: my-app-frontend, tag: v1}"
PUBLIC = "public.ecr.aws/nginx/nginx:1.27"


def rolling_seed(to: Path) -> Path:
    """A copy in `to`, which must not exist yet."""
    shutil.copytree(SEED, to)
    file = to / "services" / "frontend.yaml"
    text = file.read_text(encoding="utf-8").replace("deployment: careful", "deployment: plain")
    file.write_text(text.replace(PUSHED, PUBLIC), encoding="utf-8")
    (to / "plain.yaml").write_text("kind: DeploymentStrategy\nname: plain\ntype: rolling\n", encoding="utf-8")
    return to
