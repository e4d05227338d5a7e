"""Each activity does its step once, however often it is attempted."""

import asyncio
from pathlib import Path

import asyncpg
import polars as pl
import pytest
from running_system import Write

from harness.attempt import Attempt
from harness.eventually import eventually
from system.errors import (
    LoadClosed,
    ReconciliationFailed,
    SchemaMismatch,
    SourceChanged,
    SourceMissing,
    SourceUnreadable,
)
from system.pipeline import store
from system.pipeline.activities import PipelineActivities, _in_stage
from system.pipeline.models import ChunkResult, ChunkTask, CloseRequest, LoadRequest, Manifest, ReconcileRequest
from system.pipeline.schema import Schema
from system.storage.effects import Effect, ledger, record
from system.storage.pool import Pool

FILE = b"name,age\nann,1\nbob,x\ncat,3\n"


@pytest.fixture
async def manifest(activities: PipelineActivities, attempt: Attempt, write: Write, people: Schema) -> Manifest:
    """A prepared load of one chunk: two good rows, one bad."""
    return await attempt.run(activities.prepare, LoadRequest(sources=(str(write(FILE)),), schema=people))


def task(manifest: Manifest) -> ChunkTask:
    return ChunkTask(load_id=manifest.load_id, chunk=manifest.chunks[0])


async def people_count(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM datasets.people"))


async def test_an_attempt_retried_after_its_commit_counts_once(
    activities: PipelineActivities,
    attempt: Attempt,
    manifest: Manifest,
    connection: asyncpg.Connection,
) -> None:
    """The second attempt returns what the first one recorded, and writes nothing."""
    first = await attempt.run(activities.load_chunk, task(manifest))
    assert (first.rows_read, first.rows_loaded, first.rows_rejected) == (3, 2, 1)
    assert await Attempt(2).run(activities.load_chunk, task(manifest)) == first
    assert await people_count(connection) == 2
    assert await connection.fetchval("SELECT count(*) FROM rejects") == 1
    assert [(one.step, one.item, one.attempt) for one in await ledger(connection, "test")] == [("load_chunk", "0", 1)]


async def test_attempts_at_the_same_time_make_one_effect(
    activities: PipelineActivities, manifest: Manifest, connection: asyncpg.Connection
) -> None:
    """Whoever comes second waits for the first and returns its result."""
    attempts = [Attempt(2).run(activities.load_chunk, task(manifest)) for _ in range(4)]
    results = await asyncio.gather(*attempts)
    assert len({one.model_dump_json() for one in results}) == 1
    assert await people_count(connection) == 2
    assert len(await ledger(connection, "test")) == 1


async def test_an_attempt_waits_for_one_in_the_middle_of_the_chunk(
    activities: PipelineActivities, manifest: Manifest, connection: asyncpg.Connection, database: Pool
) -> None:
    """Once the other has committed, it returns the other's result and writes nothing."""
    theirs = ChunkResult(number=0, rows_read=3, rows_loaded=0, rows_rejected=3)
    async with connection.transaction():
        assert await store.claim_chunk(connection, manifest.load_id, await store.next_chunk_id(connection), theirs)
        ours = asyncio.create_task(Attempt(2).run(activities.load_chunk, task(manifest)))

        async def blocked() -> bool:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(await database.fetchval(query))

        await eventually(blocked)
    assert await ours == theirs
    assert await people_count(connection) == 0
    assert await ledger(connection, "test") == []


async def test_a_late_attempt_after_close_writes_nothing(
    activities: PipelineActivities,
    attempt: Attempt,
    manifest: Manifest,
    connection: asyncpg.Connection,
) -> None:
    """A load that is cancelled is fenced."""
    await attempt.run(activities.close, CloseRequest(state="cancelled"))
    with pytest.raises(LoadClosed, match="cancelled"):
        await Attempt(2).run(activities.load_chunk, task(manifest))
    with pytest.raises(LoadClosed):
        await attempt.run(activities.reconcile, ReconcileRequest(load_id=manifest.load_id))
    assert await people_count(connection) == 0
    assert await connection.fetchval("SELECT count(*) FROM rejects") == 0
    assert [one.step for one in await ledger(connection, "test")] == ["close"]


async def test_closing_before_anything_began_leaves_a_tombstone(
    activities: PipelineActivities, attempt: Attempt, write: Write, people: Schema
) -> None:
    """A preparation that wakes up late finds its load closed."""
    await attempt.run(activities.close, CloseRequest(state="failed"))
    with pytest.raises(LoadClosed, match="failed"):
        await attempt.run(activities.prepare, LoadRequest(sources=(str(write(FILE)),), schema=people))


async def test_effect_rows_and_record_share_one_transaction(
    activities: PipelineActivities,
    attempt: Attempt,
    manifest: Manifest,
    connection: asyncpg.Connection,
) -> None:
    """The transaction in the ledger is the one that wrote rows, rejects and the chunk's record."""
    await attempt.run(activities.load_chunk, task(manifest))
    [effect] = await ledger(connection, "test")
    written = await connection.fetch(
        """
        SELECT xmin::text::bigint AS writer FROM datasets.people
        UNION ALL SELECT xmin::text::bigint FROM rejects
        UNION ALL SELECT xmin::text::bigint FROM chunks
        """
    )
    assert [row["writer"] for row in written] == [effect.transaction % 2**32] * 4


async def test_reconciling_twice_gives_the_same_report(
    activities: PipelineActivities,
    attempt: Attempt,
    manifest: Manifest,
    connection: asyncpg.Connection,
) -> None:
    """Totals and reasons come from the database; the effect is recorded once."""
    await attempt.run(activities.load_chunk, task(manifest))
    request = ReconcileRequest(load_id=manifest.load_id)
    report = await attempt.run(activities.reconcile, request)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected, report.chunks) == (3, 2, 1, 1)
    assert report.reasons == {"age: not an integer": 1}
    assert await attempt.run(activities.reconcile, request) == report
    assert [one.step for one in await ledger(connection, "test")] == ["load_chunk", "reconcile"]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM datasets.people WHERE name = 'ann'",
        "DELETE FROM rejects",
        "INSERT INTO datasets.people TABLE datasets.people",
    ],
)
async def test_lost_and_doubled_rows_fail_the_reconciliation(
    damage: str,
    activities: PipelineActivities,
    attempt: Attempt,
    manifest: Manifest,
    connection: asyncpg.Connection,
) -> None:
    """The chunk is named, and the load stays open for whoever looks into it."""
    await attempt.run(activities.load_chunk, task(manifest))
    await connection.execute(damage)
    with pytest.raises(ReconciliationFailed, match="chunk 0"):
        await attempt.run(activities.reconcile, ReconcileRequest(load_id=manifest.load_id))
    assert await connection.fetchval("SELECT state FROM loads") == "open"


async def test_a_source_that_changed_is_not_loaded(
    activities: PipelineActivities, attempt: Attempt, manifest: Manifest, people: Schema
) -> None:
    """Neither a changed range nor a missing file is taken for the one in the manifest."""
    source = Path(manifest.chunks[0].file)
    source.write_bytes(FILE.replace(b"ann", b"eve"))
    with pytest.raises(SourceChanged):
        await attempt.run(activities.load_chunk, task(manifest))
    with pytest.raises(SourceChanged):
        await attempt.run(activities.prepare, LoadRequest(sources=(str(source),), schema=people))
    source.unlink()
    with pytest.raises(SourceMissing):
        await attempt.run(activities.load_chunk, task(manifest))


async def test_another_schema_under_the_same_workflow_id_is_not_loaded(
    activities: PipelineActivities, attempt: Attempt, manifest: Manifest, people: Schema
) -> None:
    """Chunks follow the schema recorded first; another one is told so, and the same one is welcome again."""
    request = LoadRequest(sources=(manifest.chunks[0].file,), schema=people)
    assert await attempt.run(activities.prepare, request) == manifest
    other = people.model_copy(update={"null": ("-",)})
    with pytest.raises(SourceChanged, match="or its schema"):
        await attempt.run(activities.prepare, LoadRequest(sources=(manifest.chunks[0].file,), schema=other))


async def test_a_table_with_other_columns_is_left_alone(
    activities: PipelineActivities, attempt: Attempt, manifest: Manifest, people: Schema
) -> None:
    """The difference is named."""
    other = people.model_copy(update={"fields": people.fields[:1]})
    with pytest.raises(SchemaMismatch, match="age is not declared"):
        await attempt.run(activities.prepare, LoadRequest(sources=(manifest.chunks[0].file,), schema=other))


@pytest.mark.parametrize(
    ("references", "message"), [("pets.name", "no 'pets' was loaded"), ("people.age", "which is bigint")]
)
async def test_references_to_nothing_are_refused(
    references: str, message: str, activities: PipelineActivities, attempt: Attempt, write: Write
) -> None:
    """Before any row is read."""
    fields = [{"name": "name", "references": references}, {"name": "age", "type": "integer"}]
    schema = Schema.model_validate({"dataset": "people", "fields": fields})
    with pytest.raises(SchemaMismatch, match=message):
        await attempt.run(activities.prepare, LoadRequest(sources=(str(write(FILE)),), schema=schema))


async def test_a_wrong_expression_is_refused(
    activities: PipelineActivities, attempt: Attempt, write: Write, people: Schema
) -> None:
    """Before any row is loaded."""
    schema = Schema.model_validate(
        people.model_dump() | {"derived": [{"name": "x", "type": "number", "expression": "nothing + 1"}]}
    )
    with pytest.raises(SchemaMismatch, match="nothing"):
        await attempt.run(activities.prepare, LoadRequest(sources=(str(write(FILE)),), schema=schema))


async def test_a_table_that_postgresql_will_not_make_is_refused(
    activities: PipelineActivities, attempt: Attempt, write: Write
) -> None:
    """More columns than a table may have: no attempt will ever succeed."""
    fields = [{"name": f"c{number}"} for number in range(1700)]
    schema = Schema.model_validate({"dataset": "wide", "header": False, "fields": fields})
    with pytest.raises(SchemaMismatch, match="1600 columns"):
        await attempt.run(activities.prepare, LoadRequest(sources=(str(write(b"")),), schema=schema))


async def test_what_polars_cannot_compute_is_not_retried(manifest: Manifest) -> None:
    """It is an error of ours, which names the chunk."""
    with pytest.raises(SourceUnreadable, match="chunk 0"):
        await _in_stage(manifest.chunks[0], pl.Series(["x"]).cast, pl.Int64)


async def test_an_effect_is_recorded_only_in_a_transaction(connection: asyncpg.Connection) -> None:
    """Outside of one it would be committed on its own."""
    with pytest.raises(AssertionError):
        await record(connection, Effect(workflow_id="w", step="s", item="i", run_id="r", attempt=1))
