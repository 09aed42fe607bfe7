"""The log that loads structlog when there is something to say."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading

import pytest
from structlog.testing import capture_logs

from reconciler import log
from reconciler.cli import logs


def test_what_is_below_the_threshold_is_not_said() -> None:
    """The threshold is the first that is said."""
    log.configure(logging.WARNING)
    with capture_logs() as said:
        log.log.info("low")
        log.log.warning("high", what=1)
    assert said == [{"event": "high", "log_level": "warning", "what": 1}]


def test_structlog_is_configured_once_and_before_the_first_line() -> None:
    """Threads that speak at once wait for it."""
    made: list[int] = []
    log.configure(logging.NOTSET, lambda: made.append(1))
    with capture_logs():
        threads = [threading.Thread(target=log.log.error, args=("x",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert made == [1]


def test_every_line_says_whose_it_is_in_any_thread(capsys: pytest.CaptureFixture[str]) -> None:
    """Calls are made in threads of a pool, and an audit line without its stack is no use."""
    logs.configure(1, stack="shop")
    thread = threading.Thread(target=log.log.info, args=("aws.write",))
    thread.start()
    thread.join()
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["stack"], said["level"]) == ("aws.write", "shop", "info")


def test_a_command_that_says_nothing_does_not_load_structlog() -> None:
    """It would be a tenth of a second of a `diff` that finds nothing."""
    code = (
        "import sys, reconciler.cli.commands.apply, reconciler.cli.rollout_session, reconciler.aws.session\n"
        "import reconciler.controller.controller\n"
        "from reconciler.cli import logs\nfrom reconciler.log import log\n"
        "logs.configure(0, stack='shop')\nlog.info('nothing')\nassert 'structlog' not in sys.modules\n"
        "log.warning('something')\nassert 'structlog' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
