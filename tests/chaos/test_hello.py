"""Each service answers the shortest question of its protocol, and what a link does to it is told."""

import asyncio

import pytest

from chaos.faults.hello import End, hello, parting
from harness.links import Link, Links, Toxic


@pytest.mark.parametrize("service", ["postgres", "redis", "temporal"])
async def test_a_service_is_heard_only_if_it_hears(links: Links, service: str) -> None:
    """A whole link gives an answer; one that carries nothing to the service, or nothing back, gives none."""
    link = await links.open("hello-test", service)
    heard = await hello(link)
    assert heard.end is End.ANSWERED, heard
    for stream in ("upstream", "downstream"):
        await links.add_toxic(link, Toxic(name="stall", type="bandwidth", stream=stream, attributes={"rate": 0}))
        heard = await hello(link, patience=0.2)
        assert heard.end is End.SILENT, (stream, heard)
        assert str(heard).startswith("a hello through it got no answer within ")
        await links.remove_toxic(link, "stall")
    await links.disable(link)
    assert (await hello(link)).end is End.UNREACHABLE


@pytest.mark.parametrize("service", ["postgres", "redis", "temporal"])
async def test_a_closed_end_is_answered_by_the_other(links: Links, service: str) -> None:
    """A service closes its end when ours is closed; where the question was not even answered, nothing is said."""
    link = await links.open("hello-test", service)
    waited = await parting(link, patience=30)
    assert waited is not None
    assert waited < 30
    await links.disable(link)
    assert await parting(link, patience=30) is None


async def test_an_answer_that_is_none_is_told() -> None:
    """A connection that is closed instead of answered is no answer."""

    def shut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(shut, "127.0.0.1", 0) as server:
        listen = "{}:{}".format(*server.sockets[0].getsockname())
        link = Link(owner="nobody", service="redis", listen=listen, upstream="", url="")
        assert (await hello(link)).end in (End.CLOSED, End.RESET)
