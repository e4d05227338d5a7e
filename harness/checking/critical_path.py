"""What an answer had to wait for: from its end back, always what ended last before the next thing could begin."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from harness.checking.waits import Cause, Wait

CLOCKS = 0.001
"""Seconds by which what ends may seem to end after what it makes begin."""
Span = tuple[float, float]
"""Since and until, in seconds since the Unix epoch."""


def critical_path(waits: Iterable[Wait], since: float, until: float, unanswered: Sequence[Span] = ()) -> list[Wait]:
    """What a time was spent waiting for, from its begin to its end: waits that lie side by side and fill it.

    Walked back from the end: what ended last is what was waited for, and whatever went on beside it held up nobody.
    Where nothing had ended, it is DETECTION within the `unanswered` spans of calls, and OTHER elsewhere.
    """
    path: list[Wait] = []
    now = until
    for wait in sorted(waits, key=lambda each: (-each.until, -each.since)):
        if now <= since:
            break
        if wait.until > now + CLOCKS or wait.since >= now or wait.until <= wait.since:
            continue
        end = max(since, min(now, wait.until))
        path += _gap(end, now, unanswered)
        now = max(since, wait.since)
        if now < end:
            path.append(msgspec.structs.replace(wait, since=now, until=end))
    path += _gap(since, now, unanswered)
    return path[::-1]


def _gap(since: float, until: float, unanswered: Sequence[Span]) -> Iterator[Wait]:
    """Later ones first, as the path is walked."""
    if until <= since:
        return
    edges = {since, until, *(edge for span in unanswered for edge in span if since < edge < until)}
    for right, left in pairwise(sorted(edges, reverse=True)):
        middle = (left + right) / 2
        asked = any(begin <= middle <= end for begin, end in unanswered)
        yield Wait(cause=Cause.DETECTION if asked else Cause.OTHER, since=left, until=right)
