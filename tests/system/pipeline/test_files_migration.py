"""What the version before files had recorded is there after the migration, and after taking it back."""

import asyncio

import asyncpg

from harness.attempt import Attempt
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import ReconcileRequest
from system.pipeline.schema import Schema
from system.storage.migrations import downgrade, upgrade

OLD = """
    INSERT INTO loads (workflow_id, state, dataset, schema, source, sha256, rows_read)
    VALUES ($1, $2, 'people', $3, '/in/people.csv', 'of its chunks', 0)
"""


async def test_loads_of_the_version_before_keep_their_file(
    postgres_url: str,
    connection: asyncpg.Connection,
    people: Schema,
    activities: PipelineActivities,
    attempt: Attempt,
) -> None:
    """Open, reconciled and failed ones; the open one can be finished; going down restores the file's name."""
    await asyncio.to_thread(downgrade, postgres_url, "0006")
    for state in ("open", "reconciled", "failed"):
        await connection.execute(OLD, state, state, people.model_dump_json())
    await connection.execute("INSERT INTO loads (workflow_id, state) VALUES ('never prepared', 'cancelled')")
    await connection.execute("CREATE TABLE datasets.people (name text, age bigint, _chunk integer NOT NULL)")
    await asyncio.to_thread(upgrade, postgres_url)
    files = await connection.fetch(
        "SELECT workflow_id, name, columns, files.state FROM files JOIN loads ON id = load_id ORDER BY id"
    )
    assert [tuple(row) for row in files] == [
        (workflow_id, "/in/people.csv", ["name", "age"], state)
        for workflow_id, state in (("open", "loading"), ("reconciled", "loaded"), ("failed", "released"))
    ]
    load_id = await connection.fetchval("SELECT id FROM loads WHERE workflow_id = 'open'")
    report = await attempt.run(activities.reconcile, ReconcileRequest(load_id=load_id))
    assert [one.file for one in report.files] == ["/in/people.csv"]
    await connection.execute("UPDATE loads SET source = NULL")
    await asyncio.to_thread(downgrade, postgres_url, "0006")
    sources = await connection.fetch("SELECT source FROM loads WHERE dataset IS NOT NULL")
    assert [row["source"] for row in sources] == ["/in/people.csv"] * 3


async def test_an_index_that_was_made_beforehand_is_welcome(postgres_url: str, connection: asyncpg.Connection) -> None:
    """By hand, without holding up whoever uses the table."""
    await asyncio.to_thread(downgrade, postgres_url, "0009")
    await connection.execute(
        """
        CREATE INDEX CONCURRENTLY files_unfinished ON files (dataset, sha256)
        WHERE state IN ('loading', 'released')
        """
    )
    await asyncio.to_thread(upgrade, postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'files_unfinished'") == 1
