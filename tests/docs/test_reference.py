"""The reference leaves nothing out: every tag that is written, every environment variable that is read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from docs import environment, limits, tags
from reconciler.model import ownership
from reconciler.model.image_tags import IMAGES
from reconciler.model.resource import Address
from reconciler.model.tagging import PER_RESOURCE
from reconciler.model.type_registry import discover
from reconciler.rollout.stored_state import KEYS, VERDICT_KEYS
from reconciler.spec import tag_limits

ROOT = Path(__file__).parents[2]
COMPUTED = {"reconciler/rollout/stored_state.py": {*KEYS.values(), *VERDICT_KEYS}}
"""Files that make keys out of names, and which."""


def keys_in(tree: ast.Module) -> tuple[set[str], bool]:
    """Tag keys in a file, as texts or as `PREFIX` with a text behind it; and whether it makes others."""
    found, computed = set[str](), False
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} if re.fullmatch(r"reconciler:[a-z-]+", node.value) else set()
        if not isinstance(node, ast.JoinedStr) or not node.values:
            continue
        first, *rest = node.values
        prefixed = isinstance(first, ast.FormattedValue) and ast.unparse(first.value) in ("PREFIX", "ownership.PREFIX")
        if prefixed and len(rest) == 1 and isinstance(rest[0], ast.Constant):
            found.add(ownership.PREFIX + str(rest[0].value))
        elif prefixed or (isinstance(first, ast.Constant) and str(first.value).startswith(ownership.PREFIX)):
            computed = True
    return found, computed


def test_every_tag_is_in_the_reference() -> None:
    """Found in the syntax trees of the product; the reference lists them and no others."""
    written: set[str] = set()
    for file in sorted((ROOT / "reconciler").rglob("*.py")):
        found, computed = keys_in(ast.parse(file.read_text(encoding="utf-8")))
        path = str(file.relative_to(ROOT))
        assert not computed or path in COMPUTED, f"{path} makes tag keys out of names: add it to COMPUTED"
        written |= found | COMPUTED.get(path, set())
    listed = [tag.key for group in tags.GROUPS for tag in group.tags]
    assert len(listed) == len(set(listed))
    assert set(listed) == written


def test_every_tag_says_who_may_edit_it_and_what_it_is_for() -> None:
    """No cell of the table is empty, and an example is a value that AWS takes."""
    for group in tags.GROUPS:
        for tag in group.tags:
            assert all((tag.format, tag.example, tag.editing, tag.loss)), tag.key
            assert re.fullmatch(r"[\w\s.:/=+\-@]{1,256}", tag.example), tag.key


ON = {
    "Rollout state": "service",
    "Requests for a stack": "service",
    "Certificates of domains": "domain-certificate",
    "Tasks": "task",
    "Task definitions": "task-definition",
}
"""The type that has the tags of a group beside those of its desired state. A task set has fewer than its service."""


def test_every_type_says_how_many_tags_it_is_given() -> None:
    """`validate` counts with it. The repositories of a revision are part of its desired state."""
    given = dict.fromkeys(discover(), 0)
    for group in tags.GROUPS:
        if group.title in ON:
            given[ON[group.title]] += sum(tag.key != IMAGES for tag in group.tags)
    assert given == {kind: found.tag_rules.added for kind, found in discover().items()}


def test_a_resource_with_few_tags_has_room() -> None:
    """Specs with no more of them are not compiled to be counted: besides, there are the tags of ownership, a name and
    the repositories of a revision.
    """
    own = [*ownership.tags_for("shop", Address("a", "b"), protect=True, declared={"team": "web"}, name="b"), IMAGES]
    most = max(found.tag_rules.added for found in discover().values())
    assert tag_limits.FEW + len(own) + most <= PER_RESOURCE


def test_every_environment_variable_is_in_the_reference() -> None:
    """Every `os.environ`, `getenv` and `envvar=` in the sources, and nothing that is not read."""
    assert set(environment.reads()) == set(environment.MEANINGS)


def test_reads_of_the_environment_are_found_in_every_form() -> None:
    """The test above would see a new one."""
    forms = """
NAME = "A_CONSTANT"
os.environ.get("A_GET"); os.environ["A_SUBSCRIPT"]; os.getenv("A_GETENV"); environ.get(NAME); "AN_IN" in os.environ
os.environ.pop("A_POP"); click.option("--x", envvar="AN_ENVVAR")
"""
    found = set(environment._names(ast.parse(forms), "reconciler/somewhere.py"))
    assert found == {"A_CONSTANT", "A_GET", "A_SUBSCRIPT", "A_GETENV", "AN_IN", "A_POP", "AN_ENVVAR"}


def test_keys_of_tags_are_found_in_every_form() -> None:
    """The test above would see a new one."""
    forms = 'A = "reconciler:plain"\nB = f"{ownership.PREFIX}joined"\nC = f"{PREFIX}{name}"\nD = "reconciler: no key"'
    assert keys_in(ast.parse(forms)) == ({"reconciler:plain", "reconciler:joined"}, True)


def test_every_limit_is_in_the_reference() -> None:
    """Whatever limits what comes from outside; a constant that is new is listed there, or here with its reason."""
    listed = [constant for rows in limits.GROUPS.values() for _, constant, _, _ in rows]
    assert len(listed) == len(set(listed))
    for constant in listed:
        assert limits.value(constant) > 0, constant
    named = re.compile(r"^((?:MOST|LARGEST|LONGEST|DEEPEST)[A-Z_]*)\b[^=\n]*= ", re.MULTILINE)
    found = set[str]()
    for package in ("source", "spec", "aws", "server", "notifications", "controller"):
        for file in sorted((ROOT / "reconciler" / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT / "reconciler").with_suffix("").parts).removesuffix(".__init__")
            found |= {f"{module}.{name}" for name in named.findall(file.read_text(encoding="utf-8"))}
    assert found - {*listed, *OF_OUR_OWN} == set()
    assert OF_OUR_OWN - found == set()


OF_OUR_OWN = frozenset(
    {
        "aws.response_cache.LARGEST",  # files that we wrote
        "aws.response_cache.MOST",
        "controller.commit_reporter.MOST",
        "controller.revisions.MOST_TOLD",
        "controller.schedule.MOST_DOUBLINGS",
        "notifications.commit_notifier.LONGEST_PAUSE",
        "notifications.commit_notifier.MOST_REMEMBERED",
        "notifications.forge.MOST_COMMITS",
        "notifications.forge_api.LONGEST_PAUSE",
        "notifications.forge_api.LONGEST_REASON",
        "notifications.message.LONGEST",
        "notifications.notifier.MOST_REMEMBERED",
        "notifications.webhook_client.LONGEST_PAUSE",
        "server.metrics.MOST_SERVICES",
        "source.archive.LARGEST",  # of what is stored
        "source.git.MOST_PACKS",
        "source.git_history.MOST",
        "source.transport.LONGEST_COMPLAINT",
        "spec.checks.listener_rules.MOST_CONDITIONS",  # AWS's own
        "spec.checks.policies.LARGEST_INLINE",
        "spec.checks.policies.MOST_MANAGED",
        "spec.checks.security_groups.MOST_RULES",
        "spec.checks.service_connect.MOST_TASKS",
        "spec.checks.tasks.LARGEST_DEFINITION",
        "spec.checks.tasks.MOST_CONTAINERS",
        "spec.checks.tasks.MOST_FIELDS",
        "spec.queries.LONGEST_PORT_NAME",
        "spec.scalar.LONGEST_NUMBER",
    }
)
"""Limits of what is told, kept or repeated, and quotas of AWS that `validate` knows."""
