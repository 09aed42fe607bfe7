"""Hostile text in specs, AWS's answers, tags and reasons, through every command that prints it."""

from __future__ import annotations

import ast
import json
import logging
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import reconciler.cli
from reconciler import log as log_module
from reconciler.cli import logs
from reconciler.cli.output import plan_json
from reconciler.cli.output.plan_github import plan_github
from reconciler.cli.output.plan_markdown import plan_markdown
from reconciler.cli.output.plan_text import plan_text
from reconciler.cli.output.terminal import CLEAR, Look, echo, printed
from reconciler.log import log
from reconciler.model.diff import Change
from reconciler.model.plan import Action, DeferralCode, Deferred, Note, Plan, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address

HOSTILE = "evil\x9b31m\x1b[8m\x1b]0;title\x07\u202e\u2066\u200b\r##[stop-commands]t\n::error::forged"
PACKAGE = Path(reconciler.cli.__file__).parent


def seen(text: str) -> list[str]:
    """What an output must not hold."""
    hidden = [ascii(one) for one in text if unicodedata.category(one) in ("Cc", "Cf") and one not in "\n\t"]
    return hidden + [line for line in text.split("\n") if "##[" in line or re.match(r"\s*::[A-Za-z]", line)]


def plan(text: str) -> Plan:
    """A plan in which every text is hostile."""
    name = text.strip() or "x"
    address = Address("service", name)
    change = Change(("environment", text), text, f"{text}2")
    action = Action(Verb.UPDATE, address, text, (change,))
    return Plan(
        text,
        (action, replace(action, verb=Verb.DELETE)),
        refusals=(Refusal(RefusalCode.LOSS, address, text, hint=text, where=f"{text}:3"),),
        warnings=(Note(address, text),),
        waiting=(Note(address, text),),
        deferred=(Deferred(action, DeferralCode.IN_USE, text, address),),
        unsettled=(Note(address, text),),
        failed=(Note(address, text),),
    )


def shown(text: str, *, commands: bool = False) -> str:
    """What `echo` writes."""

    @click.command()
    def command() -> None:
        echo(text, commands=commands)

    return CliRunner().invoke(command).output


@given(st.one_of(st.just(HOSTILE), st.text(max_size=30)))
def test_every_form_of_a_plan_is_harmless(text: str) -> None:
    """As text, as Markdown, as JSON, and as annotations, which keep one line for each command of ours."""
    found = plan(text)
    forms = (
        plan_text(found, Look(), verbose=2),
        plan_markdown(found, text),
        plan_json.dumps(plan_json.plan_document(found)),
    )
    for form in forms:
        assert seen(shown(form)) == []
    assert json.loads(shown(forms[2]))["warnings"][0]["because"] == text
    annotations = shown(plan_github(found), commands=True).rstrip("\n").split("\n")
    assert len(annotations) == 4
    assert all(line.startswith(("::notice ", "::error ")) for line in annotations)


def test_a_fence_in_a_plan_does_not_end_the_comment() -> None:
    """The text after it would be Markdown: a picture that reports who looks, or a plan that is not the plan."""
    comment = plan_markdown(plan("```\n\n# Approved"), "title")
    fence = next(line for line in comment.splitlines() if line.endswith("diff")).removesuffix("diff")
    assert [line.strip() for line in comment.splitlines()].count(fence) == 1


def test_our_own_colors_stay() -> None:
    """And nobody else's, although they look the same."""
    look = Look(color=True)
    assert printed(look.paint("a\x1b[31mb", "bold red")) == "\x1b[31m\x1b[1ma\\u001b[31mb\x1b[0m"
    assert printed(CLEAR) == "\x1b[H\x1b[2J"
    assert "\x1b" not in look.paint("x", "red").replace(look.paint("", "red"), "").encode("unicode_escape").decode()


def test_only_one_module_prints() -> None:
    """What is printed elsewhere would not be escaped."""
    others = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                writes = called in ("click.echo", "click.secho", "print") or called.endswith(
                    ("stdout.write", "stderr.write")
                )
                if writes and file.name != "terminal.py":
                    others.append(f"{file.name}:{node.lineno}")
    assert others == []


def test_a_wrong_option_is_repeated_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    """What was typed may come from a script that read it elsewhere."""
    from reconciler.cli.main import main

    with pytest.raises(SystemExit):
        main(["explain", "--no\u202esuch\x9b31m"])
    with pytest.raises(SystemExit):
        main(["explain", HOSTILE])
    captured = capsys.readouterr()
    assert seen(captured.out + captured.err) == []


@pytest.mark.parametrize("terminal", [True, False])
def test_the_log_is_harmless(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """For people and for programs."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    try:
        logs.configure(1)
        log.warning("some.event", reason=HOSTILE)
    finally:
        log_module.configure(logging.NOTSET)
    assert "some.event" in (text := capsys.readouterr().err)
    assert seen(text) == []
