"""The guide of `import`: what it shows is done, on the emulator in this process."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

from reconciler.cli.output.exits import Exit
from tests.importing.account import TAGS_ONLY, account, writes

GUIDE = Path(__file__).parents[2] / "docs/guides/import.md"
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_what_the_guide_shows_is_what_import_writes(tmp_path: Path) -> None:
    """Its account, its report and its service, line by line, and an apply that only writes tags."""
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    (script,) = [text for form, text in blocks if form == "python"]
    (report,) = [text for form, text in blocks if form == "text"]
    (document,) = [text for form, text in blocks if form == "yaml"]
    with account(tmp_path) as made:
        with patch("boto3.client", lambda name, **_: made.client(name)):
            exec(compile(script, "shop.py", "exec"), {})
        made.stage.laptop.advance(300)
        ran = made.imported()
        assert ran.code == Exit.DONE, ran.out + ran.err
        assert report.strip() in ran.out.replace(str(made.folder), "specs")
        assert document in made.text("services/shop.yaml")
        stage = made.opened()
        stage.apply()
        assert set(writes(stage.transport.sent)) <= TAGS_ONLY
