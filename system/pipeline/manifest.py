"""Cuts a UTF-8 file into chunks of whole records."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from system.errors import SourceUnreadable
from system.pipeline.models import ChunkReference
from system.pipeline.records import Breaks, has_bare_return, split_records
from system.pipeline.rules import chunk_size
from system.pipeline.schema import Schema
from system.pipeline.source import check_header


def build_manifest(path: Path, schema: Schema, chunk_bytes: int) -> tuple[tuple[str, ...], tuple[ChunkReference, ...]]:
    """Return the columns in file order and the chunks, which together hold every record below the header.

    Args:
        path: the decoded file.
        schema: how it is written.
        chunk_bytes: a chunk ends with the first record that reaches this size.

    Raises:
        SchemaMismatch: the header does not fit the schema.
        SourceUnreadable: the file is not UTF-8, has no header, or has line ends of its own kind.

    """
    with _mapped(path) as data:
        breaks = Breaks(data, schema.delimiter, schema.quote)
        header, start = check_header(data[: breaks.end_of_record(0)], schema)
        return header, tuple(_chunks(path, data, breaks, start, schema, chunk_size(len(data), chunk_bytes)))


def _chunks(
    path: Path, data: bytes | mmap.mmap, breaks: Breaks, offset: int, schema: Schema, size: int
) -> Iterator[ChunkReference]:
    number, row = 0, 1
    while offset < len(data):
        end = breaks.end_of_record(min(offset + size, len(data)) - 1)
        content = data[offset:end]
        _check_utf8(path, content, offset)
        _check_returns(path, content, row, schema)
        rows = breaks.records(offset, end)
        yield ChunkReference(
            number=number,
            file=str(path),
            offset=offset,
            length=end - offset,
            first_row=row,
            rows=rows,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        number, row, offset = number + 1, row + rows, end


def _check_returns(path: Path, content: bytes, first_row: int, schema: Schema) -> None:
    if not has_bare_return(content, schema.delimiter, schema.quote):
        return
    records = split_records(content, schema.delimiter, schema.quote)
    bare = (has_bare_return(record + b"\n", schema.delimiter, schema.quote) for record in records)
    row = first_row + next(index for index, found in enumerate(bare) if found)
    raise SourceUnreadable(
        f"{path}, row {row}: a carriage return without a line feed, outside quotes; are these classic Mac line ends? "
        "Convert them, or quote the value"
    )


def _check_utf8(path: Path, content: bytes, offset: int) -> None:
    if content.isascii():
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise SourceUnreadable(
            f"{path} is not UTF-8: {error.reason} at byte {offset + error.start}; declare its encoding in the schema"
        ) from error


@contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    if path.stat().st_size == 0:
        yield b""  # an empty file cannot be mapped
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
