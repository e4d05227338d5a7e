"""What must become of each flight is worked out here in plain Python, and that agrees with the csv module."""

import csv
import io
import random
import zipfile

import pytest

from scenarios.flights import ROWS, archive, dangling, directory, read


def rows() -> list[list[str]]:
    """The whole file as the csv module reads it, its header first."""
    with zipfile.ZipFile(archive()) as zipped, zipped.open("flights.csv") as file:
        return list(csv.reader(io.TextIOWrapper(file, newline="")))


def keys(dataset: str, column: str) -> set[str]:
    with (directory() / f"{dataset}.csv").open(newline="") as file:
        return {row[column] for row in csv.DictReader(file)}


def test_every_row_is_read() -> None:
    """As many rows as the data set is known to have, each with as many values as the header."""
    assert len(read().rows) == ROWS
    assert {row.count(b",") for row in read().rows} == {read().header.count(b",")}


def test_what_dangles_is_what_the_csv_module_finds() -> None:
    """A row dangles if its carrier, airports or tail number are not in the reference data: stretches and rows."""
    carriers, airports = keys("airlines", "carrier"), keys("airports", "faa")
    tails = keys("planes", "tailnum") | {"NA", ""}
    header, *flights = rows()
    carrier, origin, dest, tail = (header.index(name) for name in ("carrier", "origin", "dest", "tailnum"))

    def expected(first: int, count: int) -> int:
        return sum(
            not (row[carrier] in carriers and row[origin] in airports and row[dest] in airports and row[tail] in tails)
            for row in flights[first : first + count]
        )

    drawn = random.Random(1)
    for count in (*[4_000] * 5, *[1] * 200):
        first = drawn.randrange(ROWS - count)
        assert dangling(first, count) == expected(first, count)
    assert dangling(0, 4_000) > 0


@pytest.mark.parametrize("first", [0, 1234, ROWS - 50])
def test_a_slice_is_a_file_of_its_own(first: int) -> None:
    """A slice holds the header and just these rows, as they stand."""
    text = read().slice(first, 50).decode()
    parsed = list(csv.reader(io.StringIO(text)))
    assert parsed[0] == read().header.decode().split(",")
    assert parsed[1:] == [row.decode().split(",") for row in read().rows[first : first + 50]]
    assert text.endswith("\n")
