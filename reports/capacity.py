"""The search of the knee: response time and answered rate over the rate that was offered."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from msgspec import Struct

from harness.checking.capacity import Capacity, capacity_of, rate_text
from harness.records.steps import Standing, Step
from reports.figures import duration, things
from reports.svg import Scale, add, decades, drawing, hint, line, linear, logarithmic, markup

WORDS = {
    Standing.HOLDS: ("holds", "✓"),
    Standing.BREAKS: ("fails", "✗"),
    Standing.UNCLEAR: ("unknown", "?"),
    Standing.VOID: ("unknown", "?"),
}
"""For each standing, the badge that shows it."""
TOP, MIDDLE, GAP, LOWER = 26.0, 200.0, 34.0, 110.0
"""Pixels: where the upper plot begins and ends, what lies between, how high the lower one is."""


class CapacitySection(Struct, frozen=True, kw_only=True):
    """What the section shows: the steps by their rate, and what they say."""

    capacity: Capacity
    steps: tuple[Step, ...]


def search_of(steps: Sequence[Step]) -> CapacitySection | None:
    """The section of a run's steps; None where none were made."""
    if not steps:
        return None
    return CapacitySection(capacity=capacity_of(steps), steps=tuple(sorted(steps, key=lambda step: step.rate)))


def knee_plot(search: CapacitySection, *, width: float = 960) -> str:
    """Above, the p99 with its interval and its limit; below, what was answered of what was offered."""
    steps, found = search.steps, search.capacity
    left, right, bottom = 62.0, width - 20, MIDDLE + GAP + LOWER
    svg = drawing(
        f"knee-{width:g}",
        width,
        bottom + 44,
        title="Response time and answered rate by offered rate",
        description=f"{things(len(steps), 'rate')} from {rate_text(steps[0].rate)} to {rate_text(steps[-1].rate)}. "
        + found.sentence,
    )
    x = logarithmic((steps[0].rate / 1.15, steps[-1].rate * 1.15), (left, right))
    _knee(svg, x, found, bottom)
    _response(svg, x, steps, (left, right))
    _answered(svg, x, steps, (left, right), bottom)
    last = -100.0
    for step in steps:
        if x(step.rate) - last > 44:
            last = x(step.rate)
            add(svg, "text", rate_text(step.rate), class_="tick middle", x=last, y=bottom + 18)
    add(svg, "text", "offered", class_="tick middle", x=(left + right) / 2, y=bottom + 37)
    return markup(svg)


def _knee(svg: Element, x: Scale, found: Capacity, bottom: float) -> None:
    """The knee as a line; as a band up to the lowest rate that did not hold, for it is somewhere between."""
    if found.knee is None:
        return
    at = x(found.knee)
    if found.beyond is not None:
        add(svg, "rect", class_="fault", x=at, y=TOP, width=x(found.beyond) - at, height=bottom - TOP)
    add(svg, "line", class_="fault-edge", x1=at, x2=at, y1=TOP, y2=bottom)
    add(svg, "text", f"knee {rate_text(found.knee)}", class_="fault-label middle", x=at, y=TOP - 10)


def _response(svg: Element, x: Scale, steps: Sequence[Step], across: tuple[float, float]) -> None:
    limit = steps[0].p99_limit
    seen = [value for step in steps for value in (step.p99, step.p99_low, step.p99_high) if value is not None]
    domain, ticks = decades([*seen, limit])
    y = logarithmic(domain, (MIDDLE, TOP))
    for tick in ticks:
        add(svg, "line", class_="grid", x1=across[0], x2=across[1], y1=y(tick), y2=y(tick))
        add(svg, "text", duration(tick), class_="tick end", x=across[0] - 8, y=y(tick) + 4)
    add(svg, "line", class_="limit", x1=across[0], x2=across[1], y1=y(limit), y2=y(limit))
    for step in steps:
        low, high = step.p99_low or step.p99_high, step.p99_high or domain[1]
        if low is not None:
            bar = add(svg, "path", class_="bar run", d=line([(x(step.rate), y(low)), (x(step.rate), y(high))]))
            hint(bar, f"{rate_text(step.rate)}: {step.reason}")
    add(svg, "path", class_="line p50", d=line([None if s.p99 is None else (x(s.rate), y(s.p99)) for s in steps]))
    for step in steps:
        if step.standing is not Standing.HOLDS:
            at, height = x(step.rate), TOP if step.p99 is None else y(step.p99)
            add(svg, "path", class_="mark", d=f"M{at - 4:.1f} {height - 4:.1f}l8 8m0-8l-8 8")


def _answered(svg: Element, x: Scale, steps: Sequence[Step], across: tuple[float, float], bottom: float) -> None:
    most = max(max(step.rate, step.achieved) for step in steps)
    y = linear((0, most), (bottom, bottom - LOWER))
    for tick in (0.0, most / 2, most):
        add(svg, "line", class_="axis" if not tick else "grid", x1=across[0], x2=across[1], y1=y(tick), y2=y(tick))
        add(svg, "text", rate_text(float(f"{tick:.3g}")), class_="tick end", x=across[0] - 8, y=y(tick) + 4)
    add(svg, "path", class_="line service", d=line([(x(step.rate), y(step.rate)) for step in steps]))
    add(svg, "path", class_="line p50", d=line([(x(step.rate), y(step.achieved)) for step in steps]))
