"""Maintenance on a server that skips time, with the real database."""

import secrets

from skipping import skipping
from temporalio.client import Client, WorkflowHandle

from harness.temporal_test import Temporal
from system.cache.cache import Warmed
from system.control.pausable import Order
from system.scheduling.activities import SchedulingActivities
from system.scheduling.models import Run, WarmRequest
from system.scheduling.workflow import WarmCache
from system.storage.pool import Pool


class Warmer:
    """Stands in for a cache: fails as often as it is told, then warms."""

    def __init__(self, failures: int = 0) -> None:
        self.calls = 0
        self._failures = failures

    async def __call__(self) -> Warmed:
        self.calls += 1
        if self.calls <= self._failures:
            raise ConnectionRefusedError("not yet")
        return Warmed(loaded=3, present=1)


async def test_warming_is_tried_until_it_succeeds(database: Pool) -> None:
    """However long it takes; then it is recorded, with what it counted."""
    warmer = Warmer(failures=10)
    async with skipping(SchedulingActivities(database, _nobody(), {"things": warmer}).all) as temporal:
        run = await (await _start(temporal)).result()
    assert warmer.calls == 11
    assert run.counts == {"things loaded": 3, "things present": 1, "things failed": 0}
    assert await database.fetchval("SELECT count(*) FROM maintenance_runs") == 1


async def test_nothing_is_warmed_while_it_is_paused(database: Pool) -> None:
    """A maintenance run honours a pause as every workflow of the system does."""
    warmer = Warmer()
    async with skipping(SchedulingActivities(database, _nobody(), {"things": warmer}).all) as temporal:
        handle = await _start(temporal, start_signal="control.pause")
        assert (await handle.query(WarmCache.paused)).paused
        assert warmer.calls == 0
        await handle.signal(WarmCache.resume, Order(by="me", reason="go on"))
        await handle.result()
    assert warmer.calls == 1


async def test_a_run_that_is_recorded_twice_is_one(database: Pool) -> None:
    """Two runs of the same workflow id, as a repeated backfill makes them, leave one row: that of the first."""
    first, second = Warmer(), Warmer(failures=1)
    warm_id = f"warm-{secrets.token_hex(6)}"
    for warmer in (first, second):
        async with skipping(SchedulingActivities(database, _nobody(), {"things": warmer}).all) as temporal:
            await (await _start(temporal, warm_id)).result()
    assert (first.calls, second.calls) == (1, 2)
    assert await database.fetchval("SELECT count(*) FROM maintenance_runs WHERE workflow_id = $1", warm_id) == 1


async def _start(
    temporal: Temporal, warm_id: str | None = None, start_signal: str | None = None
) -> WorkflowHandle[WarmCache, Run]:
    return await temporal.start(
        WarmCache.run,
        WarmRequest(),
        id=warm_id or f"warm-{secrets.token_hex(6)}",
        start_signal=start_signal,
        start_signal_args=[Order(by="me", reason="busy")] if start_signal else [],
    )


def _nobody() -> Client:
    """Warming asks Temporal nothing."""
    return None  # type: ignore[return-value]  # a call would show as a failure
