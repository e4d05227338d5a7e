"""What goes over the wire: one frozen record in, one out."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from system.pipeline.rules import MOST_FILES
from system.pipeline.schema import Schema
from system.records import Record, Request

PIPELINE = "pipeline.Pipeline"
PREPARE = "pipeline.prepare"
LOAD_CHUNK = "pipeline.load_chunk"
CLAIM = "pipeline.claim"
RECONCILE = "pipeline.reconcile"
CLOSE = "pipeline.close"
PROGRESS = "pipeline.progress"

MEBIBYTE = 1024 * 1024


class LoadRequest(Request):
    """Load the files ``sources`` as ``schema`` declares; those that the dataset already holds are skipped."""

    sources: tuple[str, ...] = Field(min_length=1, max_length=MOST_FILES)
    """Absolute paths of the files, each plain, gzipped or zipped, as the workers see them."""
    schema_: Schema = Field(alias="schema")
    again: bool = False
    """Skip nothing: rows of a file that was loaded before are in the dataset twice then."""
    chunk_bytes: int = Field(default=8 * MEBIBYTE, ge=1)
    """Size of a chunk before it is rounded up to the end of its last record."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Chunks in flight at the same time."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class ChunkReference(Record):
    """A range of whole records in a UTF-8 file."""

    number: int
    """From 0, through all the files in their order."""
    source: int = 0
    """Which of the request's sources it belongs to, from 0."""
    file: str
    """Where a worker reads it: the source itself, or what it was decoded to."""
    offset: int
    length: int
    """Bytes."""
    first_row: int
    """Row number of the first record; a file's first row below the header is 1."""
    rows: int
    sha256: str


class Manifest(Record):
    """Prepared sources: the chunks cover every record below the headers, each once."""

    load_id: int
    chunks: tuple[ChunkReference, ...]
    claimed: bool = True
    """False where another load is at one of the files just now: nothing may be loaded before it is claimed."""

    def without(self, sources: tuple[int, ...]) -> Manifest:
        """Leave out the chunks of these sources."""
        chunks = tuple(chunk for chunk in self.chunks if chunk.source not in sources)
        return self.model_copy(update={"chunks": chunks})


class ClaimRequest(Record):
    """Claim the files of a load, all of them or none."""

    load_id: int


class Claimed(Record):
    """The files are this load's to bring, but for those the dataset already holds."""

    skipped: tuple[int, ...] = ()
    """By their place among the request's sources."""


class ChunkTask(Record):
    """Load one chunk; files and schema are recorded with the load, so that histories do not repeat them."""

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


class CloseResult(Record):
    """How a load is closed: not as it was asked where it was closed before, above all where it was whole already."""

    load_id: int
    state: Literal["reconciled", "cancelled", "failed"]


class FileReport(Record):
    """What became of one file."""

    file: str
    """As the request named it."""
    rows_read: int
    rows_loaded: int = 0
    rows_rejected: int = 0
    skipped: str | None = None
    """Why nothing of it was loaded; None where it was."""


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
    files: tuple[FileReport, ...] = ()
    """In the order of the request; the counts above are those of the files that were not skipped."""


class Progress(Record):
    """How far a load has come."""

    state: Literal["preparing", "loading", "reconciling", "done", "cancelled", "failed"]
    chunks: int = 0
    chunks_done: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    paused: bool = False
