"""The site has every page of the documentation, and its links lead to the headings that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NOT_IN_NAV = "decisions/"
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")


def listed(entry: Any) -> Iterator[str]:
    match entry:
        case str():
            yield entry
        case list() | dict():
            for one in entry.values() if isinstance(entry, dict) else entry:
                yield from listed(one)


def headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them: of the words of each heading, with a number where it stands again."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(next(name for name in (anchor, *(f"{anchor}-{n}" for n in range(1, 99))) if name not in found))
    return found


def test_every_page_has_its_place_in_the_navigation() -> None:
    """Once, but for the decisions, which have a page that lists them."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["not_in_nav"] == NOT_IN_NAV
    pages = [page.relative_to(DOCS).as_posix() for page in PAGES]
    assert sorted(listed(site["nav"])) == [page for page in pages if not page.startswith(NOT_IN_NAV)]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES], ids=lambda page: page.name)
def test_links_to_headings_lead_to_one(page: Path) -> None:
    """Of the same page or of another one."""
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    wrong = [
        f"{target}#{anchor}"
        for target, anchor in links
        if "://" not in target and anchor not in headings(page.parent / target if target else page)
    ]
    assert wrong == []
