"""Addresses for tasks and load balancers."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys

import pytest

from reconciler.local import addresses
from reconciler.local.addresses import Addresses


def test_two_laptops_on_one_machine_share_no_address() -> None:
    """Each has a block of its own, also from another process."""
    first, second = Addresses(), Addresses()
    script = "from reconciler.local.addresses import Addresses; print(Addresses().take().address)"
    third = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    blocks = {address.rpartition(".")[0] for address in (first.take().address, second.take().address, third)}
    assert len(blocks) == 3
    first.close()
    second.close()


def test_a_block_is_free_again_once_its_laptop_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be cleaned up for that."""
    monkeypatch.setattr(addresses, "CLAIM_PORT", addresses.CLAIM_PORT + 1)  # apart from tests that run beside this one
    first = Addresses()
    block = first.take().address.rpartition(".")[0]
    first.close()
    again = Addresses()
    assert again.take().address.rpartition(".")[0] == block
    again.close()


def test_an_address_is_not_given_again_while_another_one_is_free() -> None:
    """What still remembers a task that is gone does not meet a new one in its place."""
    own = Addresses()
    first = own.take()
    first.give_back()
    assert own.take().address != first.address
    own.close()


def test_a_load_balancer_gets_the_same_address_each_time() -> None:
    """The lowest that is free, so that a URL can be remembered."""
    own = Addresses()
    first = own.take(balancer=True)
    first.give_back()
    assert own.take(balancer=True).address == first.address
    own.close()


def test_more_tasks_than_a_block_has_take_another_block() -> None:
    """Addresses do not run out with the first block."""
    own = Addresses()
    many = {own.take().address for _ in range(len(addresses.TASKS) + 1)}
    assert len(many) == len(addresses.TASKS) + 1
    own.close()


def test_a_port_that_is_taken_is_replaced_by_a_higher_one_and_that_is_said() -> None:
    """10,000 more, and a note for the person."""
    own = Addresses()
    place = own.take()
    taken = place.listen(8080)
    other = place.listen(8080)
    assert other.getsockname() == (place.address, 18080)
    assert any("8080" in note and "18080" in note for note in own.notes)
    for used in (taken, other):
        used.close()
    own.close()


def test_a_port_that_is_taken_just_after_it_was_free_is_replaced_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may be faster than we are between the question and the answer."""
    real = addresses._refusal
    faster: list[socket.socket] = []

    def refusal(address: str, port: int) -> str | None:
        found = real(address, port)
        if not faster:
            faster.append(socket.create_server((address, port)))
        return found

    monkeypatch.setattr(addresses, "_refusal", refusal)
    own = Addresses()
    place = own.take()
    opened = place.listen(8080)
    assert opened.getsockname() == (place.address, 18080)
    for used in (*faster, opened):
        used.close()
    own.close()


def test_a_port_that_may_not_be_opened_is_replaced_by_a_higher_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without privileges port 80 is 10080."""
    real = socket.socket.bind

    def unprivileged(self: socket.socket, address: tuple[str, int]) -> None:
        if 0 < address[1] < 1024:
            raise PermissionError(errno.EACCES, "Permission denied")
        real(self, address)

    monkeypatch.setattr(socket.socket, "bind", unprivileged)
    own = Addresses()
    assert own.take().port(80) == 10080
    assert own.notes == ("port 80 cannot be opened here (permission denied): 10080 instead",)
    own.close()


def test_without_loopback_addresses_everything_has_a_port_of_its_own() -> None:
    """Two tasks on 127.0.0.1 never get the same port, and the person is told."""
    shared = Addresses(shared=True)
    first, second = shared.take(), shared.take()
    ports = [first.port(80), first.port(443), second.port(80), second.port(443)]
    assert (first.address, second.address) == ("127.0.0.1", "127.0.0.1")
    assert len(set(ports)) == 4
    assert "127.0.0.1" in shared.notes[0]
    shared.close()


def test_where_127_8_is_lacking_it_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out by trying, as on macOS."""
    real = socket.socket.bind

    def only_one(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] != "127.0.0.1":
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        real(self, address)

    monkeypatch.setattr(socket.socket, "bind", only_one)
    assert Addresses().shared
