"""Small plots of one figure over time, to be set below each other on one scale."""

from collections.abc import Sequence
from itertools import groupby

from harness.records.faults import FaultWindow
from reports.svg import Scale, add, drawing, identifier, line, linear, markup
from reports.timeline import Span

WIDTH, HEIGHT = 300.0, 40.0
EDGE = 3.0
"""Pixels around the plot, so that no line is cut."""

Point = tuple[float, float]


def spark(
    name: str,
    points: Sequence[Point],
    span: Span,
    most: float,
    *,
    windows: Sequence[FaultWindow] = (),
    limit: float | None = None,
    described: str,
) -> str:
    """A line through (moment, value), from zero to `most`; fault windows shaded, a `limit` drawn as a level line."""
    svg = drawing(f"spark-{identifier(name)}", WIDTH, HEIGHT, title=name, description=described)
    x = linear((span.since, span.until), (EDGE, WIDTH - EDGE))
    y = linear((0.0, most), (HEIGHT - EDGE, EDGE))
    for window in windows:
        if span.shows(window):
            left, right = x(max(window.injected, span.since)), x(min(window.healed, span.until))
            add(svg, "rect", class_="fault", x=left, y=0, width=max(1.5, right - left), height=HEIGHT)
    add(svg, "line", class_="axis", x1=EDGE, x2=WIDTH - EDGE, y1=y(0), y2=y(0))
    if limit is not None:
        add(svg, "line", class_="limit", x1=EDGE, x2=WIDTH - EDGE, y1=y(limit), y2=y(limit))
    if len(points) == 1:
        add(svg, "path", class_="dots", d=line([(x(points[0][0]), y(points[0][1]))]) + "h0")
    else:
        add(svg, "path", class_="line spark", d=line([(x(time), y(value)) for time, value in extremes(points, x)]))
    return markup(svg)


def extremes(points: Sequence[Point], x: Scale) -> list[Point]:
    """Of the points, which are in the order of time, all that can be seen: the least and the greatest of each pixel."""
    if len(points) <= 2 * WIDTH:
        return list(points)
    seen: list[Point] = []
    for _, found in groupby(points, key=lambda point: int(x(point[0]))):
        column = list(found)
        seen += sorted({min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1])})
    return seen
