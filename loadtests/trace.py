"""A recorded trace: arrivals at the very times that a file lists."""

import csv
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from random import Random

WINDOW = 1.0
"""Seconds over which the rate of a trace is told: half before the moment, half after it."""


@dataclass(frozen=True)
class Trace:
    """Arrivals read from a file; those past `duration` are left out. They are the same for every seed."""

    spec: str
    duration: float
    recorded: tuple[float, ...] = field(repr=False)
    """Seconds from the start, in order, all before `duration`."""

    @property
    def expected(self) -> float:
        """How many there are."""
        return len(self.recorded)

    @cached_property
    def highest(self) -> float:
        """The most within any second, in arrivals a second."""
        return (
            max(bisect_left(self.recorded, time + WINDOW) - index for index, time in enumerate(self.recorded)) / WINDOW
        )

    def rate_at(self, seconds: float) -> float:
        """Arrivals a second around this moment, over as much of a second as lies within the duration."""
        begin, end = max(0.0, seconds - WINDOW / 2), min(self.duration, seconds + WINDOW / 2)
        if begin >= end:
            return 0.0
        return (bisect_left(self.recorded, end) - bisect_left(self.recorded, begin)) / (end - begin)

    def times(self, rng: Random) -> list[float]:  # noqa: ARG002 - what was recorded is not drawn
        """The recorded times."""
        return list(self.recorded)


def read(path: Path, most: int) -> list[float]:
    """The times in the first column of a CSV file, one a line, in seconds from the start; empty lines are passed over.

    Raises ValueError, with the line, where one is no time, is before the one above it, or where there are none or
    more than `most`.
    """
    try:
        # Spreadsheets write a mark of their own first.
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        message = f"the trace {path} cannot be read: {error}"
        raise ValueError(message) from error
    times: list[float] = []
    rows = csv.reader(lines)
    try:
        for row in rows:
            if not any(map(str.strip, row)):
                continue
            time = _seconds(row[0], f"{path}, line {rows.line_num}")
            if times and time < times[-1]:
                message = f"{path}, line {rows.line_num}: {time:g} s comes after {times[-1]:g} s: a trace is sorted"
                raise ValueError(message)
            times.append(time)
    except csv.Error as error:
        message = f"{path}, line {rows.line_num}: {error}"
        raise ValueError(message) from error
    if not 1 <= len(times) <= most:
        message = f"{path} holds {len(times):,} arrivals; it must be between 1 and {most:,}"
        raise ValueError(message)
    return times


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        message = (
            f"{where}: {text[:40]!r} is no number of seconds; a trace has one a line, from the start, and no heading"
        )
        raise ValueError(message) from None
    if not (isfinite(seconds) and seconds >= 0):
        message = f"{where}: {text} is no time from the start on"
        raise ValueError(message)
    return seconds
