"""Where processor time went, from folded stacks: the functions that took most of it, and a flame graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from msgspec import Struct

from reports.svg import add, drawing, hint, markup

FOLDER = "profiles"
MOST_FUNCTIONS = 8
WIDTH, ROW = 1_200.0, 17.0
LEAST_SHOWN = 0.4
"""Pixels; what is narrower is left out of a flame graph."""
PER_LETTER = 6.6
"""Pixels a letter takes."""
WAITING = frozenset(
    {
        "EpollSelector.select (selectors.py)",
        "_PollLikeSelector.select (selectors.py)",
        "SelectSelector.select (selectors.py)",
        "Condition.wait (threading.py)",
        "_worker (concurrent/futures/thread.py)",
    }
)
"""Functions in which a thread waits; it is sometimes taken for one that runs, and there are many of them."""

Stacks = Mapping[tuple[str, ...], int]
"""How often each stack was seen, its frames from the outermost."""


class Function(Struct, frozen=True, kw_only=True):
    name: str
    share: float
    """Of all looks at the process while it ran, those in which this function itself ran: 0 to 1."""


class Profile(Struct, frozen=True, kw_only=True):
    """One process."""

    process: str
    looks: int
    """How often it was seen running; about a hundred are a second of processor time."""
    functions: Sequence[Function]
    link: str
    """Of the flame graph, from the report."""


def read_stacks(path: Path) -> Stacks:
    """The stacks of a file of folded ones. A line that is none is passed over, and so is a thread that waits."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        frames, _, count = line.rpartition(" ")
        stack = tuple(frames.split(";"))
        if frames and count.isdecimal() and stack[-1] not in WAITING:
            stacks[stack] += int(count)
    return stacks


def profiles(directory: Path) -> list[Profile]:
    """The profiles in a run's directory, by process; draws a flame graph beside each."""
    found = []
    for path in sorted((directory / FOLDER).glob("*.folded")):
        stacks = read_stacks(path)
        if stacks:
            picture = path.with_suffix(".svg")
            picture.write_text(flame_graph(stacks, path.stem), encoding="utf-8")
            found.append(_profile(path.stem, stacks, f"{FOLDER}/{picture.name}"))
    return found


def _profile(process: str, stacks: Stacks, link: str) -> Profile:
    own: Counter[str] = Counter()
    for frames, count in stacks.items():
        own[frames[-1]] += count
    looks = own.total()
    return Profile(
        process=process,
        looks=looks,
        functions=[Function(name=name, share=count / looks) for name, count in own.most_common(MOST_FUNCTIONS)],
        link=link,
    )


def flame_graph(stacks: Stacks, process: str) -> str:
    """A picture of its own: each row is what the row below it called, as wide as it was often seen."""
    boxes = list(_boxes(stacks))
    total, depth = sum(stacks.values()), max((level for level, *_ in boxes), default=0) + 1
    height = depth * ROW + 28
    svg = drawing("flames", WIDTH, height, title=process, description=f"{total:,} looks at {process} while it ran")
    svg.set("xmlns", "http://www.w3.org/2000/svg")
    svg.set("font-family", "ui-monospace, Menlo, Consolas, monospace")
    svg.set("font-size", "11")
    add(svg, "rect", width=WIDTH, height=height, fill="#fbfaf8")
    add(svg, "text", f"{process}: {total:,} looks while it ran", x=6, y=18, font_weight="bold")
    for level, name, begin, count in boxes:
        width = WIDTH * count / total
        if width >= LEAST_SHOWN:
            _draw(svg, name, WIDTH * begin / total, height - (level + 1) * ROW, width, f"{count / total:.1%}")
    return markup(svg)


def _draw(svg: Element, name: str, x: float, y: float, width: float, share: str) -> None:
    group = hint(add(svg, "g"), f"{name} {share}")
    add(group, "rect", x=x, y=y, width=max(width - 0.5, 0.3), height=ROW - 1, rx=1.5, fill=_colour(name))
    room = int((width - 6) / PER_LETTER)
    if room >= 3:
        add(group, "text", name if len(name) <= room else name[: room - 1] + "…", x=x + 3, y=y + ROW - 5)


def _boxes(stacks: Stacks, level: int = 0, begin: int = 0) -> Iterator[tuple[int, str, int, int]]:
    """(level, function, looks to the left of it, looks at it) for every frame, callers before what they call."""
    below: dict[str, dict[tuple[str, ...], int]] = {}
    for frames, count in sorted(stacks.items()):
        if frames:
            below.setdefault(frames[0], {})[frames[1:]] = count
    for name, rest in below.items():
        count = sum(rest.values())
        yield level, name, begin, count
        yield from _boxes(rest, level + 1, begin)
        begin += count


def _colour(name: str) -> str:
    """One for each module: warm for ours and theirs alike, told apart by hue."""
    module = name.partition("(")[2].partition("/")[0] or name
    return f"hsl({20 + sum(module.encode()) * 37 % 45} 78% {72 + sum(module.encode()) % 9}%)"
