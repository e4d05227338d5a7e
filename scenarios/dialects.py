"""The ways in which a file of flights is written and packed, and in which a line of it is broken."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping

from scenarios import flights

Row = dict[str, int | str | None]

WRITTEN = ("plain", "crlf", "marked", "quoted", "turned", "unfinished")
"""Plain; with CR LF; with a byte order mark; every value in quotes; columns from last to first; no last line end."""
PACKED = ("plain", "gzip", "zip")


def csv_file(first: int, rows: int, written: str, packed: str) -> bytes:
    """A file with these flights, written and packed in one of the ways above."""
    return _packed(_written(flights.read().slice(first, rows), written), packed)


def _written(text: bytes, how: str) -> bytes:
    match how:
        case "plain":
            return text
        case "crlf":
            return text.replace(b"\n", b"\r\n")
        case "marked":
            return b"\xef\xbb\xbf" + text
        case "unfinished":
            return text.removesuffix(b"\n")
    lines = [line.split(",") for line in text.decode().splitlines()]
    target = io.StringIO(newline="")
    if how == "quoted":
        csv.writer(target, quoting=csv.QUOTE_ALL).writerows(lines)
    else:
        csv.writer(target).writerows(line[::-1] for line in lines)
    return target.getvalue().encode()


def _packed(text: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(text)
    if how == "plain":
        return text
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", text)
    return target.getvalue()


def json_lines(first: int, rows: int, broken: Mapping[int, str]) -> bytes:
    """These flights as JSON lines; `broken` says which of them, from 0, are broken, and in which of the ways below."""
    lines = [
        BROKEN[broken[place]][0](_object(row)) if place in broken else json.dumps(_object(row))
        for place, row in enumerate(flights.read().rows[first : first + rows])
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _object(row: bytes) -> Row:
    names = flights.read().header.decode().split(",")
    texts = {"carrier", "tailnum", "origin", "dest", "time_hour"}
    return {
        name: None if value == "NA" else value if name in texts else int(value)
        for name, value in zip(names, row.decode().split(","), strict=True)
    }


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


BROKEN: dict[str, tuple[Callable[[Row], str], str]] = {
    "cut": (lambda row: json.dumps(row)[:100], "not JSON"),
    "two": (lambda row: f"{json.dumps(row)} {json.dumps(row)}", "not JSON"),
    "array": (lambda row: json.dumps(list(row.values())), "not a JSON object"),
    "blank": (lambda _: "", "blank line"),
    "nested": (lambda row: json.dumps(row | {"origin": {"faa": row["origin"]}}), "origin: nested value"),
    "missing": (lambda row: json.dumps(_without(row, "air_time")), "air_time: no such key"),
    "renamed": (lambda row: json.dumps(_without(row, "dest") | {"to": row["dest"]}), "dest: no such key"),
    "extra": (lambda row: json.dumps(row | {"gate": "A1"}), "a key that is not declared"),
    "twice": (lambda row: '{"hour": 1, ' + json.dumps(row)[1:], "a key more than once"),
    "text": (lambda row: json.dumps(row | {"flight": "1545"}), "flight: not an integer"),
    "fraction": (lambda row: json.dumps(row | {"day": 1.5}), "day: not an integer"),
    "number": (lambda row: json.dumps(row | {"carrier": 9}), "carrier: not a text"),
    "rule": (lambda row: json.dumps(row | {"month": 13}), "month: above 12"),
}
"""How a line is broken → what it is made of, and the reason for which it must be rejected."""
