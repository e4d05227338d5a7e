"""Plots over time: how long each iteration took, with the fault windows shaded."""

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

import polars as pl
from msgspec import Struct

from harness.checking.responses import Outcome
from harness.records.faults import FaultWindow
from reports.crowds import cross, crowd, places
from reports.figures import duration, things
from reports.latency import ScenarioLatency
from reports.svg import (
    Scale,
    add,
    decades,
    dots,
    drawing,
    ends_of,
    even_ticks,
    hint,
    identifier,
    line,
    linear,
    logarithmic,
    markup,
)

LEFT = 62
"""Pixels for the labels of the y axis."""
LABEL = 15
"""Pixels a line of labels is high."""
LETTER = 6.9
"""Pixels a letter of a label is wide, more or less: enough to keep labels apart."""


MANY = 2_000
"""More dots than that are drawn small, one for all that fall on the same place, to keep the file small."""
MOST_MARKS = 200
"""Failures that are marked each, with words of its own; of more, one is marked for all that fall on the same place."""
NO_ANSWER = 28
"""Pixels above the plot for iterations that nobody answered."""


class Span(Struct, frozen=True, kw_only=True):
    """The time a plot shows: seconds since the Unix epoch. Its axis counts from `since`."""

    since: float
    until: float

    def shows(self, window: FaultWindow) -> bool:
        return window.healed > self.since and window.injected < self.until


AS_IT_IS = linear((0.0, 1.0), (0.0, 1.0))
"""For what is in pixels already."""


class Frame(Struct, frozen=True, kw_only=True):
    """The part of a drawing that holds the data, in pixels."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left


def span_of(latency: ScenarioLatency, windows: Iterable[FaultWindow] = ()) -> Span:
    """From the first intended start to the last answer, the end of the load, or the heal of a fault within it."""
    until = latency.began + latency.duration
    ends = ends_of(latency.responses["answered"])
    healed = [window.healed for window in windows if latency.began < window.injected < until]
    return Span(since=latency.began, until=max([until, *ends, *healed]))


def response_times(latency: ScenarioLatency, windows: Sequence[FaultWindow], *, width: float = 960) -> str:
    """Response time over intended start: a dot an iteration, percentiles over time, faults shaded, failures marked."""
    span = span_of(latency, windows)
    shown_windows = [window for window in windows if span.shows(window)]
    lanes = label_lanes(shown_windows, span, width)
    unheard = latency.responses["answered"].has_nulls()
    top = 12 + LABEL * lanes + (NO_ANSWER if unheard else 0)
    frame = Frame(left=LEFT, right=width - 10, top=top, bottom=top + (300 if width > 600 else 240))
    svg = drawing(
        f"response-{identifier(latency.scenario)}-{width:g}",
        width,
        frame.bottom + 44,
        title=f"Response time of {latency.scenario} over intended start",
        description=_described(latency, shown_windows),
    )
    x = linear((span.since, span.until), (frame.left, frame.right))
    domain, ticks = decades(ends_of(latency.responses["time"]))
    y = logarithmic(domain, (frame.bottom, frame.top))
    for tick in ticks:
        add(svg, "line", class_="grid", x1=frame.left, x2=frame.right, y1=y(tick), y2=y(tick))
        add(svg, "text", duration(tick), class_="tick end", x=frame.left - 8, y=y(tick) + 4)
    draw_windows(svg, shown_windows, span, x, frame)
    draw_time_axis(svg, span, x, frame, "seconds since the load began, by intended start")
    _draw_percentiles(svg, latency, x, y)
    _draw_dots(svg, latency, x, y, frame)
    _draw_hints(svg, latency, x, frame)
    return markup(svg)


def label_lanes(windows: Sequence[FaultWindow], span: Span, width: float) -> int:
    """How many lines the labels of these windows need above a plot."""
    x = linear((span.since, span.until), (LEFT, width - 10))
    return max((label.lane for label in _labels(windows, span, x, width - 10)), default=-1) + 1


def draw_windows(svg: Element, windows: Sequence[FaultWindow], span: Span, x: Scale, frame: Frame) -> None:
    """Shade each fault window, with its name above."""
    labels = _labels(windows, span, x, frame.right)
    for window, label in zip(windows, labels, strict=True):
        left = x(max(window.injected, span.since))
        right = x(min(window.healed, span.until))
        band = add(
            svg,
            "rect",
            class_="fault" if window.bit else "fault dull",
            x=left,
            y=frame.top,
            width=max(1.5, right - left),
            height=frame.bottom - frame.top,
        )
        hint(band, f"{label.words}: {duration(window.healed - window.injected)}, {_felt(window)}")
        base = 11 + LABEL * label.lane
        add(svg, "line", class_="fault-edge", x1=left, x2=left, y1=base - 8, y2=frame.bottom)
        add(svg, "line", class_="fault-edge", x1=right, x2=right, y1=frame.top, y2=frame.bottom)
        add(svg, "text", label.words, class_="fault-label", x=label.x, y=base)


def draw_time_axis(svg: Element, span: Span, x: Scale, frame: Frame, words: str) -> None:
    """Seconds since the span began, below the plot."""
    add(svg, "line", class_="axis", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom)
    for tick in even_ticks(span.until - span.since, 10 if frame.width > 600 else 5):
        at = x(span.since + tick)
        add(svg, "line", class_="axis", x1=at, x2=at, y1=frame.bottom, y2=frame.bottom + 4)
        add(svg, "text", f"{tick:g}", class_="tick middle", x=at, y=frame.bottom + 18)
    middle = (frame.left + frame.right) / 2
    add(svg, "text", words, class_="tick middle", x=middle, y=frame.bottom + 37)


def _draw_dots(svg: Element, latency: ScenarioLatency, x: Scale, y: Scale, frame: Frame) -> None:
    is_answer = pl.col("outcome") == Outcome.ANSWERED
    points = latency.responses.select("iteration", "outcome", x="intended", y="time")
    answered, others = points.filter(is_answer), points.filter(~is_answer)
    if len(answered) <= MANY:
        add(svg, "path", class_="dots", d=dots((x(at), y(time)) for at, time in answered.select("x", "y").iter_rows()))
    else:
        add(svg, "path", class_="dots many", d=crowd(answered, x, y))
    lane = frame.top - NO_ANSWER / 2
    if latency.responses["answered"].has_nulls():
        add(svg, "text", "no answer", class_="tick end", x=frame.left - 8, y=lane + 4)
    if len(others) <= MOST_MARKS:
        for iteration, outcome, at, time in others.iter_rows():
            mark = add(svg, "path", class_=f"mark {outcome}", d=cross(x(at), lane if time is None else y(time)))
            hint(mark, f"iteration {iteration}: {outcome}")
        return
    for outcome, found in others.partition_by("outcome", as_dict=True).items():
        heights = found.with_columns(y=y.column(pl.col("y")).fill_null(lane))
        d = "".join(cross(at, level) for at, level in places(heights, x, AS_IT_IS, MOST_MARKS))
        mark = add(svg, "path", class_=f"mark {outcome[0]}", d=d)
        hint(mark, f"{things(len(found), 'iteration')}: {outcome[0]}; those on one place are marked once")


def _draw_percentiles(svg: Element, latency: ScenarioLatency, x: Scale, y: Scale) -> None:
    """Level steps: a slope between two spans of time would show rises where nobody waited."""
    for name in ("p99", "p95", "p50"):
        points: list[tuple[float, float] | None] = []
        until = 0.0
        for moment in latency.over_time:
            value: float | None = getattr(moment, name)
            if value is None or moment.since != until:
                points.append(None)
            if value is not None:
                edges = (latency.began + moment.since, latency.began + moment.until)
                points += [(x(edge), y(value)) for edge in edges]
            until = moment.until
        add(svg, "path", class_=f"line {name}", d=line(points))


def _draw_hints(svg: Element, latency: ScenarioLatency, x: Scale, frame: Frame) -> None:
    """Unseen strips that show their figures under the pointer, without a script."""
    for moment in latency.over_time:
        left = x(latency.began + moment.since)
        right = min(x(latency.began + moment.until), frame.right)
        strip = add(
            svg,
            "rect",
            class_="hover",
            x=left,
            y=frame.top,
            width=max(0.0, right - left),
            height=frame.bottom - frame.top,
        )
        hint(
            strip,
            f"{moment.since:g} to {moment.until:g} s: p50 {duration(moment.p50)}, p95 {duration(moment.p95)}, "
            f"p99 {duration(moment.p99)}, {things(moment.iterations, 'iteration')}",
        )


class _Label(Struct, frozen=True, kw_only=True):
    words: str
    x: float
    lane: int


def _labels(windows: Sequence[FaultWindow], span: Span, x: Scale, right: float) -> list[_Label]:
    """A label for each window, inside the drawing and on a line where it lies on no other."""
    ends: list[float] = []
    labels = []
    for window in windows:
        words = f"{window.name} on {window.on}"
        length = len(words) * LETTER
        left = max(2.0, min(x(max(window.injected, span.since)) + 5, right - length))
        lane = next((number for number, end in enumerate(ends) if end <= left), len(ends))
        if lane == len(ends):
            ends.append(0.0)
        ends[lane] = left + length + 8
        labels.append(_Label(words=words, x=left, lane=lane))
    return labels


def _described(latency: ScenarioLatency, windows: Sequence[FaultWindow]) -> str:
    whole = latency.whole
    faults = ", ".join(
        f"{w.name} on {w.on} from {w.injected - latency.began:.1f} to {w.healed - latency.began:.1f} s" for w in windows
    )
    return (
        f"{things(whole.iterations, 'iteration')}: {whole.answered} answered, {whole.failed} failed, "
        f"{whole.unanswered} unanswered. Median {duration(whole.response.p50)}, p99 {duration(whole.response.p99)}, "
        f"longest {duration(whole.response.max)}. Faults: {faults or 'none in this time'}."
    )


def _felt(window: FaultWindow) -> str:
    return f"felt by {window.felt}" if window.bit else "proved nothing"
