"""Judges the rows of a chunk by the schema's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from system.pipeline.parse import REASON, Parsed
from system.pipeline.schema import Schema, SchemaField

TRUE, FALSE = ["true", "t", "yes", "y", "1"], ["false", "f", "no", "n", "0"]
TIMESTAMPS = ("%+", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
ARTICLE = {"integer": "an integer"}
UTC = pl.Datetime("us", "UTC")

Problem = tuple[str, pl.Series]


@dataclass(frozen=True)
class Judged:
    """The good rows, typed, and for each other row its index in the chunk and the one reason against it."""

    good: pl.DataFrame
    rejected: pl.DataFrame
    """``index`` (from 0) and ``reason``."""


def type_values(parsed: Parsed, schema: Schema) -> pl.DataFrame:
    """Turn each value into its declared type, null where it is not of that type."""
    return pl.DataFrame([_typed(parsed.frame[field.name], field) for field in schema.fields])


def referenced_values(typed: pl.DataFrame, schema: Schema) -> dict[str, list[Any]]:
    """Return the distinct values of each field that refers to another data set."""
    return {
        field.name: typed[field.name].drop_nulls().unique().to_list() for field in schema.fields if field.references
    }


def judge(parsed: Parsed, typed: pl.DataFrame, unknown: Mapping[str, list[Any]], schema: Schema) -> Judged:
    """Tell good rows from bad; a bad row gets the first reason in the order of the fields.

    Args:
        parsed: the records as read.
        typed: their typed values.
        unknown: for each field that refers to another data set, those of its values that do not exist there.
        schema: the rules.

    """
    problems = [problem for field in schema.fields for problem in _problems(parsed, typed, unknown, field)]
    broken = parsed.broken.is_not_null()
    bad = reduce(or_, (mask for _, mask in problems), broken)
    if not bad.any():
        return Judged(typed, pl.DataFrame(schema={"index": pl.UInt32, REASON: pl.String}))
    masks = pl.DataFrame([parsed.broken, *(mask.alias(str(number)) for number, (_, mask) in enumerate(problems))])
    reasons = [pl.when(pl.col(str(number))).then(pl.lit(label)) for number, (label, _) in enumerate(problems)]
    rejected = (
        masks.with_columns(index=pl.int_range(parsed.broken.len(), dtype=pl.UInt32))
        .filter(bad)
        .select("index", pl.coalesce(REASON, *reasons).alias(REASON))
    )
    return Judged(typed.filter(~bad), rejected)


def not_of_type(field: SchemaField) -> str:
    """Say that a value is not of the field's type."""
    return f"not {ARTICLE.get(field.type, f'a {field.type}')}"


def _problems(
    parsed: Parsed, typed: pl.DataFrame, unknown: Mapping[str, list[Any]], field: SchemaField
) -> Iterator[Problem]:
    raw, value = parsed.frame[field.name], typed[field.name]
    for text, mask in _rule_breaks(raw, value, unknown.get(field.name, []), field):
        if mask.any():
            yield f"{field.name}: {text}", mask.fill_null(value=False)


def _rule_breaks(raw: pl.Series, value: pl.Series, unknown: list[Any], field: SchemaField) -> Iterator[Problem]:
    if value.null_count() > raw.null_count():
        yield not_of_type(field), value.is_null() & raw.is_not_null()
    if field.required and raw.null_count():
        yield "missing", raw.is_null()
    if field.minimum is not None:
        yield f"below {_plain(field.minimum)}", value < _exact(field.minimum)
    if field.maximum is not None:
        yield f"above {_plain(field.maximum)}", value > _exact(field.maximum)
    if field.max_length is not None:
        yield f"longer than {field.max_length} characters", value.str.len_chars() > field.max_length
    if unknown:
        yield f"not in {field.references}", value.is_in(pl.Series(unknown, dtype=value.dtype).implode())


def _typed(raw: pl.Series, field: SchemaField) -> pl.Series:
    match field.type:
        case "text":
            return raw
        case "integer":
            return raw.cast(pl.Int64, strict=False)
        case "number":
            number = raw.cast(pl.Float64, strict=False)
            return number.set(~number.is_finite(), None)
        case "boolean":
            return raw if raw.dtype == pl.Boolean else _boolean(raw)
        case "date":
            return _in_years(raw.str.to_date(field.format or "%Y-%m-%d", strict=False))
        case "timestamp":
            return _in_years(_timestamp(raw, (field.format,) if field.format else TIMESTAMPS))


def _boolean(raw: pl.Series) -> pl.Series:
    text = pl.col(raw.name).str.to_lowercase()
    decided = pl.when(text.is_in(TRUE)).then(True).when(text.is_in(FALSE)).then(False)
    return raw.to_frame().select(decided.alias(raw.name))[raw.name]


def _timestamp(raw: pl.Series, formats: tuple[str, ...]) -> pl.Series:
    moments = pl.Series(raw.name, [None], dtype=UTC).new_from_index(0, raw.len())
    for written in formats:
        if moments.null_count() == raw.null_count():
            break
        found = raw.str.to_datetime(written, time_unit="us", strict=False)
        aware = found.dt.replace_time_zone("UTC") if found.dtype == pl.Datetime("us") else found.cast(UTC)
        moments = moments.zip_with(moments.is_not_null(), aware)
    return moments


def _in_years(moments: pl.Series) -> pl.Series:
    """Keep the years 1 to 9999, which PostgreSQL and Python both know."""
    return moments.set(~moments.dt.year().is_between(1, 9999), None)


def _exact(number: float) -> float:
    """Return an integer where the number is one: beside a float, integers become floats, and large ones others."""
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
