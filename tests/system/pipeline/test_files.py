"""A content is loaded into a dataset once: whoever asks for it, at whatever time, and in whatever company."""

import asyncio
import dataclasses
import gzip
from pathlib import Path

import asyncpg
import pytest
from running_system import App, Write
from temporalio.client import WorkflowFailureError

from harness.attempt import Attempt
from harness.eventually import eventually
from system.errors import LoadInProgress
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import (
    CLAIM,
    ChunkTask,
    ClaimRequest,
    CloseRequest,
    LoadReport,
    LoadRequest,
    Manifest,
    ReconcileRequest,
)
from system.pipeline.schema import Schema

ANN, BOB = b"name,age\nann,1\n", b"name,age\nbob,2\nx,y\n"


@dataclasses.dataclass(frozen=True)
class Load:
    """One load by a workflow of its own, step by step."""

    activities: PipelineActivities
    workflow_id: str

    @property
    def attempt(self) -> Attempt:
        return Attempt(workflow_id=self.workflow_id)

    async def prepare(self, schema: Schema, *sources: Path, again: bool = False) -> Manifest:
        request = LoadRequest(sources=tuple(map(str, sources)), schema=schema, again=again)
        return await self.attempt.run(self.activities.prepare, request)

    async def claim(self, manifest: Manifest) -> Manifest:
        claimed = await self.attempt.run(self.activities.claim, ClaimRequest(load_id=manifest.load_id))
        return manifest.without(claimed.skipped)

    async def finish(self, manifest: Manifest) -> LoadReport:
        for chunk in manifest.chunks:
            await self.attempt.run(self.activities.load_chunk, ChunkTask(load_id=manifest.load_id, chunk=chunk))
        return await self.attempt.run(self.activities.reconcile, ReconcileRequest(load_id=manifest.load_id))

    async def close(self) -> None:
        await self.attempt.run(self.activities.close, CloseRequest(state="failed"))


@pytest.fixture
def first(activities: PipelineActivities) -> Load:
    """The load that comes first."""
    return Load(activities, "first")


@pytest.fixture
def second(activities: PipelineActivities) -> Load:
    """The load that comes second."""
    return Load(activities, "second")


async def names(connection: asyncpg.Connection) -> list[str]:
    return [row["name"] for row in await connection.fetch("SELECT name FROM datasets.people ORDER BY 1")]


async def test_a_file_that_is_loaded_is_skipped(
    first: Load, second: Load, write: Write, people: Schema, connection: asyncpg.Connection
) -> None:
    """However it is packed and named; the report says why, and what is new is loaded."""
    ann = write(ANN)
    await first.finish(await first.prepare(people, ann))
    manifest = await second.prepare(people, write(gzip.compress(ANN)), write(BOB))
    assert [chunk.source for chunk in manifest.chunks] == [1]
    report = await second.finish(manifest)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected, report.chunks) == (2, 1, 1, 1)
    old, new = report.files
    assert (old.rows_read, old.rows_loaded, old.rows_rejected) == (1, 0, 0)
    assert old.skipped == f"already loaded as {ann} by workflow first"
    assert (new.rows_read, new.rows_loaded, new.rows_rejected, new.skipped) == (2, 1, 1, None)
    assert await names(connection) == ["ann", "bob"]


async def test_again_loads_it_nevertheless(
    first: Load, second: Load, activities: PipelineActivities, write: Write, people: Schema
) -> None:
    """Also while another load is at it; and what was loaded so is skipped by the next that does not insist."""
    ann = write(ANN)
    await first.prepare(people, ann)
    report = await second.finish(await second.prepare(people, ann, ann, again=True))
    assert (report.rows_loaded, [one.skipped for one in report.files]) == (2, [None, None])
    await first.close()
    assert (await Load(activities, "third").prepare(people, ann)).chunks == ()
    assert len((await Load(activities, "fourth").prepare(people, ann, again=True)).chunks) == 1


async def test_the_same_content_twice_in_one_load_counts_once(
    first: Load, write: Write, people: Schema, connection: asyncpg.Connection
) -> None:
    """The second one is skipped, and names the first."""
    ann, other = write(ANN), write(gzip.compress(ANN))
    report = await first.finish(await first.prepare(people, ann, other))
    assert [one.skipped for one in report.files] == [None, f"the same content as {ann}"]
    assert await names(connection) == ["ann"]


async def test_another_dataset_has_files_of_its_own(first: Load, second: Load, write: Write, people: Schema) -> None:
    """What one holds is new to the other."""
    ann = write(ANN)
    await first.finish(await first.prepare(people, ann))
    others = people.model_copy(update={"dataset": "others"})
    assert (await second.finish(await second.prepare(others, ann))).rows_loaded == 1


async def test_who_comes_second_waits_and_skips(
    first: Load, second: Load, write: Write, people: Schema, connection: asyncpg.Connection
) -> None:
    """While the first is at the file, nothing of the second's is claimed; once it is reconciled, it is skipped."""
    ann, bob = write(ANN), write(BOB)
    theirs = await first.prepare(people, ann)
    ours = await second.prepare(people, bob, ann)
    assert not ours.claimed
    assert await connection.fetchval("SELECT count(*) FROM files WHERE state = 'waiting'") == 2
    with pytest.raises(LoadInProgress, match=r"workflow first is loading the same content as .*with `again`"):
        await second.claim(ours)
    await first.finish(theirs)
    ours = await second.claim(ours)
    assert [chunk.source for chunk in ours.chunks] == [0]
    assert (await second.finish(ours)).rows_read == 2
    assert await names(connection) == ["ann", "bob"]


async def test_a_load_that_fails_releases_its_files(first: Load, second: Load, write: Write, people: Schema) -> None:
    """Who waits for them has them then; and so does who comes later, if that one fails as well."""
    ann = write(ANN)
    await first.prepare(people, ann)
    ours = await second.prepare(people, ann)
    await first.close()
    assert len((await second.claim(ours)).chunks) == 1
    await second.close()
    third = Load(first.activities, "third")
    assert (await third.finish(await third.prepare(people, ann))).rows_loaded == 1


async def test_a_load_closed_while_it_waits_claims_nothing(
    first: Load, second: Load, write: Write, people: Schema, connection: asyncpg.Connection
) -> None:
    """Its files are released as well."""
    ann = write(ANN)
    await first.prepare(people, ann)
    await second.prepare(people, ann)
    await second.close()
    states = await connection.fetch("SELECT state FROM files ORDER BY load_id")
    assert [row["state"] for row in states] == ["loading", "released"]


async def test_of_many_at_the_same_time_one_loads_each_file(
    activities: PipelineActivities, write: Write, people: Schema, connection: asyncpg.Connection
) -> None:
    """Eight loads of the same files in opposite orders: nobody deadlocks, and one has all of them."""
    sources = [write(b"name,age\nn%d,1\n" % number) for number in range(60)]
    loads = [Load(activities, f"load-{number}") for number in range(8)]
    orders = [sources if number % 2 else sources[::-1] for number in range(8)]
    manifests = await asyncio.gather(*(load.prepare(people, *order) for load, order in zip(loads, orders, strict=True)))
    assert sorted(manifest.claimed for manifest in manifests) == [False] * 7 + [True]
    [owner] = [number for number, manifest in enumerate(manifests) if manifest.claimed]
    await loads[owner].finish(manifests[owner])
    late = await asyncio.gather(*(loads[number].claim(manifests[number]) for number in range(8) if number != owner))
    assert [manifest.chunks for manifest in late] == [()] * 7
    assert len(await names(connection)) == 60


async def test_a_preparation_that_wakes_up_late_skips_nothing_of_its_own(
    first: Load, second: Load, write: Write, people: Schema
) -> None:
    """Its chunks may be under way, even where another load has loaded the file meanwhile."""
    ann = write(ANN)
    manifest = await first.prepare(people, ann)
    await second.finish(await second.prepare(people, ann, again=True))
    assert await first.prepare(people, ann) == manifest
    assert (await first.finish(manifest)).rows_loaded == 1


async def test_every_file_has_columns_row_numbers_and_rejects_of_its_own(
    app: App, write: Write, people: Schema
) -> None:
    """Columns are matched by each file's own header; rows are counted in each file; rejects name it."""
    one, other = write(b"name,age\nann,1\nx,y\n"), write(gzip.compress(b"age,name\r\n2,bob\r\n3,cat\r\nz,w\r\n"))
    report = await app.load((one, other), people, chunk_bytes=1)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected, report.chunks) == (5, 3, 2, 5)
    assert [(file.file, file.rows_read, file.rows_loaded, file.rows_rejected) for file in report.files] == [
        (str(one), 2, 1, 1),
        (str(other), 3, 2, 1),
    ]
    loaded = await app.database.fetch("SELECT name, age FROM datasets.people ORDER BY age")
    assert [tuple(row) for row in loaded] == [("ann", 1), ("bob", 2), ("cat", 3)]
    rejects = await app.database.fetch("SELECT file, row_number, reason, raw FROM rejects ORDER BY chunk")
    assert [tuple(row) for row in rejects] == [
        (str(one), 2, "age: not an integer", "x,y"),
        (str(other), 3, "age: not an integer", "z,w"),
    ]
    assert list(app.settings.work_directory.iterdir()) == []


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_run_waits_for_another_that_is_at_its_file(
    app: App, connection: asyncpg.Connection, write: Write, people: Schema, cancelled: bool
) -> None:
    """Once the other is done, the file is skipped; if that was cancelled, it is loaded: each row once either way."""
    source = write(ANN)
    await connection.execute("BEGIN; LOCK TABLE chunks IN EXCLUSIVE MODE")
    other = await app.start(source, people)
    await eventually(lambda: app.database.fetchval("SELECT count(*) FROM files WHERE state = 'loading'"), timeout=20)
    ours = await app.start(source, people)

    async def waits() -> str:
        pending = (await ours.describe()).raw_description.pending_activities
        return next((one.last_failure.message for one in pending if one.activity_type.name == CLAIM), "")

    assert f"workflow {other.id} is loading the same content" in await eventually(waits, timeout=20)
    if cancelled:
        await other.cancel()
        with pytest.raises(WorkflowFailureError):
            await other.result()
    await connection.execute("ROLLBACK")
    report = await ours.result()
    assert report.rows_loaded == cancelled
    assert bool(report.files[0].skipped) is not cancelled
    if not cancelled:
        assert (await other.result()).rows_loaded == 1
    assert await names(connection) == ["ann"]
