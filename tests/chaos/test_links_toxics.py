"""Faults that let something through a link are in force on connections that are open and on new ones, and heal."""

import asyncio
import time
from contextlib import AsyncExitStack

import msgspec
import pytest
from conversation import Conversation, talking

from chaos.faults import toxics
from chaos.faults.each import OnEach
from chaos.faults.toxics import (
    BandwidthPlan,
    BlackholePlan,
    Disturbance,
    LatencyPlan,
    LimitDataPlan,
    SlicerPlan,
    SlowClosePlan,
    ToxicPlan,
)
from harness.links import Link, Links, LinkState, Toxic

WHOLE = LinkState(enabled=True)


@pytest.fixture
async def link(links: Links) -> Link:
    """A link to Redis."""
    return await links.open("worker-1", "redis")


BLACKHOLE = BlackholePlan(owner="worker-1", service="redis", duration=1)
LATENCY = LatencyPlan(owner="worker-1", service="redis", duration=1, latency=0.2, jitter=0.05)
BANDWIDTH = BandwidthPlan(owner="worker-1", service="redis", duration=1, kilobytes_a_second=1)
SLICER = SlicerPlan(owner="worker-1", service="redis", duration=1, bytes=2, delay=0.05)
LIMIT = LimitDataPlan(owner="worker-1", service="redis", duration=1, bytes=10)
SLOW_CLOSE = SlowClosePlan(owner="worker-1", service="redis", duration=1, seconds=0.4)


@pytest.mark.parametrize(
    "plan",
    [BLACKHOLE, LATENCY, BANDWIDTH, SLICER, LIMIT, SLOW_CLOSE],
    ids=lambda plan: str(plan.__struct_config__.tag),
)
async def test_it_is_seen_while_it_is_there(links: Links, link: Link, plan: ToxicPlan) -> None:
    """Healed first it is whole, injected it is in force with the evidence of the proxy and a try, healed it is not."""
    fault = plan.of(links, link)
    assert (fault.name, fault.on, fault.slows) == (plan.__struct_config__.tag, plan.on, plan.slows)
    await fault.heal()
    before = await fault.bite()
    assert (before.in_force, before.evidence) == (False, f"the proxy shows no {plan.type} {plan.toxics()[0].stream}")
    await fault.inject()
    during = await fault.bite()
    assert during.in_force, during
    assert during.evidence.startswith(f"the proxy shows {plan.type} (")
    assert during.cut is None
    await fault.heal()
    await fault.heal()
    assert await links.state(link) == WHOLE
    async with talking(link):
        pass


@pytest.mark.parametrize("plan", [LATENCY, BLACKHOLE])
async def test_a_link_that_nobody_used_was_met_by_nobody(links: Links, link: Link, plan: ToxicPlan) -> None:
    """Whatever was slow meanwhile, histories are asked only where a connection was open; our own tries are none."""
    fault = plan.of(links, link)
    await fault.inject()
    assert (await fault.bite()).in_force
    await fault.heal()
    assert await fault.met() == ()
    async with talking(link):
        await fault.inject()
    await fault.heal()
    assert await fault.met() is None


async def test_who_came_while_it_was_there_used_it(links: Links, link: Link) -> None:
    """Also where nobody had a connection open before."""
    fault = LATENCY.of(links, link)
    await fault.inject()
    async with talking(link):
        await fault.heal()
    assert await fault.met() is None


async def test_of_several_links_one_that_was_used_is_enough(links: Links, link: Link) -> None:
    """Then histories tell who met it; where none was used, nobody did."""
    other = await links.open("worker-2", "redis")
    fault = OnEach("workers.redis", [LATENCY.of(links, each) for each in (link, other)])
    async with talking(link):
        await fault.inject()
        await fault.heal()
    assert await fault.met() is None
    await fault.inject()
    await fault.heal()
    assert await fault.met() == ()


async def silent(talk: Conversation) -> bool:
    """Whether a question stays unanswered for some time."""
    try:
        async with asyncio.timeout(0.3):
            return not await talk.ping()
    except TimeoutError:
        return True


@pytest.mark.parametrize("direction", ["both", "upstream", "downstream"])
async def test_what_was_sent_into_a_blackhole_arrives_after_it(links: Links, link: Link, direction: str) -> None:
    """An open connection stays open and says nothing; the answer comes when the fault has healed."""
    fault = msgspec.structs.replace(BLACKHOLE, direction=direction).of(links, link)
    async with talking(link) as talk:
        await fault.inject()
        assert await silent(talk)
        await fault.heal()
        assert await talk.answer() == b"+PONG\r\n"


@pytest.mark.parametrize(("direction", "least"), [("downstream", 0.15), ("both", 0.3)])
async def test_latency_holds_up_what_it_says(links: Links, link: Link, direction: str, least: float) -> None:
    """A round trip takes at least latency less jitter longer, on each way that has it; that much is `slows`."""
    fault = msgspec.structs.replace(LATENCY, direction=direction).of(links, link)
    assert fault.slows == least
    async with talking(link) as talk:
        await fault.inject()
        began = time.monotonic()
        assert await talk.ping() == b"+PONG\r\n"
        assert time.monotonic() - began >= least


async def test_a_limit_cuts_an_answer_short(links: Links, link: Link) -> None:
    """An open connection is closed in the middle of what exceeds the limit."""
    fault = msgspec.structs.replace(LIMIT, direction="downstream").of(links, link)
    async with talking(link) as talk:
        await fault.inject()
        assert await talk.ping() == b"+PONG\r\n"
        assert await talk.ping() == b"+PO"
    await fault.heal()
    shorter = msgspec.structs.replace(LIMIT, bytes=3).of(links, link)
    await shorter.inject()
    bite = await shorter.bite()
    assert (bite.in_force, "a hello through it was cut off after" in bite.evidence) == (True, True), bite


async def test_a_slow_close_counts_who_met_it(links: Links, link: Link) -> None:
    """A connection that was closed meanwhile met it; one that stayed open did not."""
    fault = SLOW_CLOSE.of(links, link)
    async with talking(link), talking(link) as leaving:
        await fault.inject()
        port = leaving.writer.get_extra_info("sockname")[1]
        leaving.writer.close()
        await fault.heal()
    assert await fault.met() == (f"worker-1.redis: connection from port {port}",)


async def test_who_left_meanwhile_does_not_keep_it_from_healing(links: Links, link: Link) -> None:
    """A toxic that holds answers for clients that are gone is removed, and Toxiproxy is still the same process."""
    fault = msgspec.structs.replace(BLACKHOLE, direction="downstream").of(links, link)
    proxy = links.api
    async with AsyncExitStack() as leaving:
        talks = [await leaving.enter_async_context(talking(link)) for _ in range(2)]
        await fault.inject()
        for _ in range(3):
            for talk in talks:
                talk.writer.write(b"PING\r\n")
            await asyncio.sleep(0.01)  # each answer arrives by itself
    await fault.heal()
    assert links.api is proxy
    async with talking(link):
        pass


async def test_toxics_of_others_stay(links: Links, link: Link) -> None:
    """Healing takes away what the fault itself has added."""
    other = Toxic(name="other", type="latency", attributes={"latency": 1, "jitter": 0})
    await links.add_toxic(link, other)
    fault = BLACKHOLE.of(links, link)
    await fault.inject()
    await fault.heal()
    assert (await links.state(link)).toxics == (other,)


async def test_a_toxic_that_does_nothing_is_not_in_force(
    links: Links, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the proxy shows it is not enough: where a hello is answered as ever, the fault is not in force."""
    monkeypatch.setattr(toxics, "TRY_SECONDS", 30.0)  # a busy machine may take its time
    slow = msgspec.structs.replace(LATENCY, latency=30.0), msgspec.structs.replace(SLOW_CLOSE, seconds=30.0)
    for plan in (BLACKHOLE, *slow):
        for toxic in plan.toxics():
            await links.add_toxic(link, Toxic(name=toxic.name, type="noop", stream=toxic.stream))
        bite = await Disturbance(plan, links, link).bite()
        assert not bite.in_force, bite
