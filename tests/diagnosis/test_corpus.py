"""Every failure that AWS is known to report leads to its cause, and to no other; what is not known stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.diagnosis import classify, observations, root_cause
from reconciler.diagnosis.cause import SILENT, UNKNOWN, table
from reconciler.diagnosis.report import Diagnosis, Evidence, Known, KnownContainer, Story

FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
CASES = [(file.stem, case) for file in FILES for case in yaml.safe_load(file.read_text(encoding="utf-8"))]
KNOWN_CASES = [pytest.param(case, id=f"{file}: {case['name']}") for file, case in CASES if file != "unknown"]
UNKNOWN_CASES = [pytest.param(case, id=case["name"]) for file, case in CASES if file == "unknown"]
STORY = Story("service/api", "8d02c1f0", "scaling_up")


def evidence(case: Mapping[str, Any]) -> Evidence:
    """A case's payload, as it comes from AWS."""
    known = case.get("known", {})
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Evidence(
        tasks=(observations.task({"lastStatus": "STOPPED", **case["task"]}),) if "task" in case else (),
        targets=tuple(observations.target(item) for item in case.get("targets", ())),
        events=observations.events({"message": text, "createdAt": moment} for text in case.get("events", ())),
        rollout=case.get("rollout", ""),
        log=tuple(case.get("log", ())),
        known=Known(
            containers={name: KnownContainer(**fields) for name, fields in known.get("containers", {}).items()},
            **{name: text for name, text in known.items() if name != "containers"},
        ),
    )


def concluded(case: Mapping[str, Any]) -> Diagnosis:
    return root_cause.conclude(evidence(case), STORY)


@pytest.mark.parametrize("case", KNOWN_CASES)
def test_a_payload_leads_to_its_cause(case: Mapping[str, Any]) -> None:
    """What AWS reports is told as the cause that it is, with the names that AWS said."""
    found = concluded(case).finding

    assert found.id == case["cause"], found
    assert [word for word in case.get("tells", ()) if word not in found.text] == []
    assert "{" not in found.text
    assert "{" not in found.check


@pytest.mark.parametrize("case", [case for case in KNOWN_CASES if "task" in case.values[0]])
def test_a_stop_counts_against_the_release_unless_it_was_nobodys_fault_or_meant(case: Mapping[str, Any]) -> None:
    """The circuit breaker counts a stopped task exactly if its cause is the release's."""
    seen = evidence(case)

    assert classify.counts_as_failure(seen.tasks[0], seen.known.essential) is case.get("counts", True)


@pytest.mark.parametrize("case", [case for case in KNOWN_CASES if "blames" in case.values[0]])
def test_a_diagnosis_says_whether_the_release_is_to_blame(case: Mapping[str, Any]) -> None:
    """What passes by itself sends nobody to the specs."""
    assert concluded(case).finding.counts is case["blames"]


@pytest.mark.parametrize("case", UNKNOWN_CASES)
def test_what_is_not_known_is_shown_in_the_words_of_aws(case: Mapping[str, Any]) -> None:
    """A text that fits no row is never given a cause; it is shown as it came."""
    found = concluded(case).finding

    assert found.id == UNKNOWN.id, found
    assert case["shows"] in found.text
    assert not found.known


@pytest.mark.parametrize("case", [case for case in UNKNOWN_CASES if "task" in case.values[0]])
def test_an_unknown_stop_counts_if_its_code_says_that_the_task_failed(case: Mapping[str, Any]) -> None:
    """Where the cause is unknown the stopCode decides, and a code that is new does not count."""
    assert classify.counts_as_failure(evidence(case).tasks[0]) is case.get("counts", True)


def test_every_row_of_the_table_is_met_by_a_payload() -> None:
    """No row is there that nothing leads to."""
    met = {case["cause"] for _, case in CASES if "cause" in case}

    assert {cause.id for cause in table()} - met == set()


def test_every_match_of_every_row_is_met_by_a_payload() -> None:
    """No pattern is there that nothing of what AWS says fits."""
    signs = [sign for _, case in CASES for sign in signs_of(evidence(case))]

    idle = [
        (cause.id, match)
        for cause in table()
        for match in cause.matches
        if not any(classify.find(sign, (replace(cause, matches=(match,)),)) for sign in signs)
    ]
    assert idle == []


def signs_of(seen: Evidence) -> list[classify.Sign]:
    texts = [*(event.message for event in seen.events), seen.rollout]
    return [
        *(classify.sign_of_task(task, seen.known.essential) for task in seen.tasks),
        *(classify.sign_of_target(target) for target in seen.targets),
        *(classify.sign_of_text(text) for text in texts),
        classify.sign_of_log(seen.log),
    ]


def test_every_row_can_be_told_when_nothing_is_known() -> None:
    """Explanations and checks are one line each, and need no value that AWS might not say."""
    for cause in (*table(), UNKNOWN, SILENT):
        for template in (cause.explanation, cause.check):
            told = classify.filled(template, {"raw": "x"})
            assert told or template == "", cause.id
            assert "{" not in told, cause.id
            assert "\n" not in template, cause.id
        assert cause.title, cause.id
        assert cause.matches or cause in (UNKNOWN, SILENT), cause.id


def test_ids_are_unique() -> None:
    """A cause is known by its id wherever it is stored."""
    assert len({cause.id for cause in table()}) == len(table())


def test_no_cause_depends_on_capital_letters() -> None:
    """AWS has changed the case of its texts before."""
    for _, case in CASES:
        if "cause" in case and "task" in case and "events" not in case:
            task = {**case["task"], "stoppedReason": case["task"].get("stoppedReason", "").upper()}
            assert concluded({**case, "task": task}).finding.id == case["cause"], case["name"]
