"""Turns good rows into table rows: renamed, with the derived columns."""

from __future__ import annotations

import io

import polars as pl

from system.errors import SchemaMismatch
from system.pipeline.datasets import ROW_OWNER
from system.pipeline.schema import Schema

TYPES = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
MOMENT = "%Y-%m-%dT%H:%M:%S%.fZ"


def transform(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Rename the fields and compute the derived columns.

    Raises:
        SchemaMismatch: an expression is not valid over the columns; says which.

    """
    renamed = rows.rename({field.name: field.target for field in schema.fields})
    for derived in schema.derived:
        try:
            value = pl.sql_expr(derived.expression).cast(TYPES[derived.type], strict=False)
            renamed = renamed.with_columns(value.alias(derived.name))
        except pl.exceptions.PolarsError as error:
            raise SchemaMismatch(f"derived column {derived.name!r}: {derived.expression!r}: {error}") from error
    return renamed


def check_expressions(schema: Schema) -> None:
    """Try every expression on no rows and on two.

    Raises:
        SchemaMismatch: an expression is not valid over the columns, or needs other rows than its own; says which.

    """
    types = {field.name: TYPES[field.type] for field in schema.fields}
    transform(pl.DataFrame(schema=types), schema)
    columns = transform(pl.DataFrame({name: [None, None] for name in types}, schema=types), schema)
    unlike = _unlike_alone(types, schema)
    for derived in schema.derived:
        expression = pl.sql_expr(derived.expression)
        aggregate = expression.meta.root_names() and columns.select(expression.alias(derived.name)).height != 2
        if aggregate or derived.name in unlike:
            raise SchemaMismatch(
                f"derived column {derived.name!r}: {derived.expression!r} must compute each row's value from that row"
            )


def _unlike_alone(types: dict[str, pl.DataType], schema: Schema) -> set[str]:
    """Return the columns in which two rows come out otherwise than each by itself."""
    numbers = pl.DataFrame({name: [1, 2] for name in types})
    typed = numbers.select(pl.col(name).cast(kind) for name, kind in types.items())
    try:
        alone = pl.concat([transform(typed[:1], schema), transform(typed[1:], schema)])
        together = transform(typed, schema)
    except SchemaMismatch:
        return set()  # an expression that these values are not good for
    return {name for name in together.columns if not together[name].equals(alone[name])}


def table_csv(rows: pl.DataFrame, chunk_id: int) -> bytes:
    """Write rows as the CSV that COPY reads, with the chunk they belong to as the last column."""
    return _csv(rows.with_columns(pl.lit(chunk_id, dtype=pl.Int32).alias(ROW_OWNER)))


def reject_csv(rejected: pl.DataFrame, raw: pl.Series, load_id: int, chunk: int, file: str, first_row: int) -> bytes:
    """Write rejected rows as the CSV that COPY reads into ``rejects``.

    Args:
        rejected: ``index`` in the chunk and ``reason``.
        raw: these rows as written.
        load_id: the load.
        chunk: the chunk's number.
        file: the source as the user named it.
        first_row: row number of the chunk's first record.

    """
    return _csv(
        rejected.select(
            pl.lit(load_id).alias("load_id"),
            pl.lit(chunk).alias("chunk"),
            pl.lit(file).alias("file"),
            (pl.col("index").cast(pl.Int64) + first_row).alias("row_number"),
            "reason",
            # PostgreSQL's text cannot hold a NUL; its picture stands for it.
            raw.str.replace_all("\0", "\u2400", literal=True).alias("raw"),
        )
    )


def _csv(frame: pl.DataFrame) -> bytes:
    moments = [name for name, kind in frame.schema.items() if kind == TYPES["timestamp"]]
    target = io.BytesIO()  # write_csv() without a target decodes what it has written
    frame.with_columns(_written(frame[name]) for name in moments).write_csv(target, include_header=False)
    return target.getvalue()


def _written(moments: pl.Series) -> pl.Series:
    """Write each distinct moment once: formatting them is the dearest part of writing a chunk."""
    distinct = moments.unique().alias("moment").to_frame()
    texts = distinct.with_columns(text=pl.col("moment").dt.to_string(MOMENT))
    return (
        moments.alias("moment")
        .to_frame()
        .join(texts, on="moment", how="left", maintain_order="left")["text"]
        .alias(moments.name)
    )
