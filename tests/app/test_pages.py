"""What the app answers."""

from __future__ import annotations

import pytest

from app.pages import Pages
from app.settings import read


def test_the_greeting_and_the_version_are_in_the_answer() -> None:
    """`/` says what GREETING, VERSION and the host's name are."""
    pages = Pages(read({"GREETING": "Good day", "VERSION": "v7", "HOSTNAME": "ip-10-0-1-5"}))
    assert pages.answer("GET", "/").body == b"Good day (version v7 on ip-10-0-1-5)\n"


def test_a_browser_gets_html_in_which_nothing_of_the_environment_is_markup() -> None:
    """Whoever accepts HTML gets it, with the greeting escaped."""
    answer = Pages(read({"GREETING": "<b>&"})).answer("GET", "/", accept="text/html,*/*")
    assert answer.kind.startswith("text/html")
    assert b"&lt;b&gt;&amp;" in answer.body
    assert b"<b>&" not in answer.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/healthz", 200), ("GET", "/nope", 404), ("POST", "/", 405)],
)
def test_each_path_and_method_has_its_status(method: str, path: str, status: int) -> None:
    """Both pages can be read, nothing can be written, everything else is not there."""
    assert Pages(read({})).answer(method, path).status == status


@pytest.mark.parametrize("port", ["", "eighty", "-1", "65536", "٨٠"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    """A bad PORT stops the app with the variable's name."""
    with pytest.raises(ValueError, match="PORT"):
        read({"PORT": port})
