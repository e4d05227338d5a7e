"""Reads a source file as UTF-8, whatever it is packed and encoded in."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from system.errors import SchemaMismatch, SourceMissing, SourceUnreadable
from system.pipeline.packed import CORRUPT, is_packed, unpacked
from system.pipeline.records import Breaks
from system.pipeline.schema import Schema

UTF8 = "utf-8"


def is_plain(source: Path, schema: Schema) -> bool:
    """Tell whether the file can be read in place: not packed, UTF-8, no byte order mark.

    Raises:
        SourceMissing, SchemaMismatch: no such file; the declared encoding is unknown.

    """
    with _reading(source), source.open("rb") as file:
        start = file.read(4)
    return not is_packed(start) and _codec(schema) == UTF8 and not start.startswith(codecs.BOM_UTF8)


def utf8_blocks(source: Path, schema: Schema) -> Iterator[bytes]:
    """Yield the file unpacked, in UTF-8, without a byte order mark, in blocks of about 1 MiB.

    Raises:
        SourceMissing: no such file, or it may not be read.
        SourceUnreadable: it is corrupt or truncated, or not in the declared encoding.
        SchemaMismatch: the declared encoding is unknown.

    """
    codec = _codec(schema)
    with _reading(source), closing(unpacked(source)) as packed:
        blocks = packed if codec == UTF8 else _transcoded(packed, codec)
        yield next(blocks, b"").removeprefix(codecs.BOM_UTF8)
        yield from blocks


def decode(source: Path, schema: Schema, target: Path) -> str:
    """Write the file as UTF-8 to ``target``, whole or not at all, and return the text's SHA-256 in hexadecimal.

    Raises:
        SourceMissing, SourceUnreadable, SchemaMismatch: as ``utf8_blocks``.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two attempts may decode at the same time: each writes a file of its own, and the last rename wins with the
    # same content.
    partial = target.with_name(f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    try:
        with partial.open("wb") as file:
            sha256 = _write(utf8_blocks(source, schema), file)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return sha256


def read_header(source: Path, schema: Schema) -> tuple[str, ...]:
    """Read the header and check it against the schema, without reading the rest of the file.

    Raises:
        SchemaMismatch: columns are missing or not declared; names them.
        SourceMissing, SourceUnreadable: as ``utf8_blocks``.

    """
    start = b""
    for block in utf8_blocks(source, schema):
        start += block
        if not schema.has_header or Breaks(start, schema.delimiter, schema.enclosing).end_of_record(0) < len(start):
            break
    return check_header(start, schema, str(source))[0]


def check_header(data: bytes, schema: Schema, name: str) -> tuple[tuple[str, ...], int]:
    """Return the columns in the order of the file ``name``, and the offset of the first record below the header.

    Raises:
        SchemaMismatch: columns are missing or not declared; names them.
        SourceUnreadable: there is no header, or it cannot be read.

    """
    declared = tuple(field.name for field in schema.fields)
    if not schema.has_header:
        return declared, 0
    if not data:
        raise SourceUnreadable(f"{name} is empty: expected a header with {', '.join(declared)}", name)
    end = Breaks(data, schema.delimiter, schema.enclosing).end_of_record(0)
    try:
        text = data[:end].decode(UTF8)
    except UnicodeDecodeError as error:
        raise SourceUnreadable(f"{name}: the header is not {schema.encoding}: {error}", name) from error
    lines = io.StringIO(text, newline="")
    try:
        first, *more = csv.reader(lines, delimiter=schema.delimiter, quotechar=schema.quote)
    except csv.Error as error:
        raise SourceUnreadable(f"{name}: the header cannot be read: {error}; is its quote closed?", name) from error
    if more:
        raise SourceUnreadable(
            f"{name}: the header ends with a carriage return alone: convert the classic Mac line ends", name
        )
    header = tuple(name.strip() for name in first)
    if sorted(header) == sorted(declared):
        return header, end
    raise SchemaMismatch(f"{name}: {_header_problem(header, declared, schema)}")


def _header_problem(header: tuple[str, ...], declared: tuple[str, ...], schema: Schema) -> str:
    missing = [name for name in declared if name not in header]
    extra = [name for name in header if name not in declared]
    twice = sorted({name for name in header if header.count(name) > 1})
    parts = [
        f"{what}: {', '.join(names)}"
        for what, names in (("missing", missing), ("not declared", extra), ("more than once", twice))
        if names
    ]
    return (
        f"the header does not fit the schema of {schema.dataset!r} ({'; '.join(parts)}); "
        f"found {len(header)} columns separated by {schema.delimiter!r}, expected {len(declared)}"
    )


def _codec(schema: Schema) -> str:
    try:
        "a".encode(schema.encoding)  # unlike codecs.lookup, this refuses base64 and its like
        name = codecs.lookup(schema.encoding).name
    except (LookupError, ValueError):
        raise SchemaMismatch(
            f"unknown encoding {schema.encoding!r}: expected a text encoding that Python knows"
        ) from None
    return UTF8 if name in (UTF8, "utf-8-sig", "ascii") else name


def _transcoded(blocks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)()
    for block in blocks:
        yield decoder.decode(block).encode(UTF8)
    yield decoder.decode(b"", final=True).encode(UTF8)


def _write(blocks: Iterator[bytes], file: IO[bytes]) -> str:
    """Write and hash each block while the next one is unpacked."""
    digest = hashlib.sha256()

    def put(block: bytes) -> None:
        file.write(block)
        digest.update(block)

    with ThreadPoolExecutor(max_workers=1) as beside:
        putting: Future[None] | None = None
        for block in blocks:
            if putting is not None:
                putting.result()
            putting = beside.submit(put, block)
    if putting is not None:
        putting.result()
    return digest.hexdigest()


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise SourceMissing(
            f"cannot read {source}: {error.strerror}; check the path and its permissions", str(source)
        ) from error
    except UnicodeDecodeError as error:
        raise SourceUnreadable(
            f"{source} is not {error.encoding}: {error.reason} at byte {error.start}", str(source)
        ) from error
    except CORRUPT as error:
        raise SourceUnreadable(f"{source} is corrupt or truncated: {error}; fetch it again", str(source)) from error
