"""What everybody got over time: each iteration from its intended start to its answer, and below them each call."""

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element

import polars as pl

from harness.checking.responses import Outcome
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Kind
from reports.crowds import cross, crowd, places
from reports.figures import duration, things
from reports.svg import Scale, add, bars_of, dots, drawing, ends_of, hint, linear, markup
from reports.timeline import (
    AS_IT_IS,
    LABEL,
    LEFT,
    MANY,
    MOST_MARKS,
    Frame,
    Span,
    draw_time_axis,
    draw_windows,
    label_lanes,
)

PITCH, HIGHEST, LOWEST = 2.4, 260.0, 60.0
"""Pixels from one iteration to the next, where all of them fit into the highest that the plot may be; the lowest."""
LANE, BETWEEN = 20.0, 14.0
"""Pixels that a lane of calls is high, and between the iterations and the first of them."""


def lives(
    found: pl.DataFrame,
    operations: pl.DataFrame,
    windows: Sequence[FaultWindow],
    limit: float,
    *,
    width: float = 960,
) -> str:
    """Every iteration is a line, the first on top; one that took longer than `limit` seconds is drawn as late.

    Below, a lane for each kind of call, with a tick where the answer came; crosses are refusals, rings calls of which
    nobody knows what became.
    """
    span = span_of(found, windows)
    lanes = [kind for kind in Kind if (operations["kind"] == kind).any()]
    shown = [window for window in windows if span.shows(window)]
    top = 12 + LABEL * label_lanes(shown, span, width)
    height = min(HIGHEST, max(LOWEST, PITCH * len(found)))
    frame = Frame(left=LEFT, right=width - 10, top=top, bottom=top + height + BETWEEN + LANE * len(lanes))
    told = found.with_columns(fate=_fate(limit)).with_row_index("row")
    svg = drawing(
        f"lives-{width:g}",
        width,
        frame.bottom + 44,
        title="Iterations and their calls over time",
        description=_described(told["fate"], operations["ack"], limit),
    )
    x = linear((span.since, span.until), (frame.left, frame.right))
    draw_windows(svg, shown, span, x, frame)
    draw_time_axis(svg, span, x, frame, "seconds since the load began")
    add(svg, "text", "iterations", class_="tick end", x=frame.left - 8, y=top + 10)
    _draw_iterations(svg, told, span, x, linear((0, len(found)), (top, top + height)))
    for number, kind in enumerate(lanes):
        calls = operations.filter(pl.col("kind") == kind)
        _draw_calls(svg, kind, calls, x, frame, top + height + BETWEEN + LANE * (number + 0.5))
    return markup(svg)


def span_of(found: pl.DataFrame, windows: Sequence[FaultWindow]) -> Span:
    """From the first intended start to the last answer, or the heal of the last fault that began by then."""
    since = found["intended"][0]
    until = max(ends_of(found.select(pl.coalesce("answered", "intended")).to_series()))
    healed = [window.healed for window in windows if window.in_force and window.injected <= until]
    return Span(since=since, until=max([until, since + 0.1, *healed]))


def _draw_iterations(svg: Element, told: pl.DataFrame, span: Span, x: Scale, y: Scale) -> None:
    # Half pixels, so that thousands of lines are drawn as some hundreds.
    level = (2 * y.column(pl.col("row") + 0.5)).round() / 2
    lines = told.select(
        "fate",
        left=x.column(pl.col("intended")),
        right=x.column(pl.col("answered").fill_null(span.until)),
        y=level,
    )
    # Whoever was refused has no line, and a cross alone.
    for name in ("run", "retried", "lost"):
        mine = lines.filter(pl.col("fate") == name)
        if not mine.is_empty():
            add(svg, "path", class_=f"bar thin {name}", d=bars_of(mine))
    failed = told.filter(pl.col("outcome") == Outcome.FAILED)
    marks = failed.select(
        x=x.column(pl.coalesce("answered", "intended")),
        y=y.column(pl.col("row") + 0.5),
        words=pl.format("{}, iteration {}: {}", "scenario", "iteration", "outcome"),
    )
    _draw_marks(svg, marks, "failed", _draw_cross)


def _fate(limit: float) -> pl.Expr:
    """What became of an iteration, as its line is drawn."""
    unanswered = pl.when(pl.col("outcome") == Outcome.UNANSWERED).then(pl.lit("lost")).otherwise(pl.lit("refused"))
    answered = pl.when(pl.col("time") > limit).then(pl.lit("retried")).otherwise(pl.lit("run"))
    return pl.when(pl.col("time").is_null()).then(unanswered).otherwise(answered)


def _draw_calls(svg: Element, kind: Kind, calls: pl.DataFrame, x: Scale, frame: Frame, y: float) -> None:
    add(svg, "text", kind, class_="tick end", x=frame.left - 8, y=y + 4)
    add(svg, "line", class_="grid", x1=frame.left, x2=frame.right, y1=y, y2=y)
    answered = calls.filter(pl.col("ack") == Ack.OK, pl.col("acknowledged").is_not_null())
    points = answered.select(x="acknowledged", y=pl.lit(y))
    d = crowd(points, x, AS_IT_IS) if len(points) > MANY else dots((x(at), y) for at in points["x"])
    add(svg, "path", class_="dots many", d=d)
    ended = pl.coalesce("acknowledged", "given_up", "sent")
    marks = calls.with_columns(x=pl.min_horizontal(x.column(ended), frame.right), y=pl.lit(y))
    refused, unknown = (marks.filter(pl.col("ack") == ack) for ack in (Ack.FAIL, Ack.INFO))
    why = pl.format("{}: {}", "workflow_id", pl.col("error").fill_null("refused"))
    _draw_marks(svg, refused.select("x", "y", words=why), "refused", _draw_cross)
    unsure = pl.format("{}: nobody knows what became of it", "workflow_id")
    _draw_marks(svg, unknown.select("x", "y", words=unsure), "not known", _draw_ring)


def _draw_marks(svg: Element, marks: pl.DataFrame, told: str, draw: Callable[[Element, float, float], Element]) -> None:
    """A mark each, with its words; of very many, one for all that fall on the same place, with how many there are."""
    if len(marks) <= MOST_MARKS:
        for at, level, words in marks.select("x", "y", "words").iter_rows():
            hint(draw(svg, at, level), words)
        return
    for at, level in places(marks, AS_IT_IS, AS_IT_IS, MOST_MARKS):
        hint(draw(svg, at, level), f"{len(marks):,} {told}; those on one place are marked once")


def _draw_cross(svg: Element, x: float, y: float) -> Element:
    return add(svg, "path", class_="mark", d=cross(x, y))


def _draw_ring(svg: Element, x: float, y: float) -> Element:
    return add(svg, "circle", class_="ring", cx=x, cy=y, r=4)


def _described(fates: pl.Series, acks: pl.Series, limit: float) -> str:
    told = {name: int((fates == name).sum()) for name in ("run", "retried", "lost", "refused")}
    known = {ack: int((acks == ack).sum()) for ack in Ack}
    iterations = (
        f"{things(len(fates), 'iteration')}: {told['run']} answered within {duration(limit)}, "
        f"{told['retried']} later, {told['lost']} never, {told['refused']} refused."
    )
    calls = f"{things(len(acks), 'call')}: {known[Ack.OK]} ok, {known[Ack.FAIL]} refused, {known[Ack.INFO]} not known."
    return f"{iterations} {calls}"
