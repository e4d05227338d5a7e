"""What workflows spent their time on, as stacked areas: the fastest on the left, the slowest on the right."""

import math
from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from msgspec import Struct

from harness.records.anatomy import Anatomy, Part
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


def stacks(kind: KindAnatomy, number: int, *, width: float = 960) -> str:
    """Runs by percentile, each further nine as wide as the one before, so that the slowest are seen as well.

    A run's column is as high as it took long, in the colours of its parts; the slowest has one of its own.
    `number` is that of the kind on its page.
    """
    left, right, top, bottom = 62.0, width - 14, 14.0, 264.0 if width > 600 else 224.0
    columns = columns_of(kind.runs, COLUMNS if width > 600 else COLUMNS_NARROW)
    x = linear((0, columns[-1].right), (left, right))
    highest = max(column.total for column in columns) or 1e-3
    y = linear((0, highest), (bottom, top))
    svg = drawing(
        f"anatomy-{number}-{width:g}",
        width,
        bottom + 44,
        title=f"What each {kind.type} of {kind.scenario} spent its time on, from the fastest to the slowest",
        description=f"{things(len(kind.runs), 'run')}. {kind.sentence}",
    )
    for tick in even_ticks(highest, 5):
        add(svg, "line", class_="grid", x1=left, x2=right, y1=y(tick), y2=y(tick))
        add(svg, "text", duration(tick), class_="tick end", x=left - 8, y=y(tick) + 4)
    _draw_areas(svg, columns, x, y)
    add(svg, "line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom)
    for percent in MARKED if width > 600 else MARKED_NARROW:
        nine = -math.log10(1 - percent / 100)
        if nine < columns[-1].right - 0.1:
            add(svg, "line", class_="axis", x1=x(nine), x2=x(nine), y1=bottom, y2=bottom + 4)
            add(svg, "text", f"p{percent:g}", class_="tick middle", x=x(nine), y=bottom + 18)
    add(svg, "text", "fastest", class_="tick", x=left, y=bottom + 37)
    add(svg, "text", "slowest", class_="tick end", x=right, y=bottom + 37)
    for column in columns:
        strip = add(
            svg, "rect", class_="hover", x=x(column.left), y=top, width=x(column.right) - x(column.left),
            height=bottom - top,
        )  # fmt: skip
        hint(strip, _told(column))
    return markup(svg)


def columns_of(runs: Sequence[Anatomy], most: int) -> list[Column]:
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


def _draw_areas(svg: Element, columns: Sequence[Column], x: Scale, y: Scale) -> None:
    """An area a part, each upon the one before."""
    floor = [0.0] * len(columns)
    for part in Part:
        ceiling = [below + column.spent[part] for below, column in zip(floor, columns, strict=True)]
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
