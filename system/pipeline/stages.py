"""The pure stages of a chunk on its way from bytes to rows; importing this imports polars."""

from __future__ import annotations

from typing import Any

import polars as pl

from system.pipeline import json_lines
from system.pipeline.models import ChunkReference, ChunkResult
from system.pipeline.parse import REASON, Parsed, as_written, parse
from system.pipeline.schema import Schema, SchemaField
from system.pipeline.store import ChunkRows, File
from system.pipeline.transform import check_expressions, reject_csv, table_csv, transform
from system.pipeline.validate import judge, referenced_values, type_values

__all__ = ["check_expressions", "copies", "judge", "read", "references", "transform"]


def read(data: bytes, rows: int, schema: Schema) -> tuple[Parsed, pl.DataFrame]:
    """Return the records as read, and their typed values."""
    parsed = json_lines.parse(data, rows, schema) if schema.format == "jsonl" else parse(data, rows, schema)
    return parsed, type_values(parsed, schema)


def references(typed: pl.DataFrame, schema: Schema) -> list[tuple[SchemaField, str, list[Any]]]:
    """Return field, ``dataset.column`` and distinct values for each field that refers to another data set."""
    values = referenced_values(typed, schema)
    return [(field, field.references, values[field.name]) for field in schema.fields if field.references is not None]


def copies(
    rows: pl.DataFrame, rejected: pl.DataFrame, data: bytes, file: File, chunk: ChunkReference, chunk_id: int
) -> ChunkRows:
    """Return what COPY is to write for one chunk."""
    schema = file.schema
    raw = as_written(data, schema).gather(rejected["index"]) if rejected.height else rejected[REASON]
    return ChunkRows(
        id=chunk_id,
        result=ChunkResult(
            number=chunk.number,
            rows_read=chunk.rows,
            rows_loaded=rows.height,
            rows_rejected=rejected.height,
        ),
        dataset=schema.dataset,
        columns=tuple(rows.columns),
        rows=table_csv(rows, chunk_id),
        rejects=reject_csv(rejected, raw, file.load_id, chunk.number, file.name, chunk.first_row),
    )
