"""An item that failed for good has a dead letter, and is run again from it, unless it is done all the same."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from batches import Gate, checksum, gated, posting, start, states
from running_system import App, command

from harness.eventually import eventually
from harness.faultpoints import FaultPointInterceptor, FaultPoints
from system.connection import connect
from system.dead_letters import listing
from system.dead_letters.models import Filter, Letter, RedriveProgress, RedriveRequest
from system.dead_letters.workflow import Redrive
from system.settings import Settings
from system.storage.pool import Pool
from system.tasks.handlers import REGISTRY
from system.tasks.models import RUN, BatchReport, Item
from system.worker import run_worker


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", made.handler)
    yield made
    made.open.set()


@pytest.fixture
def faults(tmp_path: Path) -> FaultPoints:
    return FaultPoints(tmp_path / "faults")


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """With files that tasks may read."""
    return replace(settings, task_files=tmp_path)


@pytest.fixture
async def app(settings: Settings, database: Pool, faults: FaultPoints) -> AsyncIterator[App]:
    """The system with one worker, in this process, which the armed faults reach."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(settings, [FaultPointInterceptor(faults.directory)], stop))
    yield App(await connect(settings), settings, database)
    stop.set()
    await worker


async def letters(app: App) -> dict[str, Letter]:
    """The letters of items, by key."""
    async with app.database.acquire() as connection:
        found = await listing.find(connection, Filter(activity_type=RUN), limit=10)
    return {letter.item: letter for letter in found}


async def redrive(app: App, *wanted: Letter) -> RedriveProgress:
    return await app.client.execute_workflow(
        Redrive.run,
        RedriveRequest(letters=tuple(letter.id for letter in wanted), by="ann", reason="the file has come"),
        id=f"redrive-{app.settings.task_queue}",
        task_queue=app.settings.task_queue,
    )


async def test_a_failed_item_is_redriven_alone(app: App) -> None:
    """Its letter names it and its file; once that is there, a batch of just this item is done, the letter resolved."""
    assert app.settings.task_files is not None
    failing = Item(key="late", handler="file.checksum", input={"path": "late"}, needs=("before",), priority=2)
    handle = await start(app, [checksum("before"), failing, checksum("after", needs=("late",))])
    report = await handle.result()
    assert (report.done, report.failed, report.skipped) == (1, 1, 1)
    letter = (await letters(app))["late"]
    assert (letter.error_type, letter.workflow_id) == ("SourceMissing", handle.id)
    _, shown, _ = await command(app.settings, "dead-letters", "inspect", str(letter.id))
    assert '\ndetails       files ["late"]\n' in shown
    (app.settings.task_files / "late").write_text("here it is")
    assert (await redrive(app, letter)).redriven == 1
    resolved = (await letters(app))["late"]
    assert resolved.redrive_workflow_id is not None
    handle = app.client.get_workflow_handle(resolved.redrive_workflow_id, result_type=BatchReport)
    again: BatchReport = await handle.result()
    assert (again.items, again.done) == (1, 1)
    assert (await letters(app))["late"].state == "resolved"
    priority = "SELECT min(priority) = 2 FROM task_items WHERE key = 'late'"
    assert await app.database.fetchval(priority)


async def test_an_item_that_is_done_all_the_same_is_not_done_again(app: App, faults: FaultPoints, gate: Gate) -> None:
    """Its completion was lost after the commit: a redrive runs nothing, and closes the letter, as does the batch."""
    faults.at(RUN, workflow_id="lost", call=None).after_commit(retryable=False)
    handle = await start(app, [posting("committed"), posting("rejected", 0), gated("gated")], id="lost")
    await eventually(lambda: gate.began, timeout=20)

    async def two_letters() -> dict[str, Letter] | None:
        found = await letters(app)
        return found if len(found) == 2 else None

    found = await eventually(two_letters, timeout=20)
    assert found is not None
    assert {letter.error_type for letter in found.values()} == {"FaultPoint", "TaskRejected"}
    told = await redrive(app, found["committed"], found["rejected"])
    assert (told.resolved, told.refused) == (1, 1)
    assert {one.letter: one.reason for one in told.refusals} == {
        found["rejected"].id: "its batch is still at the item: look again once the batch has ended"
    }
    assert {key: letter.state for key, letter in (await letters(app)).items()} == {
        "committed": "resolved",
        "rejected": "open",
    }
    gate.open.set()
    report = await handle.result()
    assert (report.done, report.failed) == (2, 1)
    assert await states(app, handle) == {"committed": "done", "rejected": "failed", "gated": "done"}
    assert await app.database.fetchval("SELECT count(*) FROM task_entries") == 1
    assert (await letters(app))["gated"].state == "resolved"
