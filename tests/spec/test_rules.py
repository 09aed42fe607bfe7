"""The catalogue of rules and the code agree."""

from __future__ import annotations

import re
from pathlib import Path

import reconciler.spec
from reconciler.spec.rules import catalogue
from tests.spec.test_refusals import CASES, SHOWN_WRONG

PACKAGE = Path(reconciler.spec.__file__).parent
ID = re.compile(r"\"([EW]\d{4})\"")
ELSEWHERE = {
    "test_discovery.py": {
        *("E1001", "E1002", "E1003", "E1004", "E1011", "E1012", "E1013", "E1014", "E1018", "E1019", "E1021", "E1139"),
    },
    "test_limits.py": {"E1005", "E1006", "E1020", "E1023"},
    "test_environments.py": {"E1114", "E2028"},
    "test_other_spellings.py": {"W1144"},
    "test_secret_versions.py": {"W1155"},
}
"""Rules that only a whole folder can break, and the tests that do."""


def test_every_rule_in_the_code_is_in_the_catalogue_and_the_other_way_round() -> None:
    """No finding is without an explanation, and no explanation without a finding."""
    used: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if "compile" not in path.parts:
            used |= set(ID.findall(path.read_text(encoding="utf-8")))
    assert used == set(catalogue())


def test_every_rule_is_provoked_by_a_test() -> None:
    """A rule that nothing can break is not a rule."""
    provoked = set(SHOWN_WRONG) | {find.split()[0] for case in CASES for find in case.finds}
    for name, ids in ELSEWHERE.items():
        text = Path(__file__).with_name(name).read_text(encoding="utf-8")
        assert ids <= set(re.findall(r"[EW]\d{4}", text)), name
        provoked |= ids
    assert set(catalogue()) - provoked == set()


def test_every_rule_says_what_and_why() -> None:
    """Titles are short and lower-case like the messages; reasons are sentences."""
    for rule in catalogue().values():
        assert len(rule.title) <= 72, rule.id
        assert rule.why.endswith((".", "4096", "8192")), rule.id
        assert re.fullmatch(r"[EW][1-7]\d{3}", rule.id)
        shown = rule.title + rule.why + rule.bad + rule.good + rule.source
        assert shown.replace("\n", "").isprintable(), rule.id
