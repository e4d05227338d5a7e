"""Files of lines, of which no more than a part is held in memory."""

from collections.abc import Iterator
from pathlib import Path

BLOCK = 2 * 2**20
"""Bytes that are read at a time."""


def blocks(path: Path) -> Iterator[bytes]:
    """Some whole lines at a time; the last may be one that was cut off. Raises OSError."""
    with path.open("rb") as file:
        while block := file.read(BLOCK) + file.readline():
            yield block


def lines(path: Path) -> Iterator[bytes]:
    """One line after another, each with its newline; none where there is no such file. Raises OSError."""
    if path.exists():
        with path.open("rb") as file:
            yield from file
