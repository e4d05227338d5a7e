"""What workflows spent their time on, as stacked areas: the fastest on the left, the slowest on the right."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

import polars as pl
from msgspec import Struct

from harness.records.anatomy import Part
from reports.anatomy import WORDS, KindAnatomy, means
from reports.curves import MARKED, MARKED_NARROW
from reports.figures import duration, things
from reports.svg import Scale, add, drawing, even_ticks, hint, linear, markup

COLUMNS, COLUMNS_NARROW = 120, 60
"""So many columns at most: where runs are more, neighbours in length share one, as their mean."""


class Column(Struct, frozen=True, kw_only=True):
    """Some runs next to each other in length, and where they lie."""

    left: float
    right: float
    """In nines: 1 is the ninetieth percentile, 2 the ninety-ninth."""
    runs: int
    spent: dict[Part, float]
    """Seconds on each part, their mean."""

    @property
    def total(self) -> float:
        return sum(self.spent.values())

    @property
    def shares(self) -> dict[Part, float]:
        """What part of its time each part is, from 0 to 1."""
        return {part: seconds / (self.total or 1.0) for part, seconds in self.spent.items()}


LEFT, TOP, HEIGHT, BETWEEN, SHARES = 62.0, 14.0, 210.0, 20.0, 84.0
"""Pixels: of the labels and above; of the seconds; between these and the shares; of the shares."""


def stacks(kind: KindAnatomy, number: int, *, width: float = 960) -> str:
    """Runs by percentile, each further nine as wide as the one before, so that the slowest are seen as well.

    Above, a run's column is as high as it took long, in the colours of its parts; below, all are of one height, so
    that the fast ones are seen beside the slow. `number` is that of the kind on its page.
    """
    columns = columns_of(kind.runs, COLUMNS if width > 600 else COLUMNS_NARROW)
    right, floor, bottom = width - 14, TOP + HEIGHT, TOP + HEIGHT + BETWEEN + SHARES
    highest = max(column.total for column in columns)
    x = linear((0, columns[-1].right), (LEFT, right))
    seconds, shares = linear((0, highest), (floor, TOP)), linear((0, 1), (bottom, bottom - SHARES))
    svg = drawing(
        f"anatomy-{number}-{width:g}",
        width,
        bottom + 44,
        title=f"What each {kind.type} of {kind.scenario} spent its time on, from the fastest to the slowest",
        description=f"{things(len(kind.runs), 'run')}. {kind.sentence}",
    )
    for tick in even_ticks(highest, 5):
        _draw_level(svg, duration(tick), seconds(tick), right)
    _draw_areas(svg, columns, [column.spent for column in columns], x, seconds)
    _draw_areas(svg, columns, [column.shares for column in columns], x, shares)
    for share in (0, 1):
        _draw_level(svg, f"{share:.0%}".replace("%", " %"), shares(share), right)
    _draw_percentiles(svg, columns[-1].right, x, bottom, MARKED if width > 600 else MARKED_NARROW)
    for column in columns:
        strip = add(
            svg, "rect", class_="hover", x=x(column.left), y=TOP, width=x(column.right) - x(column.left),
            height=bottom - TOP,
        )  # fmt: skip
        hint(strip, _told(column))
    return markup(svg)


def columns_of(runs: pl.DataFrame, most: int) -> list[Column]:
    """The runs, from the shortest to the longest, in columns that lie side by side."""
    number = len(runs)
    end = math.log10(2 * number)  # half a rank beyond the last but one, so that the slowest has some width
    ranks = [_rank(end * step / most, number) for step in range(most)]
    return [
        Column(
            left=_nines(first, number, end),
            right=_nines(after, number, end),
            runs=after - first,
            spent=means(runs[first:after]),
        )
        for first, after in pairwise([*dict.fromkeys(ranks), number])
    ]


def _rank(nines: float, number: int) -> int:
    """Which of so many runs lies at a percentile; the small surplus is for what should be a whole rank and is not."""
    return min(number - 1, int(number * (1 - 10**-nines) + 1e-9))


def _nines(rank: int, number: int, end: float) -> float:
    return end if rank == number else -math.log10(1 - rank / number)


def _draw_level(svg: Element, words: str, y: float, right: float) -> None:
    add(svg, "line", class_="grid", x1=LEFT, x2=right, y1=y, y2=y)
    add(svg, "text", words, class_="tick end", x=LEFT - 8, y=y + 4)


def _draw_percentiles(svg: Element, end: float, x: Scale, bottom: float, marked: Sequence[float]) -> None:
    add(svg, "line", class_="axis", x1=x(0), x2=x(end), y1=bottom, y2=bottom)
    for percent in marked:
        nines = -math.log10(1 - percent / 100)
        if nines < end - 0.1:
            add(svg, "line", class_="axis", x1=x(nines), x2=x(nines), y1=bottom, y2=bottom + 4)
            add(svg, "text", f"p{percent:g}", class_="tick middle", x=x(nines), y=bottom + 18)
    add(svg, "text", "fastest", class_="tick", x=x(0), y=bottom + 37)
    add(svg, "text", "slowest", class_="tick end", x=x(end), y=bottom + 37)


def _draw_areas(
    svg: Element, columns: Sequence[Column], heights: Sequence[Mapping[Part, float]], x: Scale, y: Scale
) -> None:
    """An area a part, each upon the one before."""
    floor = [0.0] * len(columns)
    for part in Part:
        ceiling = [below + height[part] for below, height in zip(floor, heights, strict=True)]
        if ceiling != floor:
            area = add(svg, "path", class_=f"part {part}", d=_area(columns, floor, ceiling, x, y))
            hint(area, WORDS[part].name)
        floor = ceiling


def _area(columns: Sequence[Column], floor: Sequence[float], ceiling: Sequence[float], x: Scale, y: Scale) -> str:
    """There along the ceiling, back along the floor, both in level steps."""
    there = [f"L{x(c.left):.1f} {y(high):.1f}H{x(c.right):.1f}" for c, high in zip(columns, ceiling, strict=True)]
    back = [f"L{x(c.right):.1f} {y(low):.1f}H{x(c.left):.1f}" for c, low in zip(columns, floor, strict=True)]
    return "M" + "".join(there)[1:] + "".join(reversed(back)) + "Z"


def _told(column: Column) -> str:
    """What the pointer is told: the parts of this column, the longest first."""
    parts = sorted((each for each in column.spent.items() if each[1] > 0), key=lambda each: -each[1])
    return f"{things(column.runs, 'run')}, {duration(column.total)}: " + ", ".join(
        f"{WORDS[part].name} {duration(spent)}" for part, spent in parts
    )
