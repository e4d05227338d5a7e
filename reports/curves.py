"""The percentile curve: how long the slowest of ten, of a hundred, of a thousand had to wait."""

import math

import polars as pl

from harness.checking.percentiles import percentile
from harness.checking.responses import answered_times
from reports.figures import duration, things
from reports.latency import ScenarioLatency
from reports.svg import Scale, add, decades, drawing, ends_of, identifier, line, linear, logarithmic, markup, read_off

MARKED = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99)
MARKED_NARROW = (50.0, 90.0, 99.0, 99.9, 99.99)
STEPS = 96


def percentiles_told(total: int) -> list[float]:
    """Those of the marked percentiles that so many iterations can tell, and the longest of all."""
    return [*(percent for percent in MARKED if total * (100 - percent) >= 49), 100.0]


def percentile_curve(latency: ScenarioLatency, *, width: float = 960) -> str:
    """Response and service time by percentile, each further nine as wide as the one before.

    The gap between both is the time by which the caller was late: what a closed loop would have hidden.
    """
    response, service = (answered_times(latency.responses, column).sort() for column in ("time", "service"))
    total = len(response) + latency.whole.unanswered
    left, right, top, bottom = 62.0, width - 14, 14.0, 214.0
    nines = max(1.0, math.log10(2 * total or 1))  # half a rank beyond the last but one: the maximum is on it
    x = linear((math.log10(2), nines), (left, right))
    domain, ticks = decades([*ends_of(response), *ends_of(service)])
    y = logarithmic(domain, (bottom, top))
    svg = drawing(
        f"curve-{identifier(latency.scenario)}-{width:g}",
        width,
        bottom + 44,
        title=f"Response and service time of {latency.scenario} by percentile",
        description=f"{things(total, 'iteration')}. Response time: median {duration(latency.whole.response.p50)}, "
        f"p99 {duration(latency.whole.response.p99)}. Service time: median {duration(latency.whole.service.p50)}, "
        f"p99 {duration(latency.whole.service.p99)}.",
    )
    told = [nines if percent == 100 else -math.log10(1 - percent / 100) for percent in percentiles_told(total)]
    read_off(svg, [x(nine) for nine in told], top, bottom)
    for tick in ticks:
        add(svg, "line", class_="grid", x1=left, x2=right, y1=y(tick), y2=y(tick))
        add(svg, "text", duration(tick), class_="tick end", x=left - 8, y=y(tick) + 4)
    add(svg, "line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom)
    for percent in MARKED if width > 600 else MARKED_NARROW:
        nine = -math.log10(1 - percent / 100)
        if nine <= nines + 0.01:
            at = x(nine)
            add(svg, "line", class_="grid", x1=at, x2=at, y1=top, y2=bottom)
            add(svg, "text", f"p{percent:g}", class_="tick middle", x=at, y=bottom + 18)
    add(svg, "text", "percentile", class_="tick middle", x=(left + right) / 2, y=bottom + 37)
    for name, samples in (("response", response), ("service", service)):
        points = _points(samples, latency.whole.unanswered, nines, x, y)
        add(svg, "path", class_=f"line {name}", d=line(points))
    return markup(svg)


def _points(samples: pl.Series, missing: int, nines: float, x: Scale, y: Scale) -> list[tuple[float, float] | None]:
    points: list[tuple[float, float] | None] = []
    low = math.log10(2)
    for step in range(STEPS + 1):
        nine = low + (nines - low) * step / STEPS
        percent = round(100 * (1 - 10**-nine), 6)
        value = percentile(samples, percent, missing=missing)
        points.append(None if value is None else (x(nine), y(value)))
    return points
