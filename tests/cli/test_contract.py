"""What scripts depend on: exit codes, streams, formats, and what is not imported."""

from __future__ import annotations

import importlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import click
import pytest
from moto import mock_aws

from reconciler import errors
from reconciler.aws.retry import is_read
from reconciler.cli import lease, session
from reconciler.cli.main import COMMANDS, cli, main, module_of, short_help
from reconciler.cli.output.exits import Exit
from reconciler.clock import SystemClock
from reconciler.store.lease import Lease
from tests.harness.cli import recorded, run

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SPECS, tmp_path / "specs"))


@pytest.fixture
def account() -> Iterator[None]:
    with mock_aws():
        yield


def test_help_names_every_command_and_every_exit_code() -> None:
    """`--help` lists all commands with a line each, and says what the exit codes are."""
    ran = run("--help")
    assert ran.code == Exit.DONE
    for name in COMMANDS:
        assert f"\n  {name} " in ran.out
    for code in (
        "0 done",
        "1 failed",
        "2 changes pending",
        "3 rollout",
        "4 timed",
        "5 blocked",
        "6 waiting",
        "64 usage",
    ):
        assert code in " ".join(ran.out.split())


def test_a_command_is_the_module_of_its_name() -> None:
    """Its file is all there is to a command: `--help` shows the first line of its docstring."""
    for name in COMMANDS:
        module = importlib.import_module(f"reconciler.cli.commands.{module_of(name)}")
        command = cli.get_command(click.Context(cli), name)
        assert command is getattr(module, module_of(name))
        assert command is not None
        assert command.name == name
        assert module.__doc__ is not None
        assert module.__doc__.splitlines()[0] == short_help(name)
        assert re.fullmatch(r"[A-Z].{10,69}[.]", short_help(name)), name


def test_every_command_has_help_and_its_one_liner() -> None:
    """Each command's own help works."""
    for name in COMMANDS:
        ran = run(name, "--help")
        assert (ran.code, ran.out.startswith("Usage: reconciler " + name)) == (Exit.DONE, True), name


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["diff", "--frob"],
        ["diff", "-o", "yaml"],
        ["diff", "--external-id", "without-a-role"],
        ["explain", "E0000"],
    ],
)
def test_a_usage_error_is_64_and_never_reads_as_changes_pending(arguments: list[str]) -> None:
    """Wrong words on the command line: exit 64, on stderr."""
    ran = run(*arguments)
    assert ran.code == Exit.USAGE
    assert ran.out == ""
    assert ran.err


def test_a_misspelt_command_is_suggested() -> None:
    """A likely meaning is offered."""
    assert "Did you mean 'validate'?" in run("valdate").err


@pytest.mark.parametrize(
    ("command", "typed", "meant"), [("apply", "--yes", "--auto-approve"), ("diff", "--env", "--environment")]
)
def test_an_option_of_another_tool_is_answered_with_ours(command: str, typed: str, meant: str) -> None:
    """Where the command has it."""
    assert f"Error: No such option {typed!r}. (Did you mean {meant!r}?)" in run(command, typed).err
    assert "Did you mean" not in run("explain", typed).err


def test_invalid_specs_are_1_and_ask_aws_nothing(specs: Path) -> None:
    """What does not validate is not looked at in AWS either: every command exits 1 with the finding on stderr."""
    file = specs / "cluster.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "colour: red\n", encoding="utf-8")
    assert run("validate", specs).code == Exit.FAILED
    for command in ("render", "diff", "apply", "destroy"):
        ran = run(command, specs)  # no moto: a call would fail differently
        assert (ran.code, ran.out) == (Exit.FAILED, ""), command
        assert "error[E1102]: unknown field 'colour'" in ran.err


def test_a_missing_folder_says_where_it_looked(tmp_path: Path) -> None:
    """A folder that is not there is an error with its name."""
    ran = run("validate", tmp_path / "nowhere")
    assert ran.code == Exit.FAILED
    assert "nowhere" in ran.out + ran.err


def test_diff_is_2_then_0_and_its_json_is_pure(account: None, specs: Path) -> None:
    """Changes pending is 2 and nothing is 0; stdout holds one JSON document and nothing else."""
    ran = run("diff", specs, "-o", "json")
    assert ran.code == Exit.PENDING
    found = json.loads(ran.out)
    assert found["format_version"] == 1
    assert found["summary"]["create"] == len(found["actions"])
    assert {"address", "verb", "because", "where", "consequence"} <= set(found["actions"][0])
    assert run("apply", specs, "-y", "-o", "json").code == Exit.DONE
    ran = run("diff", specs, "-o", "json", "-v")
    assert (ran.code, json.loads(ran.out)["changes"]) == (Exit.DONE, False)
    assert "ec2.DescribeVpcs" in ran.err


def test_piped_output_has_no_escape_byte(account: None, specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour is for terminals, or for who asks."""
    assert "\x1b" not in run("diff", specs).out
    assert "\x1b" in run("diff", specs, "--color", "always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in run("diff", specs).out
    assert "\x1b" not in run("diff", specs, "--color", "never").out


def test_explain_shows_the_wrong_and_the_right() -> None:
    """It takes a rule's id in any case and shows title, reason, both examples and the source."""
    ran = run("explain", "e3004")
    assert ran.code == Exit.DONE
    assert ran.out.startswith("E3004: a subnet outside its network\n")
    for part in ("\nWrong:\n    ", "\nRight:\n    ", "\nSource: EC2 InvalidSubnet.Range"):
        assert part in ran.out


def test_explain_tells_of_a_field_and_of_a_kind() -> None:
    """Its description, type, limits, what a change means and an example; a block's fields by name."""
    ran = run("explain", "service.task.containers.app.cpu")
    assert ran.code == Exit.DONE
    assert ran.out.startswith("Service.task.containers.cpu\n\nCPU units reserved from the task's.")
    assert "\ntype      whole number, at least 0\na change  new tasks\n" in ran.out
    assert "\nExample:\n    kind: Service\n" in ran.out
    assert "  capacity_providers " in run("explain", "Cluster").out


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("servce", "'Service'"), ("Service.task.container", "'containers'"), ("E304", "'E3024'")],
)
def test_explain_says_what_may_be_meant(asked: str, meant: str) -> None:
    ran = run("explain", asked)
    assert ran.code == Exit.USAGE
    assert meant in ran.err


def test_markdown_and_annotations_come_from_the_same_plan(account: None, specs: Path) -> None:
    """A pull request sees what a terminal sees; annotations stand at the specs' lines."""
    markdown = run("diff", specs, "-o", "markdown")
    assert markdown.code == Exit.PENDING
    assert "```diff" in markdown.out
    assert "+ vpc/my-workspace" in markdown.out
    notes = run("diff", specs, "-o", "github").out.splitlines()
    assert all(note.startswith("::notice ") for note in notes)
    assert any("network.yaml,line=" in note and "create vpc/my-workspace" in note for note in notes)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (errors.LeaseHeld("taken"), Exit.BLOCKED, "blocked (lease-held): taken"),
        (errors.SpecInvalid("a circle"), Exit.FAILED, "error: a circle"),
        (
            errors.Denied(
                "User: x is not authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:vpc/*",
                call="ec2.CreateVpc",
                code="UnauthorizedOperation",
            ),
            Exit.FAILED,
            '"Action": "ec2:CreateVpc", "Resource": "arn:aws:ec2:vpc/*"',
        ),
        (errors.Denied("expired", call="sts.GetCallerIdentity", code="ExpiredToken"), Exit.FAILED, "aws sso login"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_expected_error_is_a_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, specs: Path, error: BaseException, code: Exit, words: str
) -> None:
    """Errors end in their exit code with what to do, never in a traceback."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(session, "open_stack", fail)
    ran = run("diff", specs)
    assert ran.code == code
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_signed_out_says_how_to_sign_in(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials: exit 1, and what to type."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    ran = run("diff", specs)
    assert ran.code == Exit.FAILED
    assert "aws sso login" in ran.err


def test_start_up_imports_no_boto3_no_deepdiff_no_pydantic() -> None:
    """`--help`, of a command too, and `validate` load no more than they need."""
    script = "import sys; from reconciler.cli.main import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    script += "print([n for n in ('boto3', 'botocore', 'deepdiff', 'pydantic', 'yaml') if n in sys.modules])"
    helps: list[tuple[list[str], list[str]]] = [([name, "--help"], []) for name in COMMANDS]
    for arguments, allowed in (["--help"], []), (["validate", str(SPECS)], ["pydantic", "yaml"]), *helps:
        ended = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert ended.stdout.splitlines()[-1] == str(allowed)


def test_render_shows_every_resource_and_needs_no_aws(specs: Path) -> None:
    """`render` lists what `diff` would compare, offline."""
    found = json.loads(run("render", specs, "-o", "json").out)["resources"]
    addresses = {row["address"] for row in found}
    assert {"vpc/my-workspace", "listener/my-app-alb-test", "service/my-app-frontend"} <= addresses
    assert "27 resources" in run("render", specs).err or len(found) >= 27


@pytest.mark.parametrize("output", ["json", "markdown", "github", "sarif", "junit"])
def test_validate_reports_in_every_form(specs: Path, output: str) -> None:
    """One finding, in the form that its reader wants, naming the rule and the file."""
    file = specs / "cluster.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "colour: red\n", encoding="utf-8")
    ran = run("validate", specs, "-o", output)
    assert ran.code == Exit.FAILED
    assert "E1102" in ran.out
    assert "cluster.yaml" in ran.out


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_nobody_to_ask_is_not_approved(account: None, specs: Path, command: str) -> None:
    """Exit 5 with the code, also in JSON, and nothing is changed."""
    if command == "destroy":
        assert run("apply", specs, "-y").code == Exit.DONE
    for output in ("text", "json"):
        with recorded() as calls:
            ran = run(command, specs, "-o", output)
        assert ran.code == Exit.BLOCKED
        assert "blocked (not-approved): " in ran.err
        assert [str(call) for call in calls if not is_read(call)] == []
    assert [one["code"] for one in json.loads(ran.out)["refusals"]] == ["not-approved"]


def test_every_failure_is_a_json_document_for_who_asked_for_one(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not a refusal has its code in JSON: invalid specs, missing credentials, what AWS says."""

    def code(*arguments: object) -> str:
        ran = run(*arguments, "-o", "json")
        assert ran.code == Exit.FAILED
        document = json.loads(ran.out)
        assert (document["format_version"], document["blocked"]) == (1, False)
        assert document["error"]["because"]
        return str(document["error"]["code"])

    denied = errors.Denied("no", call="ec2.DescribeVpcs", code="UnauthorizedOperation")
    for error, wanted in (
        (denied, "UnauthorizedOperation"),
        (errors.Ambiguous("no response", call="ec2.DescribeVpcs"), "failed"),
        (errors.StoreUnreachable("no route"), "store-unreachable"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(session, "open_stack", Mock(side_effect=error))
            assert code("diff", specs) == wanted
    assert code("apply", specs.parent / "nowhere") == "spec-invalid"
    with monkeypatch.context() as patched:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patched.delenv(name)
        assert code("apply", specs) == "credentials-missing"


class Terminal:
    """A command on a terminal of its own, and a person in front of it."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-m", "reconciler", *arguments], environment)
        self.seen = ""

    def until(self, text: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} did not come; seen: {self.seen!r}"
            try:
                self.seen += os.read(self.descriptor, 65536).decode()
            except OSError as error:
                raise AssertionError(f"it ended without {text!r}: {self.seen!r}") from error

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode() + b"\n")

    def end(self) -> int:
        try:
            while os.read(self.descriptor, 65536):
                pass
        except OSError:
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_person_is_asked_and_only_the_word_is_taken(endpoint: str, specs: Path) -> None:
    """On a terminal the plan and the banner come first, then the question; anything but the word changes nothing."""
    environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "TERM": "xterm"}
    at = Terminal("apply", str(specs), environment=environment)
    at.until("Type 'yes' to confirm")
    assert "LOCAL" in at.seen
    assert "27 to create" in at.seen
    at.type("y")
    assert at.end() == Exit.BLOCKED
    at = Terminal("apply", str(specs), environment=environment)
    at.until("Type 'yes' to confirm")
    at.type("yes")
    assert at.end() == Exit.DONE
    at = Terminal("destroy", str(specs), environment=environment)
    at.until("Type the stack name (my-app) to confirm")
    at.type("yes")
    assert at.end() == Exit.BLOCKED
    at = Terminal("destroy", str(specs), environment=environment)
    at.until("Type the stack name (my-app) to confirm")
    at.type("my-app")
    assert at.end() == Exit.DONE


def test_ci_is_never_asked(endpoint: str, specs: Path) -> None:
    """With CI set there is nobody to ask, terminal or not: exit 5 naming the flag."""
    at = Terminal("apply", str(specs), environment={**os.environ, "AWS_ENDPOINT_URL": endpoint, "CI": "true"})
    at.until("blocked (not-approved)")
    at.until("--auto-approve")
    assert at.end() == Exit.BLOCKED


def test_the_banner_stands_above_the_plan(account: None, specs: Path) -> None:
    """The account is read before the plan is; `destroy` does not say that the specs lack what they contain."""
    for arguments in (("apply", specs, "-y"), ("destroy", specs, "-y")):
        ran = run(*arguments)
        assert ran.code == Exit.DONE
        assert ran.err.startswith("my-app · ")
        assert ran.err.count("· account ") == 1
        assert "no longer in the specs" not in ran.err


@pytest.mark.parametrize("arguments", [("demo", "--app", "."), ("local", "up", "--port", "0")])
def test_without_the_emulator_its_commands_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, specs: Path, arguments: tuple[str, ...]
) -> None:
    """As in the production image: an error, not a traceback."""
    monkeypatch.delitem(sys.modules, "reconciler.cli.emulator", raising=False)
    monkeypatch.setitem(sys.modules, "reconciler.local.aws", None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    ran = run(*arguments, *([specs] if arguments[0] == "demo" else []))
    assert ran.code == Exit.FAILED
    assert ran.err.startswith("error: reconciler.local.aws is not installed")


def test_each_emulator_has_a_lease_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack of one name in AWS and at two endpoints is three stacks, also in one file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    endpoints = (None, "http://127.0.0.1:4566", "http://127.0.0.1:4567")
    for text in (None, f"sqlite:{tmp_path / 'shared.db'}"):
        stores = [lease.open_store(text, Mock(), "app", "123456789012", "eu-west-1", one) for one in endpoints]
        leases = [Lease(store.records, "somebody", SystemClock()) for store in stores]
        assert all(one.acquire() for one in leases)
        for one, store in zip(leases, stores, strict=True):
            one.release()
            store.close()


def test_the_folder_of_the_state_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an earlier version created it for everybody to read."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "reconciler").mkdir(mode=0o755)
    lease.open_store(None, Mock(), "app", "123456789012", "eu-west-1", None).close()
    assert lease.state_folder().stat().st_mode & 0o777 == 0o700


def test_another_module_that_is_missing_is_not_taken_for_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> int:
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")

    monkeypatch.setattr(cli, "main", broken)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])
