"""Ports are chosen so that a server can keep them."""

import socket
from pathlib import Path

import pytest

from harness.errors import CannotRun
from harness.services import ports


def test_a_free_port_is_no_ephemeral_one() -> None:
    """No outgoing connection can be given the port while its server is down."""
    first, last = map(int, ports.EPHEMERAL.read_text().split())
    port = ports.free_port()
    assert port in ports.RANGE
    assert not first <= port <= last
    assert ports.is_free(port)


def test_the_same_port_is_not_given_twice() -> None:
    """Services that start together do not get in each other's way."""
    assert len({ports.free_port() for _ in range(50)}) == 50


def test_a_port_that_is_listened_on_is_not_free() -> None:
    """A listening socket takes the port; closed, it gives it back at once."""
    with socket.create_server(("127.0.0.1", ports.free_port())) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_no_port_left_is_told_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ephemeral range covers all, the error names the setting."""
    everything = tmp_path / "range"
    everything.write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "EPHEMERAL", everything)
    with pytest.raises(CannotRun, match="ip_local_port_range"):
        ports.free_port()
