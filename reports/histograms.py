"""How response times are spread: a histogram with bins of equal width on a logarithmic scale."""

import math
from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

import polars as pl
from msgspec import Struct

from harness.checking.responses import answered_times
from reports.figures import count, duration, share, things
from reports.latency import ScenarioLatency
from reports.plot import Table
from reports.svg import Scale, add, decades, drawing, identifier, linear, logarithmic, markup, read_off, whole_axis

PER_DECADE = (100, 50, 20, 10, 5)
"""Bins a power of ten has; the finest is taken that makes no more than MOST_BINS of all samples."""
MOST_BINS = 60
SHORTEST = 1e-6
"""Seconds; what took less is counted as this, for nothing has no logarithm."""
LEFT, TOP, HEIGHT = 62.0, 50.0, 190.0
UNANSWERED = 62.0
"""Pixels at the right for iterations that nobody answered: how long they would have taken is not known."""
MARKED = ("p50", "p95", "p99")
LINE = 14.0


class Bin(Struct, frozen=True, kw_only=True):
    """The answered iterations that took from `low` up to, but not, `high` seconds."""

    low: float
    high: float
    iterations: int


def bins_of(latency: ScenarioLatency) -> list[Bin]:
    """From the bin of the shortest response time to that of the longest, empty ones too; none without an answer."""
    times = answered_times(latency.responses).clip(SHORTEST).sort()
    if times.is_empty():
        return []
    exponents = [math.log10(time) for time in (times[0], times[-1])]
    spans = [(per, *(math.floor(exponent * per) for exponent in exponents)) for per in PER_DECADE]
    per, first, last = next((span for span in spans if span[2] - span[1] < MOST_BINS), spans[-1])
    edges = [10 ** (number / per) for number in range(first, last + 2)]
    below = [0, *times.search_sorted(pl.Series(edges[1:-1], dtype=pl.Float64), "left"), len(times)]
    return [
        Bin(low=low, high=high, iterations=after - before)
        for (low, high), (before, after) in zip(pairwise(edges), pairwise(below), strict=True)
    ]


def histogram(latency: ScenarioLatency, bins: Sequence[Bin], *, width: float = 960) -> str:
    """A bar a bin, as high as it holds iterations, from zero; the unanswered beside them, percentiles marked."""
    bottom, whole = TOP + HEIGHT, latency.whole
    right = width - 14 - (UNANSWERED if whole.unanswered else 0)
    most = max([*(each.iterations for each in bins), whole.unanswered])
    svg = drawing(
        f"histogram-{identifier(latency.scenario)}-{width:g}",
        width,
        bottom + 44,
        title=f"How the response times of {latency.scenario} are spread",
        description=_described(latency, bins),
    )
    highest, ticks = whole_axis(most, 4)
    y = linear((0, highest), (bottom, TOP))
    for tick in ticks:
        if tick == int(tick):
            add(svg, "line", class_="grid", x1=LEFT, x2=width - 14, y1=y(tick), y2=y(tick))
            add(svg, "text", count(tick), class_="tick end", x=LEFT - 8, y=y(tick) + 4)
    domain, decade_ticks = decades([bins[0].low, bins[-1].high])
    x = logarithmic(domain, (LEFT, right))
    add(svg, "line", class_="axis", x1=LEFT, x2=right, y1=bottom, y2=bottom)
    for tick in decade_ticks[:: 1 if width > 600 or len(decade_ticks) < 5 else 2]:
        add(svg, "line", class_="axis", x1=x(tick), x2=x(tick), y1=bottom, y2=bottom + 4)
        add(svg, "text", duration(tick), class_="tick middle", x=x(tick), y=bottom + 18)
    add(svg, "text", "response time, on a logarithmic scale", class_="tick middle", x=(LEFT + right) / 2, y=bottom + 37)
    for each in bins:
        _draw_bar(svg, x(each.low), x(each.high), y(each.iterations), bottom, "bin" if each.iterations else "")
    _draw_marks(svg, latency, x, bottom, right)
    if whole.unanswered:
        at = right + UNANSWERED / 2
        _draw_bar(svg, at - 12, at + 12, y(whole.unanswered), bottom, "bin missing")
        add(svg, "text", "no answer", class_="tick middle", x=at, y=bottom + 18)
    middles = [x(math.sqrt(each.low * each.high)) for each in bins if each.iterations]
    read_off(svg, [*middles, *([right + UNANSWERED / 2] if whole.unanswered else [])], TOP, bottom)
    return markup(svg)


def bins_table(latency: ScenarioLatency, bins: Sequence[Bin]) -> Table:
    """Each bin that holds any, and the unanswered."""
    total = latency.whole.answered + latency.whole.unanswered
    rows = [(f"{duration(each.low)} to {duration(each.high)}", each.iterations) for each in bins if each.iterations]
    if latency.whole.unanswered:
        rows.append(("no answer", latency.whole.unanswered))
    return Table(
        head=("Response time", "Iterations", "Share"),
        rows=[(words, count(number), share(number, total)) for words, number in rows],
    )


def _draw_bar(svg: Element, left: float, right: float, top: float, bottom: float, name: str) -> None:
    """At least a pixel high, so that a single iteration among a million is seen."""
    if name:
        height = max(1.0, bottom - top)
        width = max(1.0, right - left - 1)
        add(svg, "rect", class_=name, x=left + 0.5, y=bottom - height, width=width, height=height)


def _draw_marks(svg: Element, latency: ScenarioLatency, x: Scale, bottom: float, right: float) -> None:
    """A line at each percentile that is known, its label on a line of its own."""
    for number, name in enumerate(MARKED):
        value: float | None = getattr(latency.whole.response, name)
        if value is None:
            continue
        at, base = x(value), LINE * (number + 1) - 3
        add(svg, "line", class_=f"at {name}", x1=at, x2=at, y1=base - 9, y2=bottom)
        beside = at < right - 90
        add(
            svg,
            "text",
            f"{name} {duration(value)}",
            class_="" if beside else "end",
            x=at + (5 if beside else -5),
            y=base,
        )


def _described(latency: ScenarioLatency, bins: Sequence[Bin]) -> str:
    fullest = max(bins, key=lambda each: each.iterations)
    return (
        f"{things(latency.whole.answered, 'answered iteration')} in {things(len(bins), 'bin')}. The fullest is "
        f"{duration(fullest.low)} to {duration(fullest.high)}, with {count(fullest.iterations)}. "
        f"{count(latency.whole.unanswered)} without an answer stand apart; {count(latency.whole.failed)} that failed "
        f"are not counted."
    )
