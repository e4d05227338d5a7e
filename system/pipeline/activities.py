"""The pipeline's activities: each does one step, durably, once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from temporalio import activity

from system.errors import LoadInProgress, ReconciliationFailed, SourceChanged, SourceMissing, SourceUnreadable
from system.heartbeats import beating
from system.pipeline import datasets, store
from system.pipeline.files import claim_files, report_files
from system.pipeline.manifest import Content, Source, cut
from system.pipeline.models import (
    CLAIM,
    CLOSE,
    LOAD_CHUNK,
    PREPARE,
    RECONCILE,
    ChunkReference,
    ChunkResult,
    ChunkTask,
    Claimed,
    ClaimRequest,
    CloseRequest,
    CloseResult,
    LoadReport,
    LoadRequest,
    Manifest,
    ReconcileRequest,
)
from system.pipeline.rules import chunk_size, disagreements, sum_reasons
from system.pipeline.source import decode, is_plain
from system.pipeline.steps import Step
from system.pipeline.summaries import tag as summary_tag
from system.pipeline.unfinished import Ended, make_way, reopen, take_back
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from system.cache.cache import Cache
    from system.pipeline.schema import Schema
    from system.storage.pool import Connection, Pool

P = ParamSpec("P")
R = TypeVar("R")


class PipelineActivities:
    """The activities and what they need.

    Args:
        database: where everything is loaded to.
        work_directory: where decoded files are; every worker sees the same.
        cache: told when a dataset has changed.
        ended: tells whether the workflow of another load has ended.

    """

    def __init__(self, database: Pool, work_directory: Path, cache: Cache, ended: Ended) -> None:
        self._database = database
        self._work_directory = work_directory
        self._cache = cache
        self._ended = ended

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """Every activity, as a worker takes them."""
        return [self.prepare, self.claim, self.load_chunk, self.reconcile, self.close]

    @activity.defn(name=PREPARE)
    @beating()
    async def prepare(self, request: LoadRequest) -> Manifest:
        """Decode the sources, cut them into chunks, register the load, and claim its files where they are free."""
        schema, attempt = request.schema_, Effect.of_attempt(Step.PREPARE)
        async with self._database.acquire() as connection:
            await reopen(connection, attempt, self._ended)
            load_id = await store.open_load(connection, attempt.workflow_id)
            await datasets.ensure_table(connection, schema)
        sources = [
            await self._decoded_source(load_id, number, name, schema) for number, name in enumerate(request.sources)
        ]
        contents = await _in_thread(_cut, sources, schema, request.chunk_bytes)
        await _in_thread(_check_expressions, schema)
        chunks = tuple(chunk for content in contents for chunk in content.chunks)
        manifest = Manifest(load_id=load_id, chunks=chunks)
        async with self._database.acquire() as connection:
            async with connection.transaction():
                await store.register(connection, load_id, schema, contents, again=request.again)
                try:
                    skipped = await claim_files(connection, load_id)
                except LoadInProgress:
                    return manifest.model_copy(update={"claimed": False})
            await make_way(connection, load_id, attempt, self._ended)
        return manifest.without(skipped)

    @activity.defn(name=CLAIM)
    @beating()
    async def claim(self, request: ClaimRequest) -> Claimed:
        """Claim the files of a load that another load was at; fails, to be retried, until that one has ended."""
        attempt = Effect.of_attempt(Step.CLAIM)
        async with self._database.acquire() as connection:
            await reopen(connection, attempt, self._ended)
            try:
                async with connection.transaction():
                    load = await store.lock_load(connection, request.load_id)
                    skipped = await claim_files(connection, load.id)
            except LoadInProgress:
                # The next attempt may find that it has ended and told nobody.
                await make_way(connection, request.load_id, attempt, self._ended)
                raise
            await make_way(connection, request.load_id, attempt, self._ended)
        return Claimed(skipped=skipped)

    @activity.defn(name=LOAD_CHUNK)
    @beating()
    async def load_chunk(self, task: ChunkTask) -> ChunkResult:
        """Validate, transform and load one chunk, in one transaction."""
        from system.pipeline import stages  # noqa: PLC0415 polars is not imported before the worker polls

        chunk = task.chunk
        async with self._database.acquire() as connection:
            await reopen(connection, Effect.of_attempt(Step.LOAD_CHUNK, str(chunk.number)), self._ended)
            file = await store.read_file(connection, task.load_id, chunk.source)
        schema = file.schema
        data = await asyncio.to_thread(_read, chunk)
        parsed, typed = await _in_stage(chunk, stages.read, data, chunk.rows, schema)
        references = await _in_stage(chunk, stages.references, typed, schema)
        async with self._database.acquire() as connection:
            unknown = {
                field.name: await datasets.unknown_values(connection, reference, field.type, values)
                for field, reference, values in references
            }
            chunk_id = await store.next_chunk_id(connection)
        judged = await _in_stage(chunk, stages.judge, parsed, typed, unknown, schema)
        rows = await _in_stage(chunk, stages.transform, judged.good, schema)
        copies = await _in_stage(chunk, stages.copies, rows, judged.rejected, data, file, chunk, chunk_id)
        async with self._database.acquire() as connection:
            return await _load(connection, task.load_id, copies)

    @activity.defn(name=RECONCILE)
    @beating()
    async def reconcile(self, request: ReconcileRequest) -> LoadReport:
        """Prove from the database that rows read are rows loaded and rows rejected, and close the load."""
        attempt = Effect.of_attempt(Step.RECONCILE)
        async with self._database.acquire() as connection:
            await reopen(connection, attempt, self._ended)
            # Others may have come and gone while this load was closed.
            await make_way(connection, request.load_id, attempt, self._ended)
        async with (
            self._cache.invalidating() as changed,
            self._database.acquire() as connection,
            connection.transaction(),
        ):
            load = await store.lock_load(connection, request.load_id)
            changed.add(summary_tag(load.dataset))
            rejects = await store.count_rejects(connection, load.id)
            counts = await store.count_chunks(connection, load, rejects)
            files = await report_files(connection, load.id, counts)
            wrong = disagreements(counts, [one.file for one in files])
            if wrong or sum(one.rows_read for one in counts) != load.rows_read:
                raise ReconciliationFailed(f"load {load.id}", *(wrong or ["the total is not what was read"]))
            if await store.mark_reconciled(connection, load.id):
                await record(connection, attempt)
        await asyncio.to_thread(self._remove_decoded, load.id)
        return LoadReport(
            load_id=load.id,
            dataset=load.dataset,
            rows_read=load.rows_read,
            rows_loaded=sum(one.rows_loaded for one in counts),
            rows_rejected=sum(one.rows_rejected for one in counts),
            chunks=len(counts),
            reasons=sum_reasons(rejects),
            files=files,
        )

    @activity.defn(name=CLOSE)
    @beating()
    async def close(self, request: CloseRequest) -> CloseResult:
        """Close the load of this workflow: failed, it keeps its rows for a redrive; cancelled, they are taken back.

        One that is whole already stays so, and its rows stay.
        """
        attempt = Effect.of_attempt(Step.CLOSE, request.state)
        async with self._database.acquire() as connection:
            closed = await store.close_load(connection, attempt)
            await take_back(connection, closed.load_id, attempt)
        await asyncio.to_thread(self._remove_decoded, closed.load_id)
        return closed

    async def _decoded_source(self, load_id: int, number: int, name: str, schema: Schema) -> Source:
        if await _in_thread(is_plain, Path(name), schema):
            return Source(number=number, name=name, path=Path(name))
        path = self._work_directory / f"load-{load_id}-{number}.text"
        sha256 = await _in_thread(decode, Path(name), schema, path)
        return Source(number=number, name=name, path=path, sha256=sha256)

    def _remove_decoded(self, load_id: int) -> None:
        for path in self._work_directory.glob(f"load-{load_id}-*.text"):
            path.unlink(missing_ok=True)


async def _load(connection: Connection, load_id: int, chunk: store.ChunkRows) -> ChunkResult:
    number = chunk.result.number
    async with connection.transaction():
        recorded = await store.recorded_chunk(connection, load_id, number)
        if recorded is not None:
            return recorded
        if await store.claim_chunk(connection, load_id, chunk.id, chunk.result):
            await store.copy_rows(connection, chunk)
            await record(connection, Effect.of_attempt(Step.LOAD_CHUNK, str(number)))
            return chunk.result
        recorded = await store.recorded_chunk(connection, load_id, number)
        assert recorded is not None, "a claim is refused only where another attempt has committed one"
        return recorded


def _read(chunk: ChunkReference) -> bytes:
    try:
        with Path(chunk.file).open("rb") as file:
            file.seek(chunk.offset)
            data = file.read(chunk.length)
    except FileNotFoundError as error:
        raise SourceMissing(
            f"{chunk.file} is gone: every worker must see the same WORK_DIRECTORY", str(chunk.file)
        ) from error
    if hashlib.sha256(data).hexdigest() != chunk.sha256:
        raise SourceChanged(
            f"{chunk.file} changed since the load began, in chunk {chunk.number}: load it anew", str(chunk.file)
        )
    return data


def _cut(sources: Sequence[Source], schema: Schema, chunk_bytes: int) -> list[Content]:
    size = chunk_size(sum(source.path.stat().st_size for source in sources), chunk_bytes)
    contents: list[Content] = []
    for source in sources:
        contents.append(cut(source, schema, size, first_chunk=sum(len(one.chunks) for one in contents)))
    return contents


def _check_expressions(schema: Schema) -> None:
    from system.pipeline import stages  # noqa: PLC0415 polars is not imported before the worker polls

    stages.check_expressions(schema)


async def _in_stage(chunk: ChunkReference, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a stage in a thread; what polars refuses once, it refuses at every attempt."""
    from polars.exceptions import PolarsError  # noqa: PLC0415 polars is not imported before the worker polls

    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except PolarsError as error:
        raise SourceUnreadable(
            f"{chunk.file}, chunk {chunk.number}: {type(error).__name__}: {error}", str(chunk.file)
        ) from error


async def _in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work in a thread, which cannot be interrupted: when cancelled, wait for its end, lest it leave a file."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()
