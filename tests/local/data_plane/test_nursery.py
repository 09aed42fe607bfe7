"""Processes that cannot outlive this one."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable

import pytest

from reconciler.local.background import Background
from reconciler.local.nursery import Child, Nursery
from tests.local.data_plane.stage import alive


def _killed(nursery: Nursery, child: Child) -> None:
    nursery.signal(child, 9)


@pytest.mark.parametrize("before_the_end", [lambda *_: None, _killed], ids=["running", "killed"])
@pytest.mark.parametrize("waited_for", [True, False])
def test_the_end_leaves_nothing_open(waited_for: bool, before_the_end: Callable[[Nursery, Child], None]) -> None:
    """Whether or not somebody waits for a process when the background ends, its pipes are closed and it is dead."""
    nursery = Nursery()
    background = Background("test", nursery.let_go)
    child = background.run(
        nursery.spawn(("/bin/sleep", "60"), environment={}, folder="/", on_output=lambda _: 0.0)
    ).result(10)
    if waited_for:
        background.run(nursery.ended(child))
    gc.freeze()  # what is there already is not looked at
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        before_the_end(nursery, child)
        background.close()
        nursery.close()
        pid = child.pid
        del child
        gc.collect()
    gc.unfreeze()
    assert [str(one.message) for one in warned] == []
    assert not alive(pid)
