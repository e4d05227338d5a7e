"""How many of very many things went on at once, over time."""

import polars as pl

from reports.svg import Scale

COLUMN = 4.0
"""Pixels that a column is wide, of which each shows one number."""


def at_once(found: pl.DataFrame, since: str) -> pl.DataFrame:
    """The `level` from each `time` on at which one of these began, at its `since`, or ended, at its `end`."""
    begun = found.select(since, "end").drop_nulls()
    # What ends at a moment makes room for what begins then.
    changes = [begun.select(time="end", level=pl.lit(-1)), begun.select(time=since, level=pl.lit(1))]
    return pl.concat(changes).sort("time", maintain_order=True).with_columns(pl.col("level").cum_sum())


def highest(levels: pl.DataFrame, x: Scale) -> pl.DataFrame:
    """The highest level within each column of pixels, one that goes on from the column before included."""
    column = (x.column(pl.col("time")) / COLUMN).floor().cast(pl.Int64).alias("column")
    found = levels.group_by(column, maintain_order=True).agg(pl.col("level").max(), last=pl.col("level").last())
    first, end = int(x.to[0] // COLUMN), int(x.to[1] // COLUMN)
    every = pl.DataFrame({"column": pl.int_range(first, end + 1, eager=True)}).join(
        found, on="column", how="left", maintain_order="left"
    )
    before = found.filter(pl.col("column") < first)["last"]
    carried = pl.col("last").forward_fill().shift(1).fill_null(before[-1] if len(before) else 0)
    return every.select("column", pl.max_horizontal("level", carried)).filter(pl.col("level") > 0)
