"""A small typed way to draw SVG inside an HTML page: elements, scales, and dots by the thousand in one path."""

import math
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

import polars as pl
from msgspec import Struct

SEEN = 0.8
"""Pixels that the shortest bar is long, so that it can be seen."""


class Scale(Struct, frozen=True):
    """From a domain of values to pixels: of one value when it is called, of a whole column by `column`."""

    domain: tuple[float, float]
    to: tuple[float, float]
    log: bool = False
    """Whether each power of ten is as wide as the next; values below the domain are drawn at its lower end then."""

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        (low, high), (begin, end) = self._ends(), self.to
        at = math.log10(max(value, self.domain[0])) if self.log else value
        return begin + (at - low) / (high - low or 1.0) * (end - begin)

    def column(self, values: pl.Expr) -> pl.Expr:
        """Where each value of a column lies."""
        (low, high), (begin, end) = self._ends(), self.to
        at = values.clip(self.domain[0]).log10() if self.log else values
        return begin + (at - low) / (high - low or 1.0) * (end - begin)

    def _ends(self) -> tuple[float, float]:
        low, high = self.domain
        return (math.log10(low), math.log10(high)) if self.log else (low, high)


def drawing(name: str, width: float, height: float, *, title: str, description: str) -> Element:
    """An empty picture with what a screen reader says of it. `name` must be unique on its page."""
    svg = Element(
        "svg",
        {
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
        },
    )
    add(svg, "title", title, id=f"{name}-title")
    add(svg, "desc", description, id=f"{name}-desc")
    return svg


def add(parent: Element, tag: str, text: str = "", **attributes: str | float) -> Element:
    """Add an element. `class_` and `stroke_width` stand for class and stroke-width; numbers get one decimal."""
    element = SubElement(parent, tag, {_attribute(name): _value(value) for name, value in attributes.items()})
    element.text = text or None
    return element


def hint(element: Element, words: str) -> Element:
    """Words a browser shows while the pointer rests on the element."""
    add(element, "title", words)
    return element


def read_off(svg: Element, places: Iterable[float], top: float, bottom: float) -> None:
    """Note where each row of the table below the picture lies in it, so that a script can tell the row that is near."""
    svg.set("data-at", " ".join(_short(place) for place in places))
    svg.set("data-between", f"{_short(top)} {_short(bottom)}")


def identifier(name: str) -> str:
    """A name as part of an element's id."""
    return "".join(character if character.isalnum() else "-" for character in name)


def markup(svg: Element) -> str:
    """The picture as text to be put into HTML; everything in it is escaped."""
    return tostring(svg, encoding="unicode")


def dots(points: Iterable[tuple[float, float]], grid: float = 0.1) -> str:
    """A path that is a dot at each point, once for points that fall on the same place of a grid of so many pixels."""
    places = {(round(x / grid), round(y / grid)) for x, y in points}
    return "".join(f"M{_short(x * grid)} {_short(y * grid)}h0" for x, y in sorted(places))


def bars(spans: Iterable[tuple[float, float, float]]) -> str:
    """A path of level bars, each (from x, to x, y). Those of one level that touch are drawn as one."""
    columns = dict.fromkeys(("left", "right", "y"), pl.Float64)
    return bars_of(pl.DataFrame(list(spans), schema=columns, orient="row"))


def bars_of(spans: pl.DataFrame) -> str:
    """The same, of columns `left`, `right` and `y`."""
    end = pl.max_horizontal("right", pl.col("left") + SEEN)
    until = pl.col("end").cum_max().shift(1).over("y")
    ordered = spans.with_columns(end=end).sort("y", "left")
    bar = (pl.col("left") > until).fill_null(value=True).cum_sum()
    merged = ordered.group_by(bar.alias("bar"), maintain_order=True).agg(
        pl.col("left").first(), pl.col("y").first(), pl.col("end").max()
    )
    return "".join(f"M{_short(left)} {_short(y)}H{_short(right)}" for _, left, y, right in merged.iter_rows())


def line(points: Sequence[tuple[float, float] | None]) -> str:
    """A path through the points; None lifts the pen."""
    path, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        path.append(f"{pen}{_short(point[0])} {_short(point[1])}")
        pen = "L"
    return "".join(path)


def linear(domain: tuple[float, float], to: tuple[float, float]) -> Scale:
    """A scale from a domain of values to pixels."""
    return Scale(domain, to)


def logarithmic(domain: tuple[float, float], to: tuple[float, float]) -> Scale:
    """A logarithmic scale; values below the domain are drawn at its lower end."""
    return Scale(domain, to, log=True)


def decades(samples: Iterable[float]) -> tuple[tuple[float, float], list[float]]:
    """A logarithmic domain that holds the samples, ending on 1, 2 or 5 of a power of ten, and its ticks."""
    positive = [sample for sample in samples if sample > 0] or [0.01, 1.0]
    steps = [mantissa * 10.0**power for power in range(-7, 7) for mantissa in (1, 2, 5)]
    low = max((step for step in steps if step <= min(positive)), default=steps[0])
    high = min((step for step in steps if step >= max(positive) and step > low), default=steps[-1])
    ticks = [step for step in steps if low <= step <= high]
    if len(ticks) > 7:
        whole = steps[::3]
        ticks = [step for step in ticks if step in whole]
    return (low, high), ticks


def ends_of(samples: pl.Series) -> list[float]:
    """The least that is above zero and the greatest, which is all that an axis has to know; none of no samples."""
    positive = samples.filter(samples > 0)
    return [positive.min(), positive.max()] if len(positive) else []  # type: ignore[list-item]  # of floats


def even_ticks(span: float, most: int) -> list[float]:
    """Round values from 0 up to `span`, at most about `most` of them."""
    if span <= 0:
        return [0.0]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [number * step for number in range(int(span / step + 1e-9) + 1)]


def whole_axis(most: float, ticks: int) -> tuple[float, list[float]]:
    """Where an axis from zero ends that holds `most`, on a round value, and its ticks: about so many."""
    found = even_ticks(most, ticks)
    if found[-1] < most:
        found.append(found[-1] + (found[1] if len(found) > 1 else most))
    return found[-1] or 1.0, found


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else _short(value)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
