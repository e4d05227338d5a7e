"""Finds where records end, without parsing them."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from mmap import mmap

Span = tuple[int, int]


def multiline_fields(data: bytes | mmap, delimiter: str, quote: str) -> list[Span]:
    """Return the byte ranges of the quoted fields that hold a line break, in order.

    An empty ``quote`` stands for a format in which every line break ends a record, as in JSON lines.

    A quote opens a field only at the field's start, as in the csv module, and only where another one closes it: neither
    a stray quote inside a field (``5" pipe``) nor one that is never closed must swallow the rows that follow.
    """
    if not quote or data.find(quote.encode()) == -1:
        return []
    return list(_spans(_quoted_field(delimiter, quote), data, 0))


def has_bare_return(records: bytes, delimiter: str, quote: str) -> bool:
    """Tell whether a carriage return stands outside quotes and before no line break, nor at the end."""
    if b"\r" not in records or records.count(b"\r") == records.count(b"\r\n"):
        return False  # the first question is thirty times cheaper than the other
    return re.search(rb"\r(?![\r\n]|\Z)", _quoted_field(delimiter, quote).sub(b"", records)) is not None


def _quoted_field(delimiter: str, quote: str) -> re.Pattern[bytes]:
    q, d = re.escape(quote.encode()), re.escape(delimiter.encode())
    start = rb"(?:(?<=[\n" + d + rb"])|\A)"
    return re.compile(start + q + rb"(?:[^" + q + rb"]+|" + q + q + rb")*+(?P<close>" + q + rb")?")


def _spans(field: re.Pattern[bytes], data: bytes | mmap, position: int) -> Iterator[Span]:
    for match in field.finditer(data, position):
        if match["close"] is not None:
            if b"\n" in match[0]:
                yield match.span()
            continue
        # Behind it all quotes stand in pairs, each a field closed in itself: this happens once in a file.
        end = data.find(b"\n", match.start())
        if end != -1:
            yield from _spans(field, data, end)
        return


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

    def records(self, start: int, content: bytes) -> int:
        """Count the records of ``content``, whole records of the data from ``start``; the last needs no line break."""
        if not content:
            return 0
        end = start + len(content)
        first, last = bisect.bisect_left(self._starts, start), bisect.bisect_left(self._starts, end)
        inside = sum(self._data[a:b].count(b"\n") for a, b in self._fields[first:last])
        return content.count(b"\n") - inside + (not content.endswith(b"\n"))

    def split(self) -> Iterator[bytes]:
        """Yield each record as written, without its line break."""
        start, size = 0, len(self._data)
        while start < size:
            end = self.end_of_record(start)
            yield self._data[start:end].removesuffix(b"\n").removesuffix(b"\r")
            start = end

    def _field_at(self, position: int) -> Span | None:
        index = bisect.bisect_right(self._starts, position) - 1
        if index >= 0 and position < self._fields[index][1]:
            return self._fields[index]
        return None


def split_records(data: bytes, delimiter: str, quote: str) -> list[bytes]:
    """Return the records of ``data`` as written, without their line breaks."""
    if quote and quote.encode() in data:
        return list(Breaks(data, delimiter, quote).split())
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines] if b"\r" in data else lines
