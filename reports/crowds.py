"""Marks by the million: what falls on one place is drawn once, and what lies alone is drawn however many there are."""

from collections.abc import Iterator
from itertools import count

import polars as pl

from reports.svg import Scale

MOST = 6_000
"""Strokes that a crowd is drawn by, at most: some 80 kB of the page."""


def crowd(points: pl.DataFrame, x: Scale, y: Scale, most: int = MOST) -> str:
    """A path over every place that a point (`x`, `y`) falls on; places next to each other in a row are one stroke.

    The grid is as fine as so many strokes allow. None is left out: the slowest of a million is drawn where it is, at
    most half a step of the grid away.
    """
    drawn = ((_strokes(_on_grid(points, x, y, grid)), grid) for grid in _grids())
    strokes, grid = next(found for found in drawn if found[0].height <= most)
    return "".join(f"M{left * grid} {level * grid}h{length * grid}" for left, level, length in strokes.iter_rows())


def places(points: pl.DataFrame, x: Scale, y: Scale, most: int) -> list[tuple[int, int]]:
    """The places, in pixels, that points fall on; on a grid as fine as so many places allow."""
    drawn = ((_on_grid(points, x, y, grid), grid) for grid in _grids())
    taken, grid = next(found for found in drawn if found[0].height <= most)
    return [(left * grid, level * grid) for left, level in taken.iter_rows()]


def cross(x: float, y: float) -> str:
    """The path of a cross."""
    return f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"


def _grids() -> Iterator[int]:
    """Pixels: places closer together than the first look like one; each is at most half as coarse again."""
    for power in count(1):
        yield from (2**power, 3 * 2 ** (power - 1))


def _on_grid(points: pl.DataFrame, x: Scale, y: Scale, grid: int) -> pl.DataFrame:
    """Where points fall, in steps of the grid, each place once and row by row."""
    at = points.select(x=x.column(pl.col("x")), y=y.column(pl.col("y")))
    return at.select((pl.col("x", "y") / grid).round().cast(pl.Int32)).unique().sort("y", "x")


def _strokes(taken: pl.DataFrame) -> pl.DataFrame:
    """Where each begins, and how many steps of the grid it is long."""
    begins = ((pl.col("x").diff() != 1) | (pl.col("y").diff() != 0)).fill_null(value=True)
    strokes = taken.group_by(begins.cum_sum().alias("stroke"), maintain_order=True)
    return strokes.agg(pl.col("x", "y").first(), length=pl.len().cast(pl.Int32) - 1).drop("stroke")
