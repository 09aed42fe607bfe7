"""Findings in every form somebody reads them in."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.load import Source, Specs, load_sources
from reconciler.spec.node import Position
from reconciler.spec.reports import FORMATS, Report, report, text
from tests.spec import folder

TYPO = """\
kind: DeploymentStrategy
name: careful
type: blue_green

green:
  healthy_within: 15m
  scale: 100
  max_failed_tasks: 3
test:
  - {http: /, expect: {status: 200, body: Hello}, times: 5, within: 1m}
promotion: {mode: timed, after: 2h}
teardonw: {after: 1h}
"""
DANGLING = """\
kind: Task
name: my-app-job
cluster: my-ap-cluster
run: once
task: {cpu: 256, memory: 512, containers: {job: {image: {registry: my-app-frontend, tag: v1}}}}
placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}
"""
SHOWN = """\
error[E1102]: unknown field 'teardonw' in DeploymentStrategy
  --> specs/deployment.yaml:12:1
   |
11 | promotion: {mode: timed, after: 2h}
12 | teardonw: {after: 1h}
   | ^^^^^^^^ did you mean 'teardown'?

error[E2001]: task 'my-app-job' refers to cluster 'my-ap-cluster', which no document defines
  --> specs/tasks.yaml:3:10
   |
 3 | cluster: my-ap-cluster
   |          ^^^^^^^^^^^^^ did you mean 'my-app-cluster' (specs/base.yaml:26)?

2 errors in 3 files (0.2 s). Nothing was sent to AWS.
"""


@pytest.fixture
def specs() -> Specs:
    """Two mistakes in two files beside a good one."""
    base = folder.BASE.split("---\n")
    texts = {
        "base.yaml": "---\n".join(base[:-1]),
        "deployment.yaml": TYPO,
        "tasks.yaml": DANGLING,
    }
    return load_sources([Source(name, f"specs/{name}", text.encode()) for name, text in texts.items()])


def tagged(part: str, style: str) -> str:
    return f"<{style}>{part}</>"


def test_text_shows_the_line_the_caret_and_the_hint(specs: Specs) -> None:
    """As a person reads it, to the character."""
    assert text(report(specs, seconds=0.21)) == SHOWN


def test_color_adds_to_the_text_and_changes_nothing(specs: Specs) -> None:
    """Without its styles, coloured text is the plain value."""
    painted = text(report(specs, seconds=0.21), paint=tagged)
    assert "<bold red>error[E1102]</>" in painted
    assert re.sub(r"<[a-z ]+>|</>", "", painted) == SHOWN


def test_hints_and_notes_all_have_a_place() -> None:
    """The hint stands at the caret, the notes below it."""
    at = Position("specs/a.yaml", 120, 3, 7)
    note = Note("the other one", Position("specs/b.yaml", 4, 1, 2))
    found = Diagnostic("W5001", "odd", at, hint="write that", notes=(note,), excerpt=((120, "  odds"),), caret=(3, 7))
    assert text(Report((found,), ("specs/a.yaml",))) == (
        "warning[W5001]: odd\n"
        "   --> specs/a.yaml:120:3\n"
        "    |\n"
        "120 |   odds\n"
        "    |   ^^^^ write that\n"
        "    = note: the other one (specs/b.yaml:4:1)\n"
        "\n"
        "1 warning in 1 file. Nothing was sent to AWS.\n"
    )


def test_a_finding_about_a_whole_folder_shows_no_line() -> None:
    """There is none to show."""
    shown = text(report(load_sources([], folder="specs")))
    assert shown == "error[E1013]: no documents in specs\n  --> specs\n\n1 error in 0 files. Nothing was sent to AWS.\n"


def test_nothing_wrong_is_said_too() -> None:
    """With how much was looked at."""
    assert (
        text(report(folder.lay(""), seconds=0.04))
        == "7 documents in 2 files, no problems found (0.0 s). Nothing was sent to AWS.\n"
    )


def test_json_has_everything_and_a_version(specs: Specs) -> None:
    """Programs read this one."""
    said = json.loads(FORMATS["json"](report(specs)))
    assert said["format_version"] == 1
    assert (said["ok"], said["errors"], said["warnings"], len(said["files"])) == (False, 2, 0, 3)
    assert said["diagnostics"][0] == {
        "rule": "E1102",
        "severity": "error",
        "message": "unknown field 'teardonw' in DeploymentStrategy",
        "file": "specs/deployment.yaml",
        "line": 12,
        "column": 1,
        "end_column": 9,
        "hint": "did you mean 'teardown'?",
        "notes": [],
    }


def test_github_annotates_the_line(specs: Specs) -> None:
    """One workflow command a finding, with what it reserves escaped."""
    first, _ = FORMATS["github"](report(specs)).splitlines()
    assert first == (
        "::error file=specs/deployment.yaml,line=12,col=1,endColumn=9,title=E1102::"
        "unknown field 'teardonw' in DeploymentStrategy; did you mean 'teardown'?"
    )
    odd = Diagnostic("W3001", "50%", Position("a,b:c.yaml", 1, 1, 2))
    assert (
        FORMATS["github"](Report((odd,)))
        == "::warning file=a%2Cb%3Ac.yaml,line=1,col=1,endColumn=2,title=W3001::50%25\n"
    )


def test_sarif_names_rules_and_regions(specs: Specs) -> None:
    """What code scanners ask of version 2.1.0: a driver with rules, results that point to them, regions."""
    said = json.loads(FORMATS["sarif"](report(specs)))
    assert said["version"] == "2.1.0"
    (run,) = said["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E1102", "E2001"]
    assert all(rule["shortDescription"]["text"] and rule["fullDescription"]["text"] for rule in rules)
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("E1102", 0, "error")
    region = {"startLine": 12, "startColumn": 1, "endLine": 12, "endColumn": 9}
    place = {"artifactLocation": {"uri": "specs/deployment.yaml"}, "region": region}
    assert first["locations"] == [{"physicalLocation": place}]


def test_sarif_relates_the_other_places() -> None:
    """Notes are related locations."""
    said = json.loads(FORMATS["sarif"](report(folder.lay("kind: Registry\nname: a1\n---\nkind: Registry\nname: a1\n"))))
    (related,) = said["runs"][0]["results"][0]["relatedLocations"]
    assert related["message"]["text"] == "first defined here"
    assert related["physicalLocation"]["region"]["startLine"] == 2


def test_junit_has_a_case_for_each_file(specs: Specs) -> None:
    """Files with errors fail, warnings are output, the rest pass."""
    suite = ElementTree.fromstring(FORMATS["junit"](report(specs, seconds=0.2)))
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("3", "2", "0.200")
    failed = {case.get("name"): case.find("failure") is not None for case in suite}
    assert failed == {"specs/base.yaml": False, "specs/deployment.yaml": True, "specs/tasks.yaml": True}
    warned = folder.lay("kind: Network\nname: other\ncidr: 11.0.0.0/20\n")
    suite = ElementTree.fromstring(FORMATS["junit"](report(warned)))
    (case,) = [case for case in suite if case.get("name") == "case.yaml"]
    assert case.find("failure") is None
    assert "W3001" in (case.findtext("system-out") or "")


def test_markdown_is_a_table_that_text_cannot_break(specs: Specs) -> None:
    """For a pull-request comment; what the user wrote is escaped."""
    shown = FORMATS["markdown"](report(specs))
    assert shown.startswith("✖ **2 errors in 3 files.**\n\n| | where | what |\n| --- | --- | --- |\n")
    assert "| ✖ E1102 | `specs/deployment.yaml:12:1` | unknown field 'teardonw' in DeploymentStrategy" in shown
    odd = Diagnostic("E1102", "unknown field '|<b>`*'", Position("a|`b.yaml", 1, 1, 2))
    assert (
        FORMATS["markdown"](Report((odd,))).splitlines()[-1]
        == "| ✖ E1102 | `a··b.yaml:1:1` | unknown field '\\|\\<b\\>\\`\\*' |"
    )
    assert (
        FORMATS["markdown"](report(folder.lay("")))
        == "✔ **Specs are valid.** 7 documents in 2 files, no problems found.\n"
    )


def test_a_long_line_is_shown_round_the_caret() -> None:
    """However long the line, the excerpt is short and the caret under the right character."""
    specs = folder.documents(f"{{kind: Registry, name: app, tags: {{x: '{'y' * 5000}'}}, foo: 1}}\n")
    (found,) = [found for found in specs.diagnostics if found.rule == "E1102"]
    ((_, line),) = found.excerpt
    assert len(line) <= 160
    assert line[found.caret[0] - 1 : found.caret[1] - 1] == "foo"


SERVICE = "kind: Service\nname: my-app-frontend\n"
ENVIRONMENT = SERVICE + "task:\n  containers:\n    frontend:\n      environment:"
SECRETS = {
    "correct-horse-battery": ENVIRONMENT + " {DB_PASSWORD: correct-horse-battery}\n",
    "hunter22": ENVIRONMENT + "\n        API_TOKEN: 'hunter22'\n        foo: [\n",
    "sw0rdfish": ENVIRONMENT + " [DB_PASSWORD=sw0rdfish]\n",
    "s3cr3tvalue": ENVIRONMENT.replace("environment", "secrets") + " {API_KEY: s3cr3tvalue}\n",
    "AKIAIOSFODNN7EXAMPLE": SERVICE + "foo: AKIAIOSFODNN7EXAMPLE\n",
    "p4ssw0rd": SERVICE + "foo: 'postgres://app:p4ssw0rd@db/app'\n",
    "l1sted": SERVICE + "traffic: {sign_in: {oidc: {client_secret: [l1sted]}}}\n",
    "m4pped": SERVICE + "traffic: {sign_in: {oidc: {client_secret: {value: m4pped}}}}\n",
    "unkn0wn": SERVICE + "traffic: {sign_in: {oidc: {client_secret_value: unkn0wn}}}\n",
    "c4mel": SERVICE + "traffic: {sign_in: {oidc: {ClientSecret: c4mel}}}\n",
    "anch0red": SERVICE + "client_secret: &secret anch0red\n",
    "it3m": SERVICE + "client_secret:\n  - it3m\nbar: 1\n",
    "bl0ck": SERVICE + "foo:\n  client_secret: |\n    abc\n    bl0ck\nbar: 1\n",
    "qu0ted": SERVICE + "client_secret: 'abc\n  qu0ted'\nbar: 1\n",
    "p4ired": ENVIRONMENT + " [{name: DB_PASSWORD, value: p4ired}]\n",
    "p4ired above": ENVIRONMENT + "\n      - name: DB_PASSWORD\n        value: p4ired above\n        - foo\n",
    "br0ken": SERVICE + "client_secret: @abc br0ken\n",
    "two w0rds": SERVICE + "client_secret: two w0rds: x\n",
    "4liased": SERVICE + "foo: &foo bar\n? *foo\n: bar\nclient_secret: [4liased]\n",
}


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_no_report_repeats_a_secret(secret: str, form: str) -> None:
    """Whatever is wrong near it, in whatever form."""
    specs = folder.lay(SECRETS[secret])
    assert specs.diagnostics
    assert secret not in FORMATS[form](report(specs))
    assert secret not in text(report(specs), paint=tagged)
