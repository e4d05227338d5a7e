"""A cut link is really cut, shows that it is, and is whole again afterwards."""

import asyncio

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from chaos.faults.links import LinkDown
from harness.links import Link, Links


@pytest.fixture
async def link(links: Links) -> Link:
    """A link to Redis."""
    return await links.open("link-down-test", "redis")


async def test_it_bites_and_heals(links: Links, link: Link) -> None:
    """Open connections are closed and new ones refused while it is in force; afterwards they are served again."""
    fault = LinkDown(links, link)
    assert (fault.name, fault.on) == ("link_down", "link-down-test.redis")
    async with redis.asyncio.Redis.from_url(link.url, retry=None) as client:
        assert await client.ping()
        before = await fault.bite()
        assert (before.in_force, before.evidence) == (False, "the proxy says that the link is enabled")
        await fault.inject()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        during = await fault.bite()
        assert during.in_force
        assert during.cut == 1
        assert during.evidence == (
            "open connections closed: 1; the proxy says that the link is disabled, "
            "and a new connection through it was refused"
        )
        await fault.heal()
        assert await client.ping()
        assert not (await fault.bite()).in_force


async def test_healing_what_was_never_broken_is_harmless(links: Links, link: Link) -> None:
    """Heal may be called first, and twice."""
    fault = LinkDown(links, link)
    await fault.heal()
    await fault.heal()
    assert not (await fault.bite()).in_force


async def test_other_links_are_spared(links: Links, link: Link) -> None:
    """Cutting one way to a service leaves the others whole."""
    other = await links.open("link-down-bystander", "redis")
    await LinkDown(links, link).inject()
    async with redis.asyncio.Redis.from_url(other.url) as client:
        assert await client.ping()


async def test_a_link_that_still_lets_through_is_not_in_force(links: Links, link: Link) -> None:
    """That the proxy says "disabled" is not enough: where a connection is still accepted, the fault is not in force."""
    fault = LinkDown(links, link)
    await fault.inject()
    host, _, port = link.listen.rpartition(":")
    accepting = await asyncio.start_server(lambda _, writer: writer.close(), host, int(port))
    async with accepting:
        bite = await fault.bite()
    assert not bite.in_force
    assert bite.evidence.endswith("but a connection through it was accepted")
