"""Hostile files are left at the first breach: little time, little memory, one finding."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from reconciler.spec import checks, parse
from reconciler.spec import load as load_module
from tests.spec import folder

KIBI = 1024
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 30)
)


def test_fifty_levels_are_allowed_and_fifty_one_are_not() -> None:
    """The limit is where it is said to be."""
    allowed = folder.alone("a: " + "[" * 49 + "]" * 49)
    assert folder.rules(allowed) == {"E1101"}
    (found, *_) = folder.alone("a: " + "[" * 50 + "]" * 50).diagnostics
    assert folder.told(found) == "E1005 case.yaml 1:53 ["


def test_an_alias_bomb_goes_off_in_nobodys_memory() -> None:
    """Aliases count for all that they repeat, so the limit is reached within the first lines."""
    (found,) = folder.alone(BOMB).diagnostics
    assert found.rule == "E1006"
    assert found.position.line == 5


@pytest.mark.slow
def test_values_are_counted_over_all_documents() -> None:
    """Splitting a bomb over documents does not help it."""
    each = 5  # a mapping, two keys, two values
    fitting = [f"---\n{{kind: Registry, name: app{number}}}\n" for number in range(parse.MOST_VALUES // each)]
    assert folder.rules(folder.alone("".join(fitting))) == {"E1114"}
    assert folder.rules(folder.alone("".join(fitting) + "---\n1\n")) == {"E1006"}


def test_anchors_do_not_reach_into_the_next_document() -> None:
    """An anchor belongs to its document."""
    found = folder.alone("kind: &k Registry\nname: one\n---\nkind: *k\nname: two\n")
    assert "E1017" in folder.rules(found)


def test_an_alias_repeats_a_value_at_its_place() -> None:
    """Aliases work, and what they repeat keeps the place where it was written."""
    specs = folder.documents("kind: Registry\nname: one\ntags: {a: &x b, c: *x}\n")
    assert specs.registries[0].tags == {"a": "b", "c": "b"}
    assert specs.where(specs.registries[0], "tags", "c").column == 11


def test_findings_have_an_end() -> None:
    """Five hundred are shown, and a line that says there are more."""
    found = folder.alone("---\nkind: Clustre\nname: x\n" * 600).diagnostics
    assert len(found) == checks.MOST_FINDINGS + 1
    assert found[-1].rule == "E1020"


def test_documents_and_services_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One finding says so, at the first document that is too many."""
    monkeypatch.setattr(load_module, "MOST_DOCUMENTS", 4)
    monkeypatch.setattr(load_module, "MOST_SERVICES", 2)
    text = "".join(f"---\nkind: Service\nname: s{number}\n" for number in range(4)) + "---\nkind: Cluster\nname: c\n"
    found = [one for one in folder.alone(text).diagnostics if one.rule == "E1023"]
    assert [(one.position.line, one.message) for one in found] == [
        (8, "more than 2 services"),
        (14, "more than 4 documents"),
    ]


HOSTILE = {
    "a million open brackets": "'[' * (1024 * K)",
    "a million nested lists": "'- ' * (512 * K)",
    "a million open mappings": "'{a: ' * (200 * K)",
    "tag directives": "''.join(f'%TAG !a{n}! x\\n' for n in range(60000))",
    "a list of everything": "'kind: Cluster\\nname: a\\ncapacity_providers: [' + 'a,' * (520 * K) + ']'",
    "as many wrong values as fit": "'kind: Cluster\\nname: a\\ncapacity_providers: [' + 'a,' * 49000 + ']'",
    "as many unknown fields as fit": "'kind: Cluster\\nname: a\\n' + ''.join(f'kund{n}: 1\\n' for n in range(24000))",
    "as many documents as fit": "'---\\nkind: Registry\\nname: a\\n' * 9900",
    "a quote that never closes": "'a: \"' + 'x' * (1000 * K)",
    "a key of a million characters": "'a' * (1000 * K) + ': b'",
    "a number of a million digits": "'kind: Service\\nname: a\\ndesired_count: ' + '9' * (1000 * K)",
    "a secret of a million characters": "'kind: Service\\nname: a\\nx: \"' + 'PASSWORD_' * (100 * K) + '\"'",
    "a million line breaks": "'a: \"\\0' + '\\n' * (1000 * K)",
    "subnets that all overlap": "'kind: Network\\nname: n\\ncidr: 10.0.0.0/16\\nsubnets:\\n' + "
    "''.join(f'- {{name: s{n}, zone: us-west-2a, cidr: 10.0.0.0/16, access: public}}\\n' for n in range(4500))",
    "references that almost exist": "''.join(f'---\\nkind: Cluster\\nname: cluster-{n:06}\\n' for n in range(4000)) + "
    "''.join(f'---\\nkind: Role\\nname: cluster-{n:06}x\\nassumed_by: a.amazonaws.com\\n' for n in range(3000))",
}
MEASURE = """
import json, pathlib, re, resource, sys, time
from reconciler.spec.load import Source, load_sources
from reconciler.spec.reports import report, text
K = 1024
status = pathlib.Path("/proc/self/status")
def most():
    # Linux hands ru_maxrss on from the process that started this one; the status file does not
    if status.exists():
        return int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
load_sources([Source("x.yaml", "x.yaml", b"{kind: Stack, name: a, region: us-west-2}")])
for line in sys.stdin:
    name, made = json.loads(line)
    data = eval(made).encode()[: 1024 * K]
    began = time.process_time()
    specs = load_sources([Source("x.yaml", "x.yaml", data)])
    shown = text(report(specs))
    seconds = time.process_time() - began
    memory = most()
    print(json.dumps([name, round(seconds, 2), memory, len(specs.diagnostics), len(shown)]), flush=True)
"""


def test_hostile_files_take_little_time_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is refused within seconds and within 200 MB, and what is printed stays readable."""
    import json

    lines = "".join(json.dumps([name, made]) + "\n" for name, made in HOSTILE.items())
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE)],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    with capsys.disabled():
        slowest = max(results, key=lambda result: result[1])
        print(f"\n{len(results)} hostile files: slowest {slowest[1]} s ({slowest[0]}), {results[-1][2]} MB")
    assert [result[0] for result in results] == list(HOSTILE)
    for name, seconds, memory, findings, shown in results:
        assert findings >= 1, name
        assert seconds < 5, name  # under a second on an idle machine
        assert memory < 200, name
        assert shown < 300_000, name
