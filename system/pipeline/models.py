"""What goes over the wire: one frozen record in, one out."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from system.pipeline.schema import Schema
from system.records import Record

PIPELINE = "pipeline.Pipeline"
PREPARE = "pipeline.prepare"
LOAD_CHUNK = "pipeline.load_chunk"
RECONCILE = "pipeline.reconcile"
CLOSE = "pipeline.close"
PROGRESS = "pipeline.progress"

MEBIBYTE = 1024 * 1024


class LoadRequest(Record):
    """Load ``source`` as ``schema`` declares."""

    source: str
    """Absolute path of a CSV file, plain, gzipped or zipped, as the workers see it."""
    schema_: Schema = Field(alias="schema")
    chunk_bytes: int = Field(default=4 * MEBIBYTE, ge=1)
    """Size of a chunk before it is rounded up to the end of its last record."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Chunks in flight at the same time."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class ChunkReference(Record):
    """A range of whole records in a UTF-8 file."""

    number: int
    """From 0, in file order."""
    file: str
    offset: int
    length: int
    """Bytes."""
    first_row: int
    """Row number of the first record; the first row below the header is 1."""
    rows: int
    sha256: str


class Manifest(Record):
    """A prepared source: its chunks cover every record below the header, each once."""

    load_id: int
    rows: int
    chunks: tuple[ChunkReference, ...]


class ChunkTask(Record):
    """Load one chunk; source and schema are recorded with the load, so that histories do not repeat them."""

    load_id: int
    chunk: ChunkReference


class ChunkResult(Record):
    """What one chunk brought; ``rows_read`` is the sum of the other two."""

    number: int
    rows_read: int
    rows_loaded: int
    rows_rejected: int


class ReconcileRequest(Record):
    """Prove the load from the database."""

    load_id: int


class CloseRequest(Record):
    """Close the load of this workflow, so that no late attempt adds to it."""

    state: Literal["cancelled", "failed"]


class LoadReport(Record):
    """What the database holds once the load is reconciled."""

    load_id: int
    dataset: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    chunks: int
    reasons: dict[str, int]
    """Why rows were rejected → how many."""


class Progress(Record):
    """How far a load has come."""

    state: Literal["preparing", "loading", "reconciling", "done", "cancelled", "failed"]
    chunks: int = 0
    chunks_done: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    paused: bool = False
