"""PostgreSQL that is down, still, full, locked or read-only is seen to be so, and serves again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TypeAlias

import asyncpg
import pytest
from small_target import small_target, standing

from chaos.faults.postgres import (
    PostgresExhaustedPlan,
    PostgresKilledPlan,
    PostgresLockedPlan,
    PostgresPlan,
    PostgresReadOnlyPlan,
    PostgresRestartedPlan,
    PostgresStalledPlan,
)
from harness.errors import UnknownName
from harness.eventually import eventually
from harness.services import postgres
from harness.stack import Stack
from harness.testbed import Testbed

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

KILLED = PostgresKilledPlan(at=0, duration=1)
RESTARTED = PostgresRestartedPlan(at=0, duration=1)
STALLED = PostgresStalledPlan(at=0, duration=1)
EXHAUSTED = PostgresExhaustedPlan(at=0, duration=1)
LOCKED = PostgresLockedPlan(at=0, duration=1, table="kept")
READ_ONLY = PostgresReadOnlyPlan(at=0, duration=1)
PLANS = (KILLED, RESTARTED, STALLED, EXHAUSTED, LOCKED, READ_ONLY)


def named(plan: PostgresPlan) -> str:
    """What a test of this plan is called."""
    return plan.kind


@pytest.fixture(scope="module")
async def bed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Testbed]:
    """A testbed with a PostgreSQL of its own, which is soon full, and has one table with one row."""
    target = small_target(services=["temporal", "postgres"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(postgres.SETTINGS, "max_connections", "10")
        async with standing(target, stack, tmp_path_factory.mktemp("results"), own=["postgres"]) as made:
            assert made.stores.postgres is not None
            await made.stores.postgres.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
            yield made


@pytest.fixture
def pool(bed: Testbed) -> Pool:
    """The testbed's own, which is to outlive every fault."""
    assert bed.stores.postgres is not None
    return bed.stores.postgres


@pytest.fixture
async def client(bed: Testbed) -> AsyncIterator[Connection]:
    """A connection of the target's, open before the fault."""
    made = await asyncpg.connect(bed.stack["postgres"].url)
    yield made
    made.terminate()


def told_to_shut_down(bed: Testbed) -> int:
    """How often it was, by its own log."""
    return (bed.run.logs / "postgres.log").read_text().count("received fast shutdown request")


async def is_refused(writer: Pool | Connection) -> bool:
    """Whether a write is refused because it is one."""
    try:
        await writer.execute("UPDATE kept SET n = 2")
    except asyncpg.ReadOnlySQLTransactionError:
        return True
    return False


@pytest.mark.parametrize("plan", [KILLED, RESTARTED], ids=named)
async def test_down_it_refuses_and_comes_back_with_what_it_had(
    bed: Testbed, pool: Pool, client: Connection, plan: PostgresKilledPlan | PostgresRestartedPlan
) -> None:
    """Connections are closed and new ones refused; after heal the testbed's own pool finds every row."""
    fault = plan.fault(bed)
    shutdowns = told_to_shut_down(bed)
    await fault.inject()
    bite = await fault.bite()
    assert bite.in_force
    assert bite.evidence.endswith("a new one was refused: connection refused")
    assert told_to_shut_down(bed) - shutdowns == (plan is RESTARTED)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await client.fetchval("SELECT 1")
    await fault.heal()
    assert await pool.fetchval("SELECT count(*) FROM kept") == 1


async def test_still_it_answers_late(bed: Testbed, client: Connection) -> None:
    """What was asked meanwhile is answered after heal, on the connection that was open."""
    fault = STALLED.fault(bed)
    await fault.inject()
    asked = asyncio.create_task(client.fetchval("SELECT 1"))
    assert (await fault.bite()).in_force
    assert not asked.done()
    await fault.heal()
    assert await asked == 1


async def test_exhausted_it_lets_nobody_in(bed: Testbed, pool: Pool, client: Connection) -> None:
    """A new connection is refused, also where somebody gives theirs back; who has one keeps it."""
    fault = EXHAUSTED.fault(bed)
    assert not (await fault.bite()).in_force
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.cut) == (True, None)
    assert "one more was refused: sorry, too many clients already" in bite.evidence
    assert await client.fetchval("SELECT 1") == 1
    assert await pool.fetchval("SELECT 1") == 1
    taken = len(fault.taken)
    await client.close()
    await eventually(lambda: len(fault.taken) > taken, timeout=30)
    assert (await fault.bite()).in_force
    await fault.heal()
    assert not (await fault.bite()).in_force
    assert (await postgres.identify(bed.stack["postgres"].url)).version


async def test_exhausted_and_evicted_nobody_is_left(bed: Testbed, pool: Pool, client: Connection) -> None:
    """Those who have a connection lose it first; the testbed's own are left alone."""
    fault = PostgresExhaustedPlan(at=0, duration=1, evict=True).fault(bed)
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.cut) == (True, 1)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await client.fetchval("SELECT 1")
    assert await pool.fetchval("SELECT 1") == 1
    await fault.heal()
    assert not (await fault.bite()).in_force
    assert (await postgres.identify(bed.stack["postgres"].url)).version


async def test_who_needs_a_locked_table_waits(bed: Testbed, pool: Pool, client: Connection) -> None:
    """The lock is seen in pg_locks; who waits for it goes on after heal."""
    fault = LOCKED.fault(bed)
    assert not (await fault.bite()).in_force
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.evidence) == (True, "pg_locks shows ACCESS EXCLUSIVE on kept")
    asked = asyncio.create_task(client.fetchval("SELECT count(*) FROM kept"))
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    await eventually(lambda: pool.fetchval(waits), timeout=30)
    await fault.heal()
    assert await asked == 1


async def test_a_lock_that_is_not_to_be_had_is_not_in_force(bed: Testbed, client: Connection) -> None:
    """Where somebody uses the table for as long as the fault is to last, it says so, and leaves nothing behind."""
    await client.execute("BEGIN; SELECT FROM kept")
    fault = PostgresLockedPlan(at=0, duration=0.05, table="kept").fault(bed)
    await fault.inject()
    bite = await fault.bite()
    assert not bite.in_force
    assert bite.evidence.endswith("it was not to be had")
    weaker = PostgresLockedPlan(at=0, duration=30, table="public.kept", mode="ROW EXCLUSIVE").fault(bed)
    await weaker.inject()
    assert (await weaker.bite()).in_force
    await weaker.heal()
    await fault.heal()
    assert await client.fetchval("SELECT 1 FROM kept") == 1


async def test_a_table_that_is_not_there_is_told_before_there_is_a_worker(bed: Testbed) -> None:
    """With those that are."""
    await LOCKED.prepare(bed, 1)
    with pytest.raises(UnknownName, match=r"no table 'kepd'[\s\S]*Did you mean 'kept'"):
        await PostgresLockedPlan(at=0, duration=1, table="kepd").prepare(bed, 1)


async def test_read_only_it_refuses_writes(bed: Testbed, pool: Pool, client: Connection) -> None:
    """Also on connections that were open, the testbed's own among them; after heal all of them may write."""
    fault = READ_ONLY.fault(bed)
    assert not (await fault.bite()).in_force
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.evidence) == (
        True,
        "a write was refused: cannot execute CREATE TABLE in a read-only transaction",
    )
    for writer in (client, pool):
        await eventually(partial(is_refused, writer), timeout=30)
        assert await writer.fetchval("SELECT n FROM kept") == 1
    await fault.heal()
    for writer in (client, pool):
        await eventually(partial(writer.execute, "UPDATE kept SET n = 1"), timeout=30)


@pytest.mark.parametrize("plan", PLANS, ids=named)
async def test_healing_is_harmless(bed: Testbed, pool: Pool, plan: PostgresPlan) -> None:
    """Heal may be called first, twice, and after the server has died of something else; then all is as it was."""
    fault = plan.fault(bed)
    assert (fault.name, fault.on) == (plan.kind, "postgres")
    await fault.heal()
    await fault.heal()
    await fault.inject()
    service = plan.ours(bed)
    await service.kill()
    await fault.heal()
    await fault.heal()
    if not service.alive:
        await service.restart()
    await fault.heal()
    await pool.execute("UPDATE kept SET n = 1")
