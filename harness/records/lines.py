"""Files of lines, of which no more than a part is held in memory."""

from collections.abc import Iterator
from pathlib import Path

BLOCK = 8 * 2**20
"""Bytes that are read at a time."""


def blocks(path: Path) -> Iterator[bytes]:
    """Some whole lines at a time; at the end, whatever comes after the last. Raises OSError."""
    with path.open("rb") as file:
        rest = b""
        while block := file.read(BLOCK):
            whole, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                yield whole + newline
        if rest:
            yield rest


def lines(path: Path) -> Iterator[bytes]:
    """One line after another, each with its newline; none where there is no such file. Raises OSError."""
    if path.exists():
        with path.open("rb") as file:
            yield from file
