"""Load achieved against asked: how many iterations were meant to start, and how many were answered, over time."""

import math
from collections.abc import Sequence
from itertools import pairwise

import polars as pl
from msgspec import Struct

from harness.checking.objectives import shown
from harness.checking.responses import Outcome
from harness.records.faults import FaultWindow
from reports.figures import count, things
from reports.latency import MOST_BUCKETS, ScenarioLatency
from reports.plot import Table
from reports.svg import add, drawing, identifier, line, linear, markup, read_off, whole_axis
from reports.timeline import LABEL, LEFT, Frame, draw_time_axis, draw_windows, label_lanes, span_of

HEIGHT = 170.0
SHORTEST = 1e-3
"""Seconds that a load lasts at least."""


class Served(Struct, frozen=True, kw_only=True):
    """One short span of time. Times are seconds since the load began."""

    since: float
    until: float
    asked: int
    """Iterations meant to start in it."""
    answered: int
    """Iterations whose answer came in it."""
    failed: int
    """Iterations that ended in it, and failed."""
    waiting: int
    """Iterations that were meant to have started before its end, and had not ended by then."""

    @property
    def length(self) -> float:
        return self.until - self.since


def served_of(latency: ScenarioLatency) -> list[Served]:
    """Spans of one length, a second or more, that part the load evenly and go on to the last answer."""
    asked, answered, failed = _times(latency)
    duration = max(latency.duration, SHORTEST)
    total = max([duration, *(float(times[-1]) for times in (answered, failed) if len(times))])
    length = max(duration / max(1, min(int(duration), int(MOST_BUCKETS * duration / total))), total / MOST_BUCKETS)
    number = max(1, math.ceil(total / length - 1e-9))
    edges = [length * each for each in range(number + 1)]
    so_far = [
        [0, *times.search_sorted(pl.Series(edges[1:-1], dtype=pl.Float64), "left"), len(times)]
        for times in (asked, answered, failed)
    ]
    return [
        Served(
            since=since,
            until=until,
            asked=after[0] - before[0],
            answered=after[1] - before[1],
            failed=after[2] - before[2],
            waiting=after[0] - after[1] - after[2],
        )
        for (since, until), (before, after) in zip(pairwise(edges), pairwise(zip(*so_far, strict=True)), strict=True)
    ]


def served(
    latency: ScenarioLatency, moments: Sequence[Served], windows: Sequence[FaultWindow], *, width: float = 960
) -> str:
    """Iterations a second from zero: asked for, and answered; where the second stays below the first, work piles up."""
    span = span_of(latency, windows)
    shown_windows = [window for window in windows if span.shows(window)]
    top = 12 + LABEL * label_lanes(shown_windows, span, width)
    frame = Frame(left=LEFT, right=width - 10, top=top, bottom=top + HEIGHT)
    svg = drawing(
        f"served-{identifier(latency.scenario)}-{width:g}",
        width,
        frame.bottom + 44,
        title=f"Iterations of {latency.scenario} a second: asked for, and answered",
        description=_described(latency, moments),
    )
    x = linear((span.since, span.until), (frame.left, frame.right))
    most = max(max(each.asked, each.answered, each.failed) / each.length for each in moments)
    highest, ticks = whole_axis(most, 4)
    y = linear((0, highest), (frame.bottom, frame.top))
    for tick in ticks:
        add(svg, "line", class_="grid", x1=frame.left, x2=frame.right, y1=y(tick), y2=y(tick))
        add(svg, "text", f"{tick:g}/s", class_="tick end", x=frame.left - 8, y=y(tick) + 4)
    draw_windows(svg, shown_windows, span, x, frame)
    draw_time_axis(svg, span, x, frame, "seconds since the load began")

    def at(seconds: float) -> float:
        return min(frame.right, x(latency.began + seconds))

    for name in ("answered", "asked", *(("failed",) if any(each.failed for each in moments) else ())):
        points = [
            (at(edge), y(getattr(each, name) / each.length)) for each in moments for edge in (each.since, each.until)
        ]
        if name == "answered":
            area = [(points[0][0], frame.bottom), *points, (points[-1][0], frame.bottom)]
            add(svg, "path", class_="area answered", d=line(area) + "Z")
        add(svg, "path", class_=f"line {name}", d=line(points))
    middles = [(at(each.since) + at(each.until)) / 2 for each in moments]
    read_off(svg, middles, frame.top, frame.bottom)
    return markup(svg)


def served_table(moments: Sequence[Served]) -> Table:
    """Each span of time."""
    return Table(
        head=("Seconds into the load", "Asked for", "Answered", "Failed", "Waiting at its end"),
        rows=[
            (
                f"{each.since:.4g} to {each.until:.4g}",
                f"{shown(each.asked / each.length, '')}/s",
                f"{shown(each.answered / each.length, '')}/s",
                f"{shown(each.failed / each.length, '')}/s",
                count(each.waiting),
            )
            for each in moments
        ],
    )


def _described(latency: ScenarioLatency, moments: Sequence[Served]) -> str:
    deepest = max(moments, key=lambda each: each.waiting)
    whole = latency.whole
    ends = f"{count(whole.answered)} answered, {count(whole.failed)} failed, {count(whole.unanswered)} unanswered"
    return (
        f"{things(whole.iterations, 'iteration')} asked for in {latency.duration:g} s: {ends}. "
        f"Most were waiting at {deepest.until:.4g} s: {count(deepest.waiting)}."
    )


def _times(latency: ScenarioLatency) -> tuple[pl.Series, pl.Series, pl.Series]:
    """When iterations were meant to start, were answered, and failed, in order: seconds since the load began."""
    intended, answered, outcome = pl.col("intended"), pl.col("answered"), pl.col("outcome")
    # Who was refused has no answer, and waits for none.
    ended = pl.coalesce(answered, intended)
    columns = (
        latency.responses.select(time=intended),
        latency.responses.filter(outcome == Outcome.ANSWERED).select(time=answered),
        latency.responses.filter(outcome == Outcome.FAILED).select(time=ended),
    )
    asked, good, bad = ((frame["time"] - latency.began).sort() for frame in columns)
    return asked, good, bad
