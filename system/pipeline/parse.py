"""Reads a chunk of CSV into a frame whose row i is the chunk's record i, whatever state the records are in."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from system.errors import SourceUnreadable
from system.pipeline.records import split_records
from system.pipeline.schema import Schema

# Read natively where every value is well-formed; the other types keep their text until they are validated.
NATIVE = {"integer": pl.Int64(), "number": pl.Float64()}
REASON, NUL = "reason", "contains a NUL character"
SPACES = tuple(bytes([code]) for code in (9, 11, 12, 13, 28, 29, 30, 31, 32))


@dataclass(frozen=True)
class Parsed:
    """One row per record, under the names of the file's columns; null where a value is absent."""

    frame: pl.DataFrame
    broken: pl.Series
    """Why a record could not be read at all, null where it could; such a record's values are all null."""


def parse(data: bytes, rows: int, schema: Schema) -> Parsed:
    """Read the records of a chunk.

    Args:
        data: whole records in UTF-8; the schema's fields stand in the order of the file.
        rows: the number of records, as the manifest counted them.
        schema: how the records are written.

    Raises:
        SourceUnreadable: the records are not ``rows``; rows and records could not be proven aligned.

    """
    frame = _read_clean(data, rows, schema)
    if frame is None:
        return _read_each(data, rows, schema)
    if not _has_no_space(data):
        frame = normalised(frame, schema)
    return Parsed(frame, pl.Series(REASON, [None], dtype=pl.String).new_from_index(0, rows))


def as_written(data: bytes, schema: Schema) -> pl.Series:
    """Return each record of a chunk as written, without its line break, under the name ``record``."""
    if schema.enclosing and schema.enclosing.encode() in data:
        records = split_records(data, schema.delimiter, schema.enclosing)
        return pl.Series("record", [record.decode() for record in records], dtype=pl.String)
    text, before = _unlike_packed(data)
    return pl.read_lines(text, name="record")["record"][before:]


def _read_clean(data: bytes, rows: int, schema: Schema) -> pl.DataFrame | None:
    """Read a chunk in which nothing is wrong; None where that cannot be proven.

    Without quotes, polars refuses a row with too many fields, and one with too few has no value in the last column. If
    every row has one, or else the delimiters add up to what ``rows`` full rows have, no row has too few, and none is
    blank: each line is one row of the frame.
    """
    width = len(schema.fields)
    if width == 1 or rows == 0 or schema.quote.encode() in data or b"\0" in data:
        return None
    types = {field.name: NATIVE.get(field.type, pl.String()) for field in schema.fields}
    text, before = _unlike_packed(data)
    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            skip_lines=before,
            schema=types,
            separator=schema.delimiter,
            quote_char=None,
            null_values=_null_values(schema),
        )
    except pl.exceptions.PolarsError:
        return None
    full = not frame[:, -1].null_count() or data.count(schema.delimiter.encode()) == rows * (width - 1)
    return frame if full and frame.height == rows else None


def _unlike_packed(text: bytes) -> tuple[bytes, int]:
    """Return a text that polars reads as it stands, and how many lines that puts before it.

    It would unpack one that begins like a file packed with zlib, which "x^" is enough for.
    """
    return (b"\n" + text, 1) if text.startswith(b"x") else (text, 0)


def _null_values(schema: Schema) -> str | list[str] | None:
    """Say to polars what means "no value": of the empty text it knows, and one text is found faster than a list."""
    texts = sorted(schema.nulls - {""})
    return texts[0] if len(texts) == 1 else texts or None


def _has_no_space(data: bytes) -> bool:
    """Tell whether there is surely nothing to trim: reading has then made null what means "no value" already."""
    return data.isascii() and not any(space in data for space in SPACES)


def _read_each(data: bytes, rows: int, schema: Schema) -> Parsed:
    texts = as_written(data, schema)
    if texts.len() != rows:
        raise SourceUnreadable(f"the manifest counted {rows} records, the chunk has {texts.len()}")
    broken = texts.to_frame().select(_broken(schema).alias(REASON))[REASON]
    whole = broken.is_null()
    names = [field.name for field in schema.fields]
    lines = "\n".join(texts.filter(whole).to_list()).encode()
    values = _read_texts(lines, int(whole.sum()), schema, names)
    index = pl.DataFrame({"": pl.int_range(rows, eager=True)})
    values = values.with_columns(index.filter(whole)[""])
    frame = index.join(values, on="", how="left", maintain_order="left").select(names)
    return Parsed(normalised(frame, schema), broken)


def _read_texts(lines: bytes, rows: int, schema: Schema, names: list[str]) -> pl.DataFrame:
    texts = dict.fromkeys(names, pl.String())
    if rows == 0:
        return pl.DataFrame(schema=texts)
    text, before = _unlike_packed(lines)
    frame = pl.read_csv(
        text,
        has_header=False,
        skip_lines=before,
        schema=texts,
        separator=schema.delimiter,
        quote_char=schema.quote,
    )
    if frame.height != rows:
        raise SourceUnreadable(f"{rows} well-formed records were read as {frame.height} rows")
    return frame


def _broken(schema: Schema) -> pl.Expr:
    """Name what is wrong with the shape of a record, null where nothing is (RFC 4180, section 2)."""
    record = pl.col("record")
    quote, delimiter = f"\\x{ord(schema.quote):02x}", f"\\x{ord(schema.delimiter):02x}"
    quoted = f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}"
    field = f"(?:{quoted}|[^{quote}{delimiter}]*)"
    well_quoted = record.str.contains(f"^{field}(?:{delimiter}{field})*$")
    unquoted = record.str.replace_all(quoted, "")
    delimiters = unquoted.str.count_matches(schema.delimiter, literal=True)
    return (
        pl.when(record == "")
        .then(pl.lit("blank line"))
        .when(record.str.contains("\0", literal=True))
        .then(pl.lit(NUL))
        .when(~well_quoted)
        .then(pl.lit("bad quoting"))
        .when(delimiters != len(schema.fields) - 1)
        .then(pl.lit("wrong number of fields"))
    )


def normalised(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Trim every text, and make null what the schema says means "no value"."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    trimmed = frame.with_columns(pl.col(texts).str.strip_chars())
    empty = pl.col(texts).is_in(sorted(schema.nulls))
    return trimmed.with_columns(pl.when(~empty).then(pl.col(texts)).name.keep())
