"""Reads the lines of test_decoding, the plugin that PostgreSQL comes with for its logical decoding."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.errors import HarnessError

QUOTED = r'"[^"]*(?:""[^"]*)*"'
NAME = rf'(?:{QUOTED}|[^\s".:\[\]]+)'
ROW = re.compile(rf"table ({NAME}\.{NAME}): (INSERT|UPDATE|DELETE|TRUNCATE):")
COLUMN = re.compile(
    rf"""\ ({NAME})                                     # its name,
    \[ (?:{QUOTED}|\[\]|[^"\[\]])* \]:                  # its type, of which arrays and odd names have brackets too,
    (?: '([^']*(?:''[^']*)*)' | B'([01]*)' | ([^\s']+)) # and its value: a literal, bits, or a word
    """,
    re.VERBOSE,
)
COMMIT = re.compile(r"COMMIT \d+ \(at ([^)]+)\)")
OLD, NEW, NOTHING = " old-key:", " new-tuple:", " (no-tuple-data)"
NOT_TOLD = "unchanged-toast-datum"
"""In place of a long value that an UPDATE left as it was."""
SHOWN = 200
"""Characters of a line."""

Values = Mapping[str, str | None]
"""Column → value, as PostgreSQL writes it; None for null. A column that is not told is left out."""


class Undecodable(HarnessError):
    """A line that test_decoding is not known to write."""

    def __init__(self, line: str) -> None:
        super().__init__(f"PostgreSQL's journal has a line that cannot be read: {line[:SHOWN]!r}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row that a transaction wrote."""

    table: str
    """With its schema, each quoted where SQL would have them quoted."""
    action: str
    """INSERT, UPDATE, DELETE; or TRUNCATE, which tells of no row."""
    new: Values = field(default_factory=dict)
    """As it is now; of a deleted row, nothing."""
    key: Values = field(default_factory=dict)
    """Of a deleted row, and of one whose key was changed: what identified it before, its primary key as a rule."""


def row_of(line: str) -> Row:
    """What a line that begins with "table" tells. Raises Undecodable."""
    begun = ROW.match(line)
    if begun is None:
        raise Undecodable(line)
    table, action = begun.groups()
    if action == "TRUNCATE":
        return Row(table=table, action=action)
    at = begun.end()
    key: Values = {}
    if line.startswith(OLD, at):
        key, at = _values(line, at + len(OLD))
        if not line.startswith(NEW, at):
            raise Undecodable(line)
        at += len(NEW)
    values, at = ({}, at + len(NOTHING)) if line.startswith(NOTHING, at) else _values(line, at)
    if at != len(line):
        raise Undecodable(line)
    if action == "DELETE":
        return Row(table=table, action=action, key=values)
    return Row(table=table, action=action, new=values, key=key)


def commit_time(line: str) -> float:
    """When a transaction was committed, of which this is the last line: seconds since the Unix epoch."""
    told = COMMIT.fullmatch(line)
    if told is None:
        raise Undecodable(line)
    return datetime.fromisoformat(told[1]).timestamp()


def _values(line: str, at: int) -> tuple[dict[str, str | None], int]:
    """The columns told from there on, and where they end."""
    values: dict[str, str | None] = {}
    while column := COLUMN.match(line, at):
        at = column.end()
        name, literal, bits, word = column.groups()
        if literal is not None:
            values[_plain(name)] = literal.replace("''", "'")
        elif bits is not None:
            values[_plain(name)] = bits
        elif word != NOT_TOLD:
            values[_plain(name)] = None if word == "null" else word
    return values, at


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
