"""Words that stay words: in an aligned table of a terminal, and in Markdown."""

from collections.abc import Sequence

INERT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "\\\\", "|": "\\|", "`": "\\`"}


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines in which every column begins at the same place; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]


def printable(line: str) -> str:
    """What was recorded must not steer the terminal it is shown on."""
    return "".join(character if character.isprintable() else "?" for character in line)


def inert(words: str) -> str:
    """One line that Markdown shows as it stands, also in a table."""
    return "".join(INERT.get(character, character) for character in printable(" ".join(words.split())))
