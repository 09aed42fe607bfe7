"""What every test may use: a clean environment, and AWS in this process."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Generator, Iterator

import pytest
import structlog

from reconciler import log
from reconciler.aws.rate_limiter import NoLimit
from reconciler.model.resource import Call
from tests.harness import figures

REGION = "us-west-2"
ACCOUNT = "123456789012"

_CLEAN = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # half a second of machine images that nobody looks at
}

gc.set_threshold(100_000, 50, 50)  # moto and the models keep millions of objects that never die: looking is for nothing


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test marked `apart` runs in a fork of this process: what a fixture of its module has brought up is for the next
    one as it was."""
    if pyfuncitem.get_closest_marker("apart") is None:
        return None
    from tests.harness.forked_runs import apart

    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    apart(lambda: pyfuncitem.obj(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Each case of a test that is marked with a promise is one world of it."""
    report = yield
    if report.when == "call" and not report.skipped:
        for mark in item.iter_markers("promise"):
            promise, what = mark.args
            figures.write(promise, what, item.nodeid, worlds=1, violations=int(report.failed), case=item.nodeid)
    return report


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Write down what was counted, `record("S2", "apply", worlds=336, violations=0)`; `make promises` makes a page of
    it."""
    return lambda promise, what, **found: figures.write(promise, what, request.node.nodeid, **found)


@pytest.fixture(autouse=True)
def quiet_logs() -> None:
    """Nothing is rendered that no test reads: unconfigured, structlog would print every call."""
    _quiet_logs()


def _quiet_logs() -> None:
    structlog.reset_defaults()  # a test before may have had it write into a file that is closed by now
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    log.configure(logging.NOTSET)


@pytest.fixture(autouse=True)
def clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test sees the developer's account, colours or CI, or keeps a lease or a journal where others would find it."""
    _clean_environment(request.module.__name__, monkeypatch, tmp_path_factory)


def _clean_environment(module: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "XDG_STATE_HOME" / module))
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "XDG_CACHE_HOME"))
    for name in list(os.environ):
        if name.startswith(("AWS_", "RECONCILER_")) or name in {"NO_COLOR", "FORCE_COLOR", "CI"}:
            monkeypatch.delenv(name)
    for name, value in _CLEAN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held back on the machine's own clock, where a test does not ask for it."""
    monkeypatch.setattr("reconciler.aws.client.RateLimiter", NoLimit)


@pytest.fixture(scope="module")
def for_a_module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for a fixture of a module, which is set up before those of a test."""
    with pytest.MonkeyPatch.context() as patch:
        _quiet_logs()
        _clean_environment(request.module.__name__, patch, tmp_path_factory)
        patch.setattr("reconciler.aws.client.RateLimiter", NoLimit)
        yield


class Recorder:
    """A transport that remembers what went through it, in order."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.calls: list[Call] = []

    def perform(self, call: Call) -> dict[str, object]:
        self.calls.append(call)
        return self.inner.perform(call)  # type: ignore[attr-defined]

    def reads(self) -> list[Call]:
        from reconciler.aws.retry import is_read

        return [call for call in self.calls if is_read(call)]

    def writes(self) -> list[Call]:
        from reconciler.aws.retry import is_read

        return [call for call in self.calls if not is_read(call)]


@pytest.fixture
def aws() -> Iterator[object]:
    """An `AwsClient` over moto in this process; `aws.transport` is the `Recorder` of what it sent."""
    from moto import mock_aws

    from reconciler.aws.client import AwsClient
    from reconciler.aws.session import Boto
    from reconciler.local import rest  # noqa: F401 - it makes moto quicker

    with mock_aws():
        found = AwsClient(Recorder(Boto(REGION)))
        yield found
        found.close()
