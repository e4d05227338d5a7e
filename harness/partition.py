"""Gives each moment of a time to one of the things that went on in it."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from harness.records.anatomy import Part


class Span(NamedTuple):
    """A time in which something went on, in nanoseconds since the Unix epoch."""

    part: Part
    since: int
    until: int


def partition(spans: Iterable[Span], since: int, until: int) -> dict[Part, int]:
    """Nanoseconds of each part between two times, which add up to the time between them.

    A moment in which several spans lie belongs to the part that comes first in `Part`, one in which none lies to
    SERVER. Spans may reach beyond the two times; one that ends before it begins is none.
    """
    edges: list[tuple[int, Part | None, int]] = [(since, None, 0), (until, None, 0)]
    for span in spans:
        begin, end = max(span.since, since), min(span.until, until)
        if begin < end:
            edges += [(begin, span.part, 1), (end, span.part, -1)]
    edges.sort(key=lambda edge: edge[0])
    going_on = dict.fromkeys(Part, 0)
    lengths: dict[Part, int] = {}
    for (at, part, change), (following, _, _) in pairwise(edges):
        if part is not None:
            going_on[part] += change
        if at < following:
            first = next((each for each, number in going_on.items() if number), Part.SERVER)
            lengths[first] = lengths.get(first, 0) + following - at
    return lengths
