"""Finds where CSV records end, without parsing them."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from mmap import mmap

Span = tuple[int, int]


def multiline_fields(data: bytes | mmap, delimiter: str, quote: str) -> list[Span]:
    """Return the byte ranges of the quoted fields that hold a line break, in order.

    A quote opens a field only at the field's start, as in the csv module: a stray quote inside a field (``5" pipe``)
    must not swallow the rows that follow.
    """
    mark = quote.encode()
    if data.find(mark) == -1:
        return []
    q, d = re.escape(mark), re.escape(delimiter.encode())
    quoted = re.compile(rb"(?:(?<=[\n" + d + rb"])|\A)" + q + rb"(?:[^" + q + rb"]+|" + q + q + rb")*+" + q + rb"?")
    return [match.span() for match in quoted.finditer(data) if b"\n" in match[0]]


class Breaks:
    """The line breaks of ``data`` that end a record."""

    def __init__(self, data: bytes | mmap, delimiter: str, quote: str) -> None:
        self._data = data
        self._fields = multiline_fields(data, delimiter, quote)
        self._starts = [start for start, _ in self._fields]

    def end_of_record(self, position: int) -> int:
        """Return the offset just behind the first record that ends at or after ``position``."""
        while True:
            found = self._data.find(b"\n", position)
            if found == -1:
                return len(self._data)
            inside = self._field_at(found)
            if inside is None:
                return found + 1
            position = inside[1]

    def records(self, start: int, end: int) -> int:
        """Count the records between two record ends; the last needs no line break."""
        if start == end:
            return 0
        lines = self._data[start:end].count(b"\n")
        first, last = bisect.bisect_left(self._starts, start), bisect.bisect_left(self._starts, end)
        inside = sum(self._data[a:b].count(b"\n") for a, b in self._fields[first:last])
        unfinished = self._data[end - 1 : end] != b"\n" or self._field_at(end - 1) is not None
        return lines - inside + unfinished

    def split(self) -> Iterator[bytes]:
        """Yield each record as written, without its line break."""
        start, size = 0, len(self._data)
        while start < size:
            end = self.end_of_record(start)
            record = self._data[start:end]
            # At the end of the data a quoted field may be left open: its last line break belongs to the field.
            closed = self._field_at(end - 1) is None
            yield record.removesuffix(b"\n").removesuffix(b"\r") if closed else record
            start = end

    def _field_at(self, position: int) -> Span | None:
        index = bisect.bisect_right(self._starts, position) - 1
        if index >= 0 and position < self._fields[index][1]:
            return self._fields[index]
        return None


def split_records(data: bytes, delimiter: str, quote: str) -> list[bytes]:
    """Return the records of ``data`` as written, without their line breaks."""
    if quote.encode() in data:
        return list(Breaks(data, delimiter, quote).split())
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines] if b"\r" in data else lines
