"""An activity is called as one attempt of it: what it is given, what it says, and how it is cancelled."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity
from temporalio.exceptions import CancelledError

from harness.attempt import Attempt


@dataclass(frozen=True)
class Place:
    """Where a file was read to."""

    row: int


@activity.defn
async def read(rows: int) -> int:
    """Read on from where the attempt before this one was; returns from where."""
    begun = activity.info().heartbeat_details
    first = int(begun[0]["row"]) if begun else 0
    for row in range(first, rows):
        activity.heartbeat(Place(row + 1))
        await asyncio.sleep(0)
    return first


@activity.defn
def read_in_place(rows: int) -> None:
    """The same, and no coroutine."""
    for row in range(rows):
        activity.heartbeat(row)


async def test_what_is_said_is_kept_and_the_next_attempt_reads_it() -> None:
    """As Temporal hands it on: without its type."""
    first = Attempt(cancelled_at=2)
    with pytest.raises(asyncio.CancelledError):
        await first.run(read, 5)
    assert first.heartbeats == [({"row": 1},), ({"row": 2},)]
    second = first.again()
    assert second.info.attempt == 2
    assert await second.run(read, 5) == 2
    assert second.heartbeats[-1] == ({"row": 5},)
    assert second.again().info.heartbeat_details == [{"row": 5}]


async def test_an_attempt_that_says_nothing_hands_on_what_it_was_told() -> None:
    """So does Temporal."""
    silent = Attempt(3, heartbeat_details=[Place(7)], workflow_id="order-1")
    again = silent.again()
    assert (again.info.attempt, again.info.heartbeat_details, again.info.workflow_id) == (4, [{"row": 7}], "order-1")


async def test_it_learns_of_its_cancellation_by_a_heartbeat() -> None:
    """Coroutine or not; and of why."""

    @activity.defn
    async def persists() -> bool:
        try:
            for _ in range(100):
                activity.heartbeat()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            return details is not None and details.cancel_requested
        return False

    attempt = Attempt(cancelled_at=3)
    assert await attempt.run(persists)
    assert len(attempt.heartbeats) == 3
    in_place = Attempt(cancelled_at=2)
    with pytest.raises(CancelledError):
        in_place.run(read_in_place, 1_000)
    assert in_place.heartbeats[:2] == [(0,), (1,)]


async def test_what_cannot_be_converted_fails_where_it_is_said() -> None:
    """It would on a worker."""

    @activity.defn
    async def speaks() -> None:
        activity.heartbeat(object())

    with pytest.raises(TypeError, match="JSON"):
        await Attempt().run(speaks)


async def test_it_is_given_what_temporal_would_give() -> None:
    """A field by its name; times that are near, as deadlines are reckoned from them."""
    attempt = Attempt(2, start_to_close_timeout=timedelta(minutes=5))
    assert attempt.info.start_to_close_timeout == timedelta(minutes=5)
    now = datetime.now(UTC)
    assert now - timedelta(minutes=5) < attempt.info.started_time <= now
    with pytest.raises(TypeError, match="atempt"):
        Attempt(atempt=2)
