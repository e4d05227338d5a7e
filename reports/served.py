"""Load achieved against asked: how many iterations were meant to start, and how many were answered, over time."""

import math
from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from msgspec import Struct

from harness.checking.objectives import shown
from harness.checking.responses import Outcome
from harness.records.faults import FaultWindow
from reports.figures import count, things
from reports.latency import MOST_BUCKETS, ScenarioLatency
from reports.plot import Table
from reports.svg import Scale, add, drawing, even_ticks, hint, identifier, line, linear, markup
from reports.timeline import LABEL, LEFT, Frame, draw_time_axis, draw_windows, label_lanes, span_of

HEIGHT = 170.0


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
    ends = [(r.answered - latency.began, r.outcome) for r in latency.responses if r.answered is not None]
    duration = max(latency.duration, 1e-3)
    total = max([duration, *(end for end, _ in ends)])
    length = max(duration / max(1, min(int(duration), int(MOST_BUCKETS * duration / total))), total / MOST_BUCKETS)
    last = max(0, math.ceil(total / length - 1e-9) - 1)

    def spans(times: list[float]) -> Counter[int]:
        return Counter(min(last, max(0, int(time / length))) for time in times)

    asked = spans([r.intended - latency.began for r in latency.responses])
    answered = spans([end for end, outcome in ends if outcome is Outcome.ANSWERED])
    failed = spans([end for end, outcome in ends if outcome is Outcome.FAILED])
    found, waiting = [], 0
    # Who was refused has no end, and waits for nothing.
    refused = spans(
        [r.intended - latency.began for r in latency.responses if r.answered is None and r.outcome is Outcome.FAILED]
    )
    for number in range(last + 1):
        gone = failed[number] + refused[number]
        waiting += asked[number] - answered[number] - gone
        found.append(
            Served(
                since=number * length,
                until=(number + 1) * length,
                asked=asked[number],
                answered=answered[number],
                failed=gone,
                waiting=waiting,
            )
        )
    return found


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
    y = linear((0, most or 1.0), (frame.bottom, frame.top))
    for tick in even_ticks(most, 4):
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
    _draw_hints(svg, moments, at, frame)
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


def _draw_hints(svg: Element, moments: Sequence[Served], at: Scale, frame: Frame) -> None:
    for each in moments:
        left, right = at(each.since), at(each.until)
        strip = add(
            svg, "rect", class_="hover", x=left, y=frame.top, width=right - left, height=frame.bottom - frame.top
        )
        told = [
            f"{shown(each.asked / each.length, '')}/s asked for",
            f"{shown(each.answered / each.length, '')}/s answered",
        ]
        if each.failed:
            told.append(f"{shown(each.failed / each.length, '')}/s failed")
        told.append(f"{count(each.waiting)} waiting at its end")
        hint(strip, f"{each.since:.4g} to {each.until:.4g} s: {', '.join(told)}")


def _described(latency: ScenarioLatency, moments: Sequence[Served]) -> str:
    deepest = max(moments, key=lambda each: each.waiting)
    whole = latency.whole
    return (
        f"{things(whole.iterations, 'iteration')} asked for in {latency.duration:g} s: {count(whole.answered)} answered, "
        f"{count(whole.failed)} failed, {count(whole.unanswered)} unanswered. Most were waiting at {deepest.until:.4g} s: "
        f"{count(deepest.waiting)}."
    )
