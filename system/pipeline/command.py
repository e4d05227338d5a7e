"""The ``load`` command: starts a pipeline and shows how it goes."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError, RPCStatusCode

from system.connection import connect
from system.errors import InputError, LoadClosed, NotMigrated, SettingsError, SourceMissing, Unavailable
from system.failures import kinds
from system.pipeline.models import LoadReport, LoadRequest, Progress
from system.pipeline.schema import Schema
from system.pipeline.source import read_header
from system.pipeline.starting import start
from system.pipeline.workflow import Pipeline
from system.records import explain
from system.settings import Settings
from system.storage import pool

DONE, FAILED, COULD_NOT_RUN = 0, 1, 2
BAR_WIDTH = 30
POLL_SECONDS = 0.2
FAILURE_SECONDS = 3.0
REFUSED = {one.name for one in kinds(InputError)} | {LoadClosed.name, NotMigrated.name}


def load(
    settings: Settings,
    *,
    sources: Sequence[Path],
    schema_path: Path,
    again: bool = False,
    workflow_id: str | None = None,
    chunk_bytes: int | None = None,
    concurrency: int | None = None,
) -> int:
    """Load files through the pipeline and print what came of them; returns the exit status.

    Args:
        settings: where the services are.
        sources: files, and directories whose files are meant.
        schema_path: the schema they are all written in.
        again: load files that were loaded before as well.
        workflow_id: the same id loads only once.
        chunk_bytes: size of a chunk.
        concurrency: chunks in flight.

    Raises:
        InputError: a file or the schema will not do, or the workflow id is another load's.
        Unavailable, NotMigrated: a service is not ready for it.

    """
    schema = Schema.from_toml(schema_path)
    files = [file for source in sources for file in _files(source)]
    for file in files:
        read_header(file, schema)
    limits = {"chunk_bytes": chunk_bytes, "concurrency": concurrency}
    chosen = {name: value for name, value in limits.items() if value is not None}
    try:
        request = LoadRequest.model_validate(
            {"sources": tuple(map(str, files)), "schema": schema, "again": again, **chosen}
        )
    except ValidationError as error:
        raise SettingsError(f"the files, --chunk-bytes or --concurrency: {explain(error)}") from error
    workflow_id = workflow_id or f"load-{schema.dataset}-{secrets.token_hex(4)}"
    try:
        return asyncio.run(_run(settings, request, workflow_id))
    except KeyboardInterrupt:
        _line(
            f"\nthe load goes on as workflow {workflow_id}; to cancel it:\n"
            f"  temporal workflow cancel --address {settings.temporal_address} "
            f"--namespace {settings.temporal_namespace} --workflow-id {workflow_id}"
        )
        return 130


def _files(source: Path) -> list[Path]:
    source = source.resolve()
    if not source.is_dir():
        return [source]
    files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise SourceMissing(f"the directory {source} holds no files: name the files, or another directory", str(source))
    return files


async def _run(settings: Settings, request: LoadRequest, workflow_id: str) -> int:
    connection = await pool.connect(settings.database_url)
    try:
        await pool.check_migrated(connection)
    finally:
        connection.terminate()
    client = await connect(settings)
    handle = await _start(client, settings, request, workflow_id)
    watching = asyncio.gather(_watch(handle), _watch_failures(handle))
    try:
        report = await handle.result()
    except WorkflowFailureError as failure:
        return _failed(failure, workflow_id)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    _show(report)
    return DONE


async def _start(
    client: Client, settings: Settings, request: LoadRequest, workflow_id: str
) -> WorkflowHandle[Pipeline, LoadReport]:
    try:
        handle = await start(client, settings.task_queue, workflow_id, request)
    except RPCError as error:
        raise Unavailable(f"Temporal at {settings.temporal_address} refused the load: {error.message}") from error
    what = request.sources[0] if len(request.sources) == 1 else f"{len(request.sources)} files"
    _line(f"loading {what} into datasets.{request.schema_.dataset} as workflow {workflow_id}")
    return handle


async def _watch(handle: WorkflowHandle[Pipeline, LoadReport]) -> None:
    """Show progress: a bar on a terminal, a line for each change in a pipe."""
    shown = ""
    while True:
        text = _progress_text(await _progress(handle))
        if text and text != shown:
            shown = text
            sys.stdout.write(f"\r\x1b[K{text}" if sys.stdout.isatty() else f"{text}\n")
            sys.stdout.flush()
        await asyncio.sleep(POLL_SECONDS)


async def _watch_failures(handle: WorkflowHandle[Pipeline, LoadReport]) -> None:
    """Say why an activity is being retried, each reason once."""
    said: set[str] = set()
    while True:
        await asyncio.sleep(FAILURE_SECONDS)
        for text in await _failures(handle):
            if text not in said:
                said.add(text)
                _clear()
                sys.stderr.write(f"{text}\n")


async def _failures(handle: WorkflowHandle[Pipeline, LoadReport]) -> list[str]:
    try:
        pending = (await handle.describe()).raw_description.pending_activities
    except RPCError:
        return []  # the result is waited for elsewhere, and tells what is wrong
    return sorted(
        {
            f"retrying {one.activity_type.name}: {one.last_failure.message}"
            for one in pending
            if one.HasField("last_failure")
        }
    )


async def _progress(handle: WorkflowHandle[Pipeline, LoadReport]) -> Progress | None:
    try:
        return await handle.query(Pipeline.progress)
    except RPCError as error:
        if error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
            return None
        raise


def _progress_text(progress: Progress | None) -> str:
    if progress is None:
        return "waiting for a worker"
    state = "paused" if progress.paused else progress.state
    if not progress.chunks:
        return state
    full = BAR_WIDTH * progress.chunks_done // progress.chunks
    bar = f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] " if sys.stdout.isatty() else ""
    return (
        f"{bar}{state}: {progress.chunks_done}/{progress.chunks} chunks, "
        f"{progress.rows_loaded:,} loaded, {progress.rows_rejected:,} rejected"
    )


def _show(report: LoadReport) -> None:
    _clear()
    for file in report.files:
        if file.skipped is not None:
            _line(f"skipped {file.file}: {file.skipped} (--again loads it nevertheless)")
        elif len(report.files) > 1:
            _line(f"{file.file}: {file.rows_read:,} read, {file.rows_loaded:,} loaded, {file.rows_rejected:,} rejected")
    _line(f"read      {report.rows_read:>12,}")
    _line(f"loaded    {report.rows_loaded:>12,}")
    _line(f"rejected  {report.rows_rejected:>12,}")
    for reason, count in report.reasons.items():
        _line(f"  {count:>12,}  {reason}")


def _failed(failure: WorkflowFailureError, workflow_id: str) -> int:
    _clear()
    cause: Any = failure.cause
    while getattr(cause, "cause", None) is not None and not isinstance(cause, ApplicationError):
        cause = cause.cause
    if isinstance(cause, CancelledError):
        sys.stderr.write(f"error: workflow {workflow_id} was cancelled; nothing that it loaded stays\n")
        return FAILED
    sys.stderr.write(f"error: {cause}\n")
    refused = isinstance(cause, ApplicationError) and cause.type in REFUSED
    return COULD_NOT_RUN if refused else FAILED


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[K")


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
