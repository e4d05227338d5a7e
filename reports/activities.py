"""Activity attempts over time: one lane a type, one bar an activity, the retried ones marked."""

from collections.abc import Sequence
from itertools import accumulate
from xml.etree.ElementTree import Element

import polars as pl
from msgspec import Struct

from harness.records.faults import FaultWindow
from reports.figures import duration, things
from reports.svg import Scale, add, bars, drawing, ends_of, hint, linear, markup
from reports.timeline import LABEL, LEFT, Frame, Span, draw_time_axis, draw_windows, label_lanes

ROWS = 14
"""At most so many bars of one type below each other; further ones share the row that is free soonest."""
MOST_BARS, MOST_RETRIED = 2_000, 200
"""Of more activities of one type, or of more that were retried, it is shown how many went on at once."""
PITCH = 5.0
CROWD, COLUMN = 60.0, 4.0
"""Pixels: such a lane is high, and a column of it is wide."""
HEAD = 26.0
FOOT = 8.0


def activities_within(activities: pl.DataFrame, span: Span | None = None) -> pl.DataFrame:
    """Those of these activities that touch the span, in the order they were scheduled."""
    if span is not None:
        lasts = pl.col("closed").is_null() | (pl.col("closed") > span.since)
        activities = activities.filter(pl.col("scheduled") < span.until, lasts)
    return activities.sort("scheduled", maintain_order=True)


def span_of(activities: pl.DataFrame) -> Span:
    """From the first that was scheduled to the last that closed, and a tenth of a second at least."""
    since = activities["scheduled"][0]
    return Span(since=since, until=max([since + 0.1, *ends_of(activities["closed"])]))


def attempts(activities: pl.DataFrame, span: Span, windows: Sequence[FaultWindow], *, width: float = 960) -> str:
    """A lane for each type of activity; a bar from scheduled to closed, darker where its last attempt ran.

    Where bars would hide each other, the lane shows how many waited and ran at once instead.
    """
    until = pl.col("closed").fill_null(span.until)
    lanes = [_Lane.of(found.with_columns(end=until)) for found in activities.partition_by("type", maintain_order=True)]
    heights = [HEAD + lane.height + FOOT for lane in lanes]
    shown = [window for window in windows if span.shows(window)]
    top = 12 + LABEL * label_lanes(shown, span, width)
    frame = Frame(left=LEFT if width > 600 else 12, right=width - 10, top=top, bottom=top + sum(heights))
    svg = drawing(
        f"attempts-{width:g}",
        width,
        frame.bottom + 44,
        title="Activity attempts over time",
        description=_described(activities, lanes),
    )
    x = linear((span.since, span.until), (frame.left, frame.right))
    draw_windows(svg, shown, span, x, frame)
    draw_time_axis(svg, span, x, frame, "seconds, by the server's clock")
    for lane, above in zip(lanes, accumulate(heights, initial=frame.top), strict=False):
        _draw_head(svg, lane, frame, above)
        if lane.rows is None:
            _draw_crowd(svg, lane, above + HEAD + CROWD, x)
        else:
            _draw_bars(svg, lane.found, [above + HEAD + PITCH * row for row in lane.rows], span, x)
    return markup(svg)


def _packed(found: pl.DataFrame) -> list[int]:
    """The row of each activity: the first that is free when it is scheduled, else the one that is free soonest."""
    free: list[float] = []
    rows = []
    for scheduled, end in found.select("scheduled", "end").iter_rows():
        row = next((number for number, until in enumerate(free) if until <= scheduled), len(free))
        if row == ROWS:
            row = free.index(min(free))
        if row == len(free):
            free.append(0.0)
        free[row] = end
        rows.append(row)
    return rows


class _Lane(Struct, frozen=True, kw_only=True):
    """The activities of one type, and `end`, to when each is drawn."""

    found: pl.DataFrame
    rows: list[int] | None
    """The row of each; None where there are too many to be told apart."""

    @classmethod
    def of(cls, found: pl.DataFrame) -> "_Lane":
        many = len(found) > MOST_BARS or (found["attempts"] > 1).sum() > MOST_RETRIED
        return cls(found=found, rows=None if many else _packed(found))

    @property
    def height(self) -> float:
        return CROWD if self.rows is None else PITCH * (max(self.rows) + 1)


def _draw_head(svg: Element, lane: _Lane, frame: Frame, above: float) -> None:
    retries = int((lane.found["attempts"] - 1).clip(0).sum())
    told = things(len(lane.found), "activity", "activities")
    if retries:
        told += f", {things(retries, 'retry', 'retries')}"
    if lane.rows is None:
        told += f"; up to {most_at_once(lane.found):,} at once"
    add(svg, "line", class_="grid", x1=frame.left, x2=frame.right, y1=above, y2=above)
    add(svg, "text", lane.found["type"][0], class_="lane", x=frame.left, y=above + 16)
    add(svg, "text", told, class_="tick end", x=frame.right, y=above + 16)


def _draw_bars(svg: Element, found: pl.DataFrame, levels: Sequence[float], span: Span, x: Scale) -> None:
    waits, runs = [], []
    columns = found.select("scheduled", "started", "end", "attempts", "type", "last_failure")
    for (scheduled, started, end, attempts, type_, failure), y in zip(columns.iter_rows(), levels, strict=True):
        left, right = x(max(scheduled, span.since)), x(min(end, span.until))
        if attempts > 1:
            bar = add(svg, "path", class_="bar retried", d=bars([(left, right, y)]))
            hint(bar, f"{type_}: {attempts} attempts, {duration(end - scheduled)}. {failure or ''}")
            continue
        waits.append((left, right, y))
        if started is not None:
            runs.append((max(left, x(started)), right, y))
    add(svg, "path", class_="bar wait", d=bars(waits))
    add(svg, "path", class_="bar run", d=bars(runs))


def _draw_crowd(svg: Element, lane: _Lane, floor: float, x: Scale) -> None:
    """How many at once, the most within each column: whoever waits on top of who runs, and before them the retried."""
    retried = lane.found.filter(pl.col("attempts") > 1)
    y = linear((0.0, most_at_once(lane.found)), (0.0, CROWD))
    layers = (("wait", lane.found, "scheduled"), ("run", lane.found, "started"), ("retried", retried, "scheduled"))
    for class_, found, since in layers:
        levels = highest(at_once(found, since), x)
        d = "".join(f"M{column * COLUMN:g} {floor:.1f}v{-y(level):.1f}" for column, level in levels.iter_rows())
        hint(add(svg, "path", class_=f"bar {class_}", d=d), f"{things(len(found), 'activity', 'activities')}")


def at_once(found: pl.DataFrame, since: str) -> pl.DataFrame:
    """How many of these went on at each `time` at which one began or ended, from its `since` to its end: `level`."""
    begun = found.filter(pl.col(since).is_not_null())
    changes = [begun.select(time=since, level=pl.lit(1)), begun.select(time="end", level=pl.lit(-1))]
    # What ends at a moment makes room for what begins then.
    return pl.concat(changes).sort("time", "level").with_columns(pl.col("level").cum_sum())


def most_at_once(found: pl.DataFrame) -> int:
    """How many of these waited or ran at the same time, at most."""
    return int(at_once(found, "scheduled").select(pl.col("level").max()).item())


def highest(levels: pl.DataFrame, x: Scale) -> pl.DataFrame:
    """The highest level within each column of pixels, one that goes on from the column before included."""
    column = (x.column(pl.col("time")) / COLUMN).floor().cast(pl.Int64).alias("column")
    found = levels.group_by(column, maintain_order=True).agg(pl.col("level").max(), last=pl.col("level").last())
    first, end = int(x.to[0] // COLUMN), int(x.to[1] // COLUMN)
    every = pl.DataFrame({"column": pl.int_range(first, end + 1, eager=True)}).join(found, on="column", how="left")
    before = found.filter(pl.col("column") < first)["last"]
    carried = pl.col("last").forward_fill().shift(1, fill_value=before[-1] if len(before) else 0).fill_null(0)
    return every.select("column", pl.max_horizontal("level", carried)).filter(pl.col("level") > 0)


def _described(activities: pl.DataFrame, lanes: Sequence[_Lane]) -> str:
    retried = int((activities["attempts"] > 1).sum())
    told = things(len(activities), "activity", "activities")
    return f"{told} of {things(len(lanes), 'type')}; {retried} of them needed more than one attempt."
