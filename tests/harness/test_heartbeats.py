"""Activities that are held up: those that heartbeat, and those that do not."""

import asyncio
import threading
import time
from datetime import timedelta

import pytest
from temporalio import activity

from harness.heartbeats import NotHeldUp, Unbeaten, check_heartbeats

QUICK = timedelta(seconds=0.5)


@activity.defn
async def waits(beats: bool) -> None:
    """For ever."""
    while True:
        await asyncio.sleep(0.05)
        if beats:
            activity.heartbeat()


@activity.defn
def waits_in_a_thread(beats: bool) -> None:
    """Until it is cancelled."""
    stopped = threading.Event()
    while not stopped.wait(0.05) and not activity.is_cancelled():
        if beats:
            activity.heartbeat()


@pytest.mark.parametrize("held_up", [waits, waits_in_a_thread])
async def test_one_that_heartbeats_is_well(held_up: object) -> None:
    """It has kept itself alive for longer than its timeout, and is cancelled."""
    assert callable(held_up)
    began = time.monotonic()
    await check_heartbeats(held_up, True, timeout=QUICK)
    assert time.monotonic() - began > QUICK.total_seconds()


@pytest.mark.parametrize("held_up", [waits, waits_in_a_thread])
async def test_one_that_does_not_is_told(held_up: object) -> None:
    """With its name, and its timeout."""
    assert callable(held_up)
    with pytest.raises(Unbeaten, match=r"^waits\w* was held up for 0\.5 s, its heartbeat timeout, without a heartbeat"):
        await check_heartbeats(held_up, False, timeout=QUICK)


async def test_one_that_stops_heartbeating_is_told() -> None:
    """One heartbeat keeps it alive for one timeout."""

    async def beats_once() -> None:
        activity.heartbeat()
        await asyncio.Event().wait()

    with pytest.raises(Unbeaten):
        await check_heartbeats(beats_once, timeout=QUICK)


async def test_of_one_that_ends_first_nothing_is_known() -> None:
    """It may heartbeat or not."""

    async def ends() -> None:
        activity.heartbeat()

    with pytest.raises(NotHeldUp, match="nothing is known; hold it up"):
        await check_heartbeats(ends, timeout=QUICK)


async def test_what_it_raises_is_raised() -> None:
    """That it failed says more than that it ended."""

    async def fails() -> None:
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        await check_heartbeats(fails, timeout=QUICK)
