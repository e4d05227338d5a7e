"""A load that does not end whole leaves no row that the next load of the same content doubles."""

import asyncio
import dataclasses
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from explain import explained_call
from running_system import App, Write
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from harness.attempt import Attempt
from harness.eventually import eventually
from system.cache.cache import Cache
from system.errors import LoadClosed, LoadInProgress
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import (
    ChunkTask,
    ClaimRequest,
    CloseRequest,
    CloseResult,
    LoadReport,
    LoadRequest,
    Manifest,
    ReconcileRequest,
)
from system.pipeline.schema import Schema
from system.pipeline.unfinished import ended_at, make_way
from system.pipeline.workflow import Pipeline
from system.storage.effects import Effect, ledger
from system.storage.pool import Pool

ROWS = 200
FILE = b"name,age\n" + b"".join(b"n%d,%d\n" % (number, number) for number in range(ROWS - 1)) + b"x,y\n"
SMALL = b"name,age\nann,1\nx,y\nbob,2\n"
NOTHING, ONCE, HELD = (0, 0, 0), (ROWS - 1, ROWS - 1, 1), "SELECT count(*) FROM chunks"


async def holds(database: Pool) -> tuple[int, ...]:
    """How many people the dataset has, how many of different names, and how many rows were rejected."""
    row = await database.fetchrow(
        "SELECT count(*), count(DISTINCT name), (SELECT count(*) FROM rejects) FROM datasets.people"
    )
    assert row is not None
    return tuple(row)


async def standing(database: Pool, workflow_id: str) -> Counter[str]:
    """The chunks that the ledger says were loaded and not taken back, each with how often."""
    async with database.acquire() as connection:
        effects = [one for one in await ledger(connection, workflow_id) if one.step == "load_chunk"]
    assert effects
    chunks: Counter[str] = Counter()
    for one in effects:
        chunks[one.item] += 1 if one.kind == "forward" else -1
    return +chunks


async def begun(app: App, source: Path, schema: Schema) -> WorkflowHandle[Pipeline, LoadReport]:
    """A load of which some chunks are there, and most are not."""
    handle = await app.start(source, schema, chunk_bytes=50, concurrency=1)

    async def some_chunks() -> bool:
        return int(await app.database.fetchval(HELD)) > 2

    await eventually(some_chunks, timeout=30)
    return handle


async def test_a_load_that_is_cancelled_is_taken_back(app: App, write: Write, people: Schema) -> None:
    """Neither rows nor the decoded file are left, the ledger says so of each chunk; a new load brings each row once."""
    source = write(gzip.compress(FILE))
    handle = await begun(app, source, people)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert await holds(app.database) == NOTHING
    assert await app.database.fetchval(HELD) == 0
    assert await app.database.fetchval("SELECT state FROM loads") == "cancelled"
    assert list(app.settings.work_directory.iterdir()) == []
    assert await standing(app.database, handle.id) == Counter()
    assert (await app.load(source, people)).rows_loaded == ROWS - 1
    assert await holds(app.database) == ONCE


async def test_a_load_that_is_terminated_is_taken_back_by_the_next(app: App, write: Write, people: Schema) -> None:
    """Nobody told that it has ended: the next load of its file finds out, and brings each row once."""
    source = write(FILE)
    handle = await begun(app, source, people)
    await handle.terminate("a test")
    report = await app.load(source, people)
    assert (report.rows_loaded, report.rows_rejected, report.files[0].skipped) == (ROWS - 1, 1, None)
    assert await holds(app.database) == ONCE
    assert await standing(app.database, handle.id) == Counter()


async def test_temporal_tells_which_loads_have_ended(app: App, write: Write, people: Schema) -> None:
    """One that runs has not; a run that was terminated has, also when there is another; one that nobody knows has."""
    ended = ended_at(app.client)
    handle = await app.start(write(FILE), people, chunk_bytes=10, concurrency=1)
    assert await ended(handle.id, None) is None
    assert await ended(handle.id, handle.first_execution_run_id) is None
    await handle.terminate("a test")
    assert await ended(handle.id, None) == handle.first_execution_run_id
    await app.client.start_workflow("nobody-takes-it", id=handle.id, task_queue="nobody-polls-it")
    assert await ended(handle.id, None) is None
    assert await ended(handle.id, handle.first_execution_run_id) == handle.first_execution_run_id
    assert await ended("nobody-knows-it", None) == ""
    await app.client.get_workflow_handle(handle.id).terminate("a test")


@dataclasses.dataclass(frozen=True)
class Load:
    """One load of two chunks, of a workflow whose runs take its steps one by one."""

    activities: PipelineActivities
    workflow_id: str
    run_id: str = "first-run"

    def again(self, run_id: str = "second-run") -> "Load":
        """Its workflow, in a run that a redrive made."""
        return dataclasses.replace(self, run_id=run_id)

    async def do(self, step: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        return await Attempt(workflow_id=self.workflow_id, workflow_run_id=self.run_id).run(step, request)

    async def prepare(self, source: Path, schema: Schema) -> Manifest:
        request = LoadRequest(sources=(str(source),), schema=schema, chunk_bytes=8)
        manifest: Manifest = await self.do(self.activities.prepare, request)
        assert len(manifest.chunks) == 2
        return manifest

    async def bring(self, manifest: Manifest, chunk: int) -> None:
        await self.do(self.activities.load_chunk, ChunkTask(load_id=manifest.load_id, chunk=manifest.chunks[chunk]))

    async def close(self, state: str) -> CloseResult:
        result: CloseResult = await self.do(self.activities.close, CloseRequest.model_validate({"state": state}))
        return result

    async def finish(self, manifest: Manifest) -> LoadReport:
        for chunk in range(len(manifest.chunks)):
            await self.bring(manifest, chunk)
        report: LoadReport = await self.do(self.activities.reconcile, ReconcileRequest(load_id=manifest.load_id))
        return report


@pytest.fixture
def ended() -> dict[str, list[str]]:
    """The workflows that have ended, each with its runs, the last one last."""
    return {}


@pytest.fixture
def first(database: Pool, work_directory: Path, ended: dict[str, list[str]]) -> Load:
    """A load that will not end whole; what Temporal would tell is in ``ended``."""

    async def ended_by(workflow_id: str, run_id: str | None) -> str | None:
        runs = ended.get(workflow_id, [])
        if run_id is None:
            return runs[-1] if runs else None
        return run_id if run_id in runs else None

    return Load(PipelineActivities(database, work_directory, Cache(None), ended_by), "first")


@pytest.fixture
def second(first: Load) -> Load:
    """Another load of the same file."""
    return dataclasses.replace(first, workflow_id="second")


async def test_a_load_that_failed_goes_on_where_it_was(
    first: Load, write: Write, people: Schema, database: Pool
) -> None:
    """Its rows stay for the run that a redrive makes, and are there once."""
    manifest = await first.prepare(write(SMALL), people)
    await first.bring(manifest, 0)
    await first.close("failed")
    assert (await holds(database))[0] == 1
    await first.again().finish(manifest)
    assert await holds(database) == (2, 2, 1)
    assert await standing(database, "first") == Counter({"0": 1, "1": 1})


async def test_a_redrive_that_is_cancelled_takes_back_what_the_run_before_it_left(
    first: Load, write: Write, people: Schema, database: Pool
) -> None:
    """Also before it has opened the load; and nobody opens it after that."""
    manifest = await first.prepare(write(SMALL), people)
    await first.bring(manifest, 0)
    await first.close("failed")
    assert (await first.again().close("cancelled")).state == "cancelled"
    assert await holds(database) == NOTHING
    assert await standing(database, "first") == Counter()
    with pytest.raises(LoadClosed, match="cancelled"):
        await first.again("third-run").bring(manifest, 0)


async def test_a_load_that_is_whole_cannot_be_closed_any_more(
    first: Load, write: Write, people: Schema, database: Pool
) -> None:
    """Who comes to cancel it, or says that it failed, is told how it is; its rows stay."""
    await first.finish(await first.prepare(write(SMALL), people))
    for state in ("cancelled", "failed"):
        assert (await first.close(state)).state == "reconciled"
    assert await holds(database) == (2, 2, 1)


@pytest.mark.parametrize("closed_by", ["second-run", ""], ids=["failed again", "nobody knows it any more"])
async def test_a_run_that_has_ended_does_not_open_the_load(
    closed_by: str, first: Load, ended: dict[str, list[str]], write: Write, people: Schema, database: Pool
) -> None:
    """One of its attempts wakes up when another run has closed the load; a run that goes on opens it all the same."""
    manifest = await first.prepare(write(SMALL), people)
    await first.bring(manifest, 0)
    await first.close("failed")
    await first.again(closed_by).bring(manifest, 1)
    await first.again(closed_by).close("failed")
    ended["first"] = ["first-run", closed_by]
    with pytest.raises(LoadClosed, match="failed"):
        await first.do(first.activities.reconcile, ReconcileRequest(load_id=manifest.load_id))
    assert await database.fetchval("SELECT state FROM loads") == "failed"
    await first.again("third-run").finish(manifest)
    assert await holds(database) == (2, 2, 1)


async def test_a_load_that_fails_again_while_it_is_asked_who_goes_on_stays_closed(
    first: Load, write: Write, people: Schema, database: Pool, work_directory: Path
) -> None:
    """Temporal says that the second run goes on; before it has opened the load, the third did, and has failed."""
    manifest = await first.prepare(write(SMALL), people)
    await first.close("failed")

    async def third() -> None:
        await first.again("third-run").bring(manifest, 0)
        await first.again("third-run").close("failed")

    async def slow(_: str, __: str | None) -> None:
        await asyncio.create_task(third())

    activities = PipelineActivities(database, work_directory, Cache(None), slow)
    with pytest.raises(LoadClosed, match="failed"):
        await dataclasses.replace(first.again(), activities=activities).bring(manifest, 1)
    assert await database.fetchval("SELECT closed_by FROM loads") == "third-run"


async def test_a_load_that_failed_loses_its_rows_to_the_next(
    first: Load, second: Load, write: Write, people: Schema, database: Pool
) -> None:
    """Before the next one loads anything; from then on, a redrive of the first is told to load under a new id."""
    source = write(SMALL)
    manifest = await first.prepare(source, people)
    await first.bring(manifest, 0)
    await first.close("failed")
    theirs = await second.prepare(source, people)
    assert await holds(database) == NOTHING
    with pytest.raises(LoadClosed, match="use a new workflow id"):
        await first.again().bring(manifest, 1)
    await second.finish(theirs)
    assert await holds(database) == (2, 2, 1)
    assert await standing(database, "first") == Counter()
    assert await standing(database, "second") == Counter({"0": 1, "1": 1})


async def test_a_load_that_waited_takes_back_what_the_other_left(
    first: Load, second: Load, ended: dict[str, list[str]], write: Write, people: Schema, database: Pool
) -> None:
    """The other had rows when the wait began, and ended while it went on: closed, or without a word."""
    source = write(SMALL)
    manifest = await first.prepare(source, people)
    await first.bring(manifest, 0)
    theirs = await second.prepare(source, people)
    assert not theirs.claimed
    claim = ClaimRequest(load_id=theirs.load_id)
    with pytest.raises(LoadInProgress):
        await second.do(second.activities.claim, claim)
    assert (await holds(database))[0] == 1, "the other is at it still"
    ended["first"] = ["first-run"]
    with pytest.raises(LoadInProgress):
        await second.do(second.activities.claim, claim)
    await second.do(second.activities.claim, claim)
    with pytest.raises(LoadClosed):
        await first.bring(manifest, 1)
    await second.finish(theirs)
    assert await holds(database) == (2, 2, 1)


async def test_a_redrive_is_not_held_up_by_a_load_that_told_nobody_of_its_end(
    first: Load, second: Load, ended: dict[str, list[str]], write: Write, people: Schema, database: Pool
) -> None:
    """The second claimed the file when the first had failed, and was terminated: the first gets it back."""
    source = write(SMALL)
    manifest = await first.prepare(source, people)
    await first.close("failed")
    await second.prepare(source, people)
    ended["second"] = ["first-run"]
    with pytest.raises(LoadInProgress):
        await first.again().bring(manifest, 0)
    await first.again().finish(manifest)
    assert await holds(database) == (2, 2, 1)


async def test_a_redrive_takes_back_what_another_left_meanwhile(
    first: Load, second: Load, write: Write, people: Schema, database: Pool
) -> None:
    """The second came and failed while the first was closed, and left rows that the first had not: those go."""
    source = write(SMALL)
    manifest = await first.prepare(source, people)
    await first.close("failed")
    await second.bring(await second.prepare(source, people), 0)
    await second.close("failed")
    await first.again().finish(manifest)
    assert await holds(database) == (2, 2, 1)
    assert await standing(database, "second") == Counter()


async def test_a_late_attempt_takes_nothing_from_others(
    first: Load, second: Load, write: Write, people: Schema, database: Pool
) -> None:
    """It wakes up when its own load is closed, and another one of the same file has failed: that keeps its rows."""
    source = write(SMALL)
    manifest = await first.prepare(source, people)
    await first.close("cancelled")
    await second.bring(await second.prepare(source, people), 0)
    await second.close("failed")
    with pytest.raises(LoadClosed):
        await first.finish(manifest)
    with pytest.raises(LoadClosed):
        await first.do(first.activities.reconcile, ReconcileRequest(load_id=manifest.load_id))
    assert (await holds(database))[0] == 1


async def test_taking_back_goes_on_where_it_was_interrupted(
    first: Load, write: Write, people: Schema, database: Pool, connection: asyncpg.Connection
) -> None:
    """One attempt takes back a chunk, and waits for another's lock; the next attempt takes back the rest, once."""
    manifest = await first.prepare(write(SMALL), people)
    await first.bring(manifest, 0)
    await first.bring(manifest, 1)
    async with connection.transaction():
        await connection.execute("SELECT FROM chunks WHERE number = 1 FOR UPDATE")
        interrupted = asyncio.create_task(first.close("cancelled"))

        async def half_way() -> bool:
            return int(await database.fetchval(HELD)) == 1

        await eventually(half_way, timeout=20)
        interrupted.cancel()
        await asyncio.gather(interrupted, return_exceptions=True)
    assert await database.fetchval(HELD) == 1
    await first.close("cancelled")
    assert await holds(database) == NOTHING
    undone = [one for one in await ledger(connection, "first") if one.kind == "compensation"]
    assert [(one.step, one.item) for one in undone] == [("load_chunk", "0"), ("load_chunk", "1")]


async def test_what_others_left_is_found_by_an_index(connection: asyncpg.Connection) -> None:
    """However many loads have ended whole."""
    await connection.execute(
        "INSERT INTO loads (workflow_id, state) SELECT 'load-' || n, 'reconciled' FROM generate_series(1, 5000) AS n"
    )
    await connection.execute(
        """
        INSERT INTO files (load_id, number, dataset, name, columns, sha256, rows_read, again, state)
        SELECT id, 0, 'people', 'f', '{}', id::text, 1, true, CASE WHEN id % 500 = 0 THEN 'released' ELSE 'loaded' END
        FROM loads
        """
    )
    await connection.execute(
        """
        INSERT INTO manifest (load_id, number, byte_offset, byte_length, first_row, rows_read, sha256)
        SELECT id, 0, 0, 1, 1, 1, '' FROM loads
        """
    )
    await connection.execute(
        "INSERT INTO chunks (load_id, number, rows_read, rows_loaded, rows_rejected) SELECT id, 0, 1, 1, 0 FROM loads"
    )
    await connection.execute("ANALYZE")

    async def none_has_ended(_: str, __: str | None) -> None:
        """Stand in for Temporal."""

    attempt = Effect(workflow_id="load-7", step="prepare", item="", run_id="r", attempt=1)
    used = await explained_call(connection, make_way(connection, 7, attempt, none_has_ended))
    assert "files_unfinished" in used
    assert not [name for name in used if name.startswith("all of")]
