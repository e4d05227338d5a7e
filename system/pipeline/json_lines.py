"""Reads a chunk of JSON lines into a frame whose row i is the chunk's line i, whatever state the lines are in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import polars as pl

from system.errors import SourceUnreadable
from system.pipeline.parse import NUL, REASON, Parsed, normalised
from system.pipeline.records import split_records
from system.pipeline.schema import Schema, SchemaField
from system.pipeline.validate import not_of_type

LEAST, MOST = -(2**63), 2**63 - 1
NATIVE: dict[str, tuple[Any, pl.DataType]] = {
    "integer": (Annotated[int, msgspec.Meta(ge=LEAST, le=MOST)], pl.Int64()),
    "number": (float, pl.Float64()),
    "boolean": (bool, pl.Boolean()),
}
TEXT: tuple[Any, pl.DataType] = (str, pl.String())
REFUSED = (msgspec.MsgspecError, RecursionError)


def parse(data: bytes, rows: int, schema: Schema) -> Parsed:
    """Read the lines of a chunk; arguments and errors are those of ``system.pipeline.parse.parse``.

    The decoder sees to types, missing keys and unknown ones, but takes the last of two equal keys. Each row has every
    key at least once, so that a key which stands twice shows in the number of quotes.
    """
    lines = split_records(data, schema.delimiter, schema.enclosing)
    if len(lines) != rows:
        raise SourceUnreadable(f"the manifest counted {rows} lines, the chunk has {len(lines)}")
    reader = _Reader(schema)
    objects, broken = reader.read(lines)
    frame = reader.frame(objects)
    quotes = _quotes(data) - sum(_quotes(lines[place]) for place in broken)
    if b"\\u0000" in data or quotes != reader.quotes(frame, rows - len(broken)):
        reader.look_closer(lines, objects, broken)
        frame = reader.frame(objects)
    reasons = pl.Series(REASON, [broken.get(place) for place in range(rows)], dtype=pl.String)
    return Parsed(normalised(frame, schema), reasons)


class _Reader:
    """Decodes lines of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._fields = schema.fields
        # Keys may be anything, attributes may not: they go by their place.
        self._places = [f"f{number}" for number in range(len(self._fields))]
        row = msgspec.defstruct(
            "Row",
            [(place, _native(field)[0] | None) for place, field in zip(self._places, self._fields, strict=True)],
            rename={place: field.name for place, field in zip(self._places, self._fields, strict=True)},
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(row).decode
        self._nothing = row(*([None] * len(self._places)))

    def read(self, lines: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        """Return a row for each line, one without values where the line is broken, and why it is by its place."""
        try:
            return list(map(self._decode, lines)), {}
        except REFUSED:
            rows: list[Any] = []
        broken: dict[int, str] = {}
        for place, line in enumerate(lines):
            try:
                rows.append(self._decode(line))
            except REFUSED:
                rows.append(self._nothing)
                broken[place] = _fault(line, self._fields) or "not JSON"
        return rows, broken

    def look_closer(self, lines: Sequence[bytes], rows: list[Any], broken: dict[int, str]) -> None:
        """Find what the decoder lets pass, in the lines that are not broken so far."""
        for place, line in enumerate(lines):
            fault = None if place in broken else _fault(line, self._fields)
            if fault is not None:
                rows[place], broken[place] = self._nothing, fault

    def frame(self, rows: Sequence[Any]) -> pl.DataFrame:
        """Return the rows as a frame under the names of the fields."""
        return pl.DataFrame(
            [
                pl.Series(field.name, list(map(attrgetter(place), rows)), dtype=_native(field)[1])
                for place, field in zip(self._places, self._fields, strict=True)
            ]
        )

    def quotes(self, frame: pl.DataFrame, whole: int) -> int:
        """Count the quotes that the ``whole`` lines of this frame were written with, if each key stood once."""
        texts = [field.name for field in self._fields if _native(field) is TEXT]
        return 2 * (len(self._fields) * whole + sum(frame.height - frame[name].null_count() for name in texts))


def _quotes(text: bytes) -> int:
    """Count the quotes that open or close a string."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return text.count(b'"')


def _fault(line: bytes, fields: Sequence[SchemaField]) -> str | None:
    """Name the first thing wrong with a line; None where nothing is."""
    try:
        pairs = json.loads(line.decode(), object_pairs_hook=tuple, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "not JSON" if line.strip() else "blank line"
    if not isinstance(pairs, tuple):  # an object, by the hook above; an array is a list
        return "not a JSON object"
    return next(_faults(pairs, fields), None)


def _faults(pairs: tuple[tuple[str, Any], ...], fields: Sequence[SchemaField]) -> Iterator[str]:
    values = dict(pairs)
    if len(values) < len(pairs):
        yield "a key more than once"
    for field in fields:
        if field.name not in values:
            yield f"{field.name}: no such key"
        elif wrong := _wrong(values[field.name], field):
            yield f"{field.name}: {wrong}"
    if len(values) > len(fields):
        yield "a key that is not declared"


def _wrong(value: Any, field: SchemaField) -> str | None:
    if value is None:
        return None
    if isinstance(value, tuple | list):
        return "nested value"
    match field.type:
        case "integer":
            fits = type(value) is int and LEAST <= value <= MOST
        case "number":
            fits = type(value) in (int, float) and math.isfinite(value)
        case "boolean":
            fits = isinstance(value, bool)
        case _:
            fits = isinstance(value, str)
    if not fits:
        return not_of_type(field)
    return NUL if isinstance(value, str) and "\0" in value else None


def _native(field: SchemaField) -> tuple[Any, pl.DataType]:
    return NATIVE.get(field.type, TEXT)


def _integer(digits: str) -> int | float:
    # Python refuses to make an int of very many digits, and no column holds it.
    return int(digits) if len(digits) <= len(str(LEAST)) else float(digits)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
