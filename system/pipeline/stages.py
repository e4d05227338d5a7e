"""The pure stages of a chunk on its way from bytes to rows; importing this imports polars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from system.pipeline.models import ChunkReference, ChunkResult
from system.pipeline.parse import Parsed, parse
from system.pipeline.records import split_records
from system.pipeline.schema import Schema, SchemaField
from system.pipeline.store import ChunkRows, Load
from system.pipeline.transform import check_expressions, reject_csv, table_csv, transform
from system.pipeline.validate import judge, referenced_values, type_values

__all__ = ["check_expressions", "copies", "judge", "read", "references", "transform"]


def read(data: bytes, rows: int, schema: Schema) -> tuple[Parsed, pl.DataFrame]:
    """Return the records as read, and their typed values."""
    parsed = parse(data, rows, schema)
    return parsed, type_values(parsed, schema)


def references(typed: pl.DataFrame, schema: Schema) -> Iterator[tuple[SchemaField, str, list[Any]]]:
    """Yield field, ``dataset.column`` and distinct values for each field that refers to another data set."""
    values = referenced_values(typed, schema)
    for field in schema.fields:
        if field.references is not None:
            yield field, field.references, values[field.name]


def copies(
    rows: pl.DataFrame, rejected: pl.DataFrame, data: bytes, load: Load, chunk: ChunkReference, chunk_id: int
) -> ChunkRows:
    """Return what COPY is to write for one chunk."""
    records = split_records(data, load.schema.delimiter, load.schema.quote) if rejected.height else []
    return ChunkRows(
        id=chunk_id,
        result=ChunkResult(
            number=chunk.number,
            rows_read=chunk.rows,
            rows_loaded=rows.height,
            rows_rejected=rejected.height,
        ),
        dataset=load.dataset,
        columns=tuple(rows.columns),
        rows=table_csv(rows, chunk_id),
        rejects=reject_csv(rejected, records, load.id, chunk.number, load.source, chunk.first_row),
    )
