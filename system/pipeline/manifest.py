"""Cuts a UTF-8 file into chunks of whole records."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from system.errors import SourceUnreadable
from system.pipeline.models import ChunkReference
from system.pipeline.records import Breaks, has_bare_return, split_records
from system.pipeline.schema import Schema
from system.pipeline.source import check_header


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file to be cut, as the user knows it, and where its text is."""

    number: int
    """Its place among the request's sources, from 0."""
    name: str
    """As the user named it."""
    path: Path
    """The file decoded: the source itself where that is plain UTF-8."""
    sha256: str | None = None
    """Of the decoded text, where it is known from decoding."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file holds."""

    source: Source
    columns: tuple[str, ...]
    """In file order."""
    sha256: str
    """Of the decoded text, so that it is the same however the file is packed."""
    chunks: tuple[ChunkReference, ...]
    """Together they hold every record below the header."""

    @property
    def rows(self) -> int:
        """Records below the header."""
        return sum(chunk.rows for chunk in self.chunks)


def cut(source: Source, schema: Schema, chunk_bytes: int, first_chunk: int = 0) -> Content:
    """Cut a file into chunks.

    Args:
        source: the decoded file.
        schema: how it is written.
        chunk_bytes: a chunk ends with the first record that reaches this size.
        first_chunk: number of its first chunk.

    Raises:
        SchemaMismatch: the header does not fit the schema.
        SourceUnreadable: the file is not UTF-8, has no header, or has line ends of its own kind.

    """
    with _mapped(source.path) as data, ThreadPoolExecutor(max_workers=2) as beside:
        digest = beside.submit(lambda: source.sha256 or _sha256(data))
        breaks = Breaks(data, schema.delimiter, schema.enclosing)
        columns, start = check_header(data[: breaks.end_of_record(0)], schema, source.name)
        chunks: list[ChunkReference] = []
        for offset, content in _pieces(data, breaks, start, chunk_bytes):
            checksum = beside.submit(_sha256, content)
            _check_utf8(source, content, offset)
            row = chunks[-1].first_row + chunks[-1].rows if chunks else 1
            _check_returns(source, content, row, schema)
            chunks.append(
                ChunkReference(
                    number=first_chunk + len(chunks),
                    source=source.number,
                    file=str(source.path),
                    offset=offset,
                    length=len(content),
                    first_row=row,
                    rows=breaks.records(offset, content),
                    sha256=checksum.result(),
                )
            )
        return Content(source=source, columns=columns, sha256=digest.result(), chunks=tuple(chunks))


def _sha256(data: bytes | mmap.mmap) -> str:
    return hashlib.sha256(data).hexdigest()


def _pieces(data: bytes | mmap.mmap, breaks: Breaks, offset: int, size: int) -> Iterator[tuple[int, bytes]]:
    while offset < len(data):
        end = breaks.end_of_record(min(offset + size, len(data)) - 1)
        yield offset, data[offset:end]
        offset = end


def _check_returns(source: Source, content: bytes, first_row: int, schema: Schema) -> None:
    if schema.format != "csv" or not has_bare_return(content, schema.delimiter, schema.quote):
        return
    records = split_records(content, schema.delimiter, schema.quote)
    bare = (has_bare_return(record + b"\n", schema.delimiter, schema.quote) for record in records)
    row = first_row + next(index for index, found in enumerate(bare) if found)
    raise SourceUnreadable(
        f"{source.name}, row {row}: a carriage return without a line feed, outside quotes; are these classic Mac line "
        "ends? Convert them, or quote the value",
        str(source.name),
    )


def _check_utf8(source: Source, content: bytes, offset: int) -> None:
    if content.isascii():
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise SourceUnreadable(
            f"{source.name} is not UTF-8: {error.reason} at byte {offset + error.start}; "
            "declare its encoding in the schema",
            str(source.name),
        ) from error


@contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    if path.stat().st_size == 0:
        yield b""  # an empty file cannot be mapped
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
