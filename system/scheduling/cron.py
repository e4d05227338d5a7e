"""Reads cron expressions and calendar fields as Temporal does, and refuses what it takes but does not mean.

    minute hour day-of-month month day-of-week                 five fields
    minute hour day-of-month month day-of-week year            six: the sixth is the year, and not a second
    second minute hour day-of-month month day-of-week year     seven
    @hourly @daily @midnight @weekly @monthly @yearly @annually

A field is ``*``, or a list of ``5``, ``1-5``, ``1-9/2``, ``*/15`` or ``5/15``; months and days may be named. Where both
the day of the month and the day of the week are restricted, both must fit: other crons want one of them to.
A local time that a change of clocks leaves out does not come that day; one that it brings twice comes once.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
DAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_name)}
LONGEST_MONTHS = {month: 29 if month == 2 else calendar.monthrange(2001, month)[1] for month in range(1, 13)}
SHORTCUTS = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
NUMBER = re.compile(r"\d{1,4}")


@dataclass(frozen=True)
class Field:
    """What a field may hold."""

    name: str
    least: int
    most: int
    names: dict[str, int]

    def values(self, text: str) -> frozenset[int]:
        """Return every value the field's text stands for; raises ValueError."""
        return frozenset(value for start, end, step in self.ranges(text) for value in range(start, end + 1, step))

    def ranges(self, text: str) -> tuple[tuple[int, int, int], ...]:
        """Return (start, end, step) of each part, both ends included.

        Raises:
            ValueError: says what was wrong, and what was expected.

        """
        return tuple(self._range(part) for part in text.split(","))

    def _range(self, part: str) -> tuple[int, int, int]:
        span, slash, step_text = part.partition("/")
        step = self._step(step_text, part) if slash else 1
        if span == "*":
            return self.least, self.most, step
        first, dash, last = span.partition("-")
        start = self._number(first, part)
        if not dash:
            return (start, self.most, step) if slash else (start, start, 1)
        end = self._number(last, part)
        if end < start:
            raise ValueError(f"{self.name} {part!r} ends before it begins: expected, for example, two ranges")
        return start, end, step

    def _number(self, text: str, part: str) -> int:
        if self.names is DAYS and text == "7":
            if part != "7":  # Temporal takes 7 for Sunday, which is 0: "0-7" is Sunday alone
                raise ValueError(f"{self.name} {part!r}: expected 0 or sun for Sunday")
            return 0
        named = [number for name, number in self.names.items() if text.lower() in {name, name[:3]}]
        number = int(text) if NUMBER.fullmatch(text) else next(iter(named), None)
        if number is None or not self.least <= number <= self.most:
            names = f", or a name such as {next(iter(self.names))[:3]}" if self.names else ""
            raise ValueError(f"{self.name} {part!r}: expected {self.least} to {self.most}{names}")
        return number

    def _step(self, text: str, part: str) -> int:
        if not NUMBER.fullmatch(text) or int(text) < 1:
            raise ValueError(f"{self.name} {part!r}: expected a step of 1 or more after the slash")
        return int(text)


SECOND = Field("second", 0, 59, {})
MINUTE = Field("minute", 0, 59, {})
HOUR = Field("hour", 0, 23, {})
DAY_OF_MONTH = Field("day of month", 1, 31, {})
MONTH = Field("month", 1, 12, MONTHS)
DAY_OF_WEEK = Field("day of week", 0, 6, DAYS)
YEAR = Field("year", 2000, 2100, {})
FIVE = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)
FORMS = {5: FIVE, 6: (*FIVE, YEAR), 7: (SECOND, *FIVE, YEAR)}


def check(expression: str) -> None:
    """Make sure that Temporal takes the expression, as what it looks like.

    Raises:
        ValueError: says what was wrong, and what was expected.

    """
    text = expression.strip()
    if text in SHORTCUTS:
        return
    if text.startswith("@every"):
        raise ValueError(f"{text!r}: expected the key `every` of the schedule instead")
    if "TZ=" in text:
        raise ValueError(f"{text!r}: expected the key `time_zone` of the schedule instead")
    if "#" in text:  # Temporal takes what follows for a comment, others for the first Monday and the like
        raise ValueError(f"{text!r}: expected no '#', which would make a comment of the rest")
    fields = text.split()
    form = FORMS.get(len(fields))
    if form is None:
        raise ValueError(f"{text!r} has {len(fields)} fields: expected 5, 6 with a year, 7 with seconds, or @daily")
    read = {field.name: field.values(part) for field, part in zip(form, fields, strict=True)}
    check_days(read[DAY_OF_MONTH.name], read[MONTH.name])


def check_days(days: Iterable[int], months: Iterable[int]) -> None:
    """Make sure that one of the days is in one of the months; raises ValueError."""
    if min(days) > max(LONGEST_MONTHS[month] for month in months):
        raise ValueError("it never comes: none of its months has such a day")
