"""Temporal that is killed or paused is seen to be so, and goes on where it was."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from small_target import small_target, standing

from chaos.faults.temporal import TemporalKilledPlan, TemporalPausedPlan
from harness.errors import CannotRun
from harness.services.service import Identity
from harness.stack import Stack
from harness.testbed import Testbed


@pytest.fixture(scope="module")
async def bed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Testbed]:
    """A testbed with a Temporal of its own, which is persistent."""
    async with standing(small_target(), stack, tmp_path_factory.mktemp("results"), own=["temporal"]) as made:
        yield made


async def test_killed_it_goes_on_where_it_was(bed: Testbed) -> None:
    """After SIGKILL connections are refused; at heal it has the workflow it had, and the testbed's client knows it."""
    fault = TemporalKilledPlan(at=0, duration=1).fault(bed)
    await fault.heal()
    name = f"{bed.run.info.id}.small-echo.0.main"
    handle = await bed.client.start_workflow("Echo", "hello", id=name, task_queue=bed.target.file.task_queue)
    await fault.inject()
    bite = await fault.bite()
    assert bite.in_force
    assert bite.evidence.endswith("a new one was refused: connection refused")
    assert bite.cut == 0, "only we were connected"
    await fault.heal()
    await fault.heal()
    async with bed.workers(1):
        assert await handle.result() == "hello"
    assert await bed.quiesce(60) == 0
    assert not (await fault.bite()).in_force


async def test_paused_it_answers_nobody_until_it_goes_on(bed: Testbed) -> None:
    """A new connection has no answer; what was asked meanwhile is answered after heal."""
    fault = TemporalPausedPlan(at=0, duration=1).fault(bed)
    await fault.heal()
    assert not (await fault.bite()).in_force
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.evidence) == (True, "a new connection said hello, and had no answer within 1 s")
    asked = asyncio.create_task(bed.client.count_workflows(""))
    await fault.heal()
    await fault.heal()
    assert (await asked).count >= 0


async def test_what_would_forget_everything_is_not_killed(bed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Temporal that has its database in memory is refused."""
    monkeypatch.setattr(bed.stack["temporal"], "identity", Identity(version="", flags={"database": "memory"}))
    with pytest.raises(CannotRun, match="would forget everything"):
        TemporalKilledPlan(at=0, duration=1).fault(bed)
