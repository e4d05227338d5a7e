"""The queries that are made all the time find their rows by an index."""

from dataclasses import replace
from datetime import timedelta

import asyncpg
from explain import explained, explained_call, explained_in

from system.control import store as control
from system.control.models import Outcome
from system.pipeline.datasets import ensure_table
from system.pipeline.schema import Schema
from system.pipeline.store import count_chunks, count_rejects, lock_load, recorded_chunk
from system.records import Record
from system.settings import Settings
from system.storage.claims import once, undo
from system.storage.effects import Effect, ledger
from system.storage.pool import Connection, open_pool


async def test_a_query_without_an_index_is_seen(connection: asyncpg.Connection) -> None:
    """What reads a whole table is shown as such."""
    await connection.execute("CREATE TABLE plain AS SELECT n FROM generate_series(1, 5000) AS n")
    assert await explained(connection, "SELECT n FROM plain WHERE n = $1", 7) == ["all of plain"]
    await connection.execute("CREATE INDEX plain_n ON plain (n)")
    await connection.execute("ANALYZE plain")
    assert await explained(connection, "SELECT n FROM plain WHERE n = $1", 7) == ["plain_n"]


async def test_the_ledger_of_one_prefix(connection: asyncpg.Connection) -> None:
    """Effects of one run are found among those of many, by the start of the workflow's id."""
    await connection.execute(
        """
        INSERT INTO effects (workflow_id, step, item, kind, run_id, attempt)
        SELECT 'run-' || n % 200 || '.load.' || n, 'load', '', 'forward', 'r', 1 FROM generate_series(1, 20000) AS n
        """
    )
    await connection.execute("ANALYZE effects")
    assert await explained_call(connection, ledger(connection, "run-7.")) == ["effects_workflow"]
    assert len(await ledger(connection, "run-7.")) == 100


async def test_the_counts_of_one_load(connection: asyncpg.Connection, people: Schema) -> None:
    """Chunks, rows and rejects of one load are counted without reading those of others."""
    await ensure_table(connection, people)
    await connection.execute(
        """
        INSERT INTO loads (workflow_id, dataset, schema, source, rows_read)
        SELECT 'load-' || n, 'people', $1::text::jsonb, 'here', 400 FROM generate_series(1, 500) AS n
        """,
        people.model_dump_json(),
    )
    await connection.execute(
        """
        INSERT INTO manifest (load_id, number, byte_offset, byte_length, first_row, rows_read, sha256)
        SELECT id, number, 0, 1, 0, 40, '' FROM loads, generate_series(0, 9) AS number
        """
    )
    await connection.execute(
        """
        INSERT INTO chunks (load_id, number, rows_read, rows_loaded, rows_rejected)
        SELECT id, number, 40, 4, 1 FROM loads, generate_series(0, 9) AS number
        """
    )
    await connection.execute(
        "INSERT INTO datasets.people (name, age, _chunk) SELECT 'n', 1, id FROM chunks, generate_series(1, 4)"
    )
    await connection.execute("INSERT INTO rejects SELECT load_id, number, 'f', 1, 'why', 'raw' FROM chunks")
    await connection.execute("ANALYZE")
    load_id = await connection.fetchval("SELECT id FROM loads WHERE workflow_id = 'load-77'")
    load = await lock_load(connection, load_id)

    assert await explained_call(connection, count_rejects(connection, load_id)) == ["rejects_chunk"]
    rejects = await count_rejects(connection, load_id)
    used = await explained_call(connection, count_chunks(connection, load, rejects))
    assert set(used) == {"manifest_pkey", "chunks_load_id_number_key", "people_chunk"}
    assert [one.rows_loaded for one in await count_chunks(connection, load, rejects)] == [4] * 10
    used = await explained_call(connection, recorded_chunk(connection, load_id, 3))
    assert set(used) == {"loads_pkey", "chunks_load_id_number_key"}


async def test_the_claim_of_one_step(settings: Settings, connection: asyncpg.Connection) -> None:
    """Claimed, claimed again and undone, a step's row is found among those of all steps there ever were."""
    await connection.execute(
        """
        INSERT INTO claims (workflow_id, step, item, state, result)
        SELECT 'w' || n, 'write', '', 'done', '{}' FROM generate_series(1, 5000) AS n;
        ANALYZE claims;
        """
    )
    one = await open_pool(replace(settings, pool_min=1, pool_max=1))
    step = Effect(workflow_id="w77", step="write", item="", run_id="r", attempt=1)

    async def write(_: Connection) -> Record:
        return Record()

    async def take_back(_: Connection, __: Record) -> None:
        """There is nothing to take back."""

    for call in (
        once(one, replace(step, workflow_id="new"), Record, write),
        once(one, step, Record, write),
        undo(one, step, Record, take_back),
    ):
        assert set(await explained_in(one, call)) == {"claims_pkey"}
    one.terminate()


async def test_the_targets_of_one_operation(connection: asyncpg.Connection) -> None:
    """Who acts on a target, records its outcome or asks what was done to a workflow reads no other's."""
    await connection.execute(
        """
        INSERT INTO control_operations (name, kind, action, ordered_by, reason, state, targets)
        SELECT 'bulk-' || n, 'bulk', '{"kind": "pause"}', 'ann', 'why', 'running', 100
        FROM generate_series(1, 500) AS n;
        INSERT INTO control_outcomes (operation_id, number, workflow_id, run_id, workflow_type, listed_status)
        SELECT id, number, 'w' || id * 100 + number, 'r', 't', 'running'
        FROM control_operations, generate_series(1, 100) AS number;
        ANALYZE control_operations, control_outcomes;
        """
    )
    lease = timedelta(seconds=10)
    for name, call in {
        "listed": control.listed(connection, "bulk-7"),
        "pending": control.pending(connection, "bulk-7", 1, 10),
        "claim": control.claim(connection, "bulk-7", 3, lease),
        "keep": control.keep_claim(connection, "bulk-7", 3, 1, lease),
        "end": control.end(connection, "bulk-7", 3, 1, Outcome(state="done")),
        "counts": control.counts(connection, "bulk-7", 1, 10),
        "outcomes": control.outcomes(connection, "bulk-7", after=50),
        "read": control.read(connection, "bulk-7"),
        "recent": control.recent(connection),
        "of one workflow": control.recent(connection, workflow_id="w777"),
        "close": control.close(connection, "bulk-7", "done"),
    }.items():
        used = await explained_call(connection, call)
        assert not any(each.startswith("all of ") for each in used), name
        assert "control_outcomes_workflow" in used or name != "of one workflow"
