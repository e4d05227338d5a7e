"""A reset link resets the connections that are open, and new ones when they are used."""

import os
import socket
from pathlib import Path

import pytest
from conversation import talking

from chaos.faults import connections
from chaos.faults.resets import Reset
from harness.links import Link, Links, LinkState


@pytest.fixture
async def link(links: Links) -> Link:
    """A link to Redis."""
    return await links.open("worker-1", "redis")


def forbidden() -> bool:
    """Whether this machine may forbid to touch a child's sockets: in a container, or by Yama's strictest levels."""
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    filtered = "Seccomp:\t2" in Path("/proc/self/status").read_text()
    return filtered or (yama.exists() and int(yama.read_text()) > 1)


async def test_it_bites_and_heals(links: Links, link: Link) -> None:
    """Open connections and new ones end by a reset while it is in force; afterwards they are served again."""
    fault = Reset(links, link)
    await fault.heal()
    assert not (await fault.bite()).in_force
    async with talking(link) as one, talking(link) as other:
        await fault.inject()
        if not fault.reset and forbidden():
            pytest.skip("this machine lets nobody touch the sockets of another process")
        for talk in (one, other):
            with pytest.raises(ConnectionResetError):
                await talk.answer()
    bite = await fault.bite()
    assert (bite.in_force, bite.cut) == (True, 2)
    assert bite.evidence.startswith("open connections closed: 2, by a reset: 2; a hello through it was reset after")
    await fault.heal()
    await fault.heal()
    assert await links.state(link) == LinkState(enabled=True)
    async with talking(link):
        pass


async def test_where_sockets_are_not_ours_they_are_closed_in_good_order(
    links: Links, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy whose sockets we may not touch closes open connections without a reset, and the evidence says so."""
    monkeypatch.setattr(connections, "PIDFD_GETFD", -1)
    fault = Reset(links, link)
    async with talking(link) as talk:
        await fault.inject()
        assert await talk.answer() == b""
    bite = await fault.bite()
    assert (bite.in_force, bite.cut) == (True, 1)
    assert bite.evidence.startswith("open connections closed: 1, by a reset: 0;")


async def test_a_number_that_is_another_sockets_by_now_is_left_alone(link: Link) -> None:
    """What is found under the number of a connection that has ended meanwhile is not touched."""
    async with talking(link) as talk:
        own = talk.writer.get_extra_info("socket")
        assert not connections._linger_not(os.getpid(), own.fileno(), port=1)
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER) == 0
