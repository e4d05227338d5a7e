"""Activity attempts over time: one lane a type, one bar an activity, the retried ones marked."""

from collections.abc import Sequence
from itertools import accumulate
from xml.etree.ElementTree import Element

import polars as pl
from msgspec import Struct

from harness.records.faults import FaultWindow
from reports.at_once import COLUMN, at_once, highest
from reports.figures import duration, things
from reports.svg import Scale, add, bars, drawing, ends_of, hint, linear, markup
from reports.timeline import LABEL, LEFT, Frame, Span, draw_time_axis, draw_windows, label_lanes

ROWS = 14
"""At most so many bars of one type below each other; further ones share the row that is free soonest."""
MOST_BARS, MOST_RETRIED = 2_000, 200
"""Of more activities of one type, or of more that were retried, it is shown how many went on at once."""
PITCH = 5.0
CROWD = 60.0
"""Pixels that such a lane is high."""
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
        if lane.rows:
            _draw_bars(svg, lane.found, [above + HEAD + PITCH * row for row in lane.rows], span, x)
        else:
            _draw_crowd(svg, lane, above + HEAD + CROWD, x)
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
    rows: list[int]
    """The row of each; none where there are too many to be told apart."""
    levels: pl.DataFrame
    """How many there were at once then, waiting or running."""

    @classmethod
    def of(cls, found: pl.DataFrame) -> "_Lane":
        many = len(found) > MOST_BARS or (found["attempts"] > 1).sum() > MOST_RETRIED
        return cls(
            found=found,
            rows=[] if many else _packed(found),
            levels=at_once(found if many else found.clear(), "scheduled"),
        )

    @property
    def most(self) -> int:
        """How many there were at once, at most."""
        return int(self.levels.select(pl.col("level").max()).item())

    @property
    def height(self) -> float:
        return PITCH * (max(self.rows) + 1) if self.rows else CROWD


def _draw_head(svg: Element, lane: _Lane, frame: Frame, above: float) -> None:
    retries = int((lane.found["attempts"] - 1).clip(0).sum())
    told = things(len(lane.found), "activity", "activities")
    if retries:
        told += f", {things(retries, 'retry', 'retries')}"
    if not lane.rows:
        told += f"; up to {lane.most:,} at once"
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
    y = linear((0.0, lane.most), (0.0, CROWD))
    layers = (
        ("wait", lane.found, lane.levels),
        ("run", lane.found, at_once(lane.found, "started")),
        ("retried", retried, at_once(retried, "scheduled")),
    )
    for class_, found, levels in layers:
        columns = highest(levels, x).iter_rows()
        d = "".join(f"M{column * COLUMN:g} {floor:.1f}v{-y(level):.1f}" for column, level in columns)
        hint(add(svg, "path", class_=f"bar {class_}", d=d), things(len(found), "activity", "activities"))


def _described(activities: pl.DataFrame, lanes: Sequence[_Lane]) -> str:
    retried = int((activities["attempts"] > 1).sum())
    told = things(len(activities), "activity", "activities")
    return f"{told} of {things(len(lanes), 'type')}; {retried} of them needed more than one attempt."
