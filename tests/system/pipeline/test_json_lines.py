"""JSON lines: an object a line with just the declared keys; a line that is none costs itself and no other."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_whole import read_whole
from running_system import App, Write

from system.errors import SourceUnreadable
from system.pipeline import json_lines
from system.pipeline.schema import Schema

FIELDS: list[dict[str, Any]] = [
    {"name": "n", "type": "integer", "maximum": 9},
    {"name": "a text", "column": "t"},
    {"name": "f", "type": "number"},
    {"name": "b", "type": "boolean"},
    {"name": "d", "type": "date"},
]
SCHEMA = Schema.model_validate({"dataset": "d", "format": "jsonl", "null": ["NA"], "fields": FIELDS})
NAMES = [str(field["name"]) for field in FIELDS]
GOOD = b'{"n": 1, "a text": "x", "f": 0.5, "b": true, "d": null}'


def line(**changes: Any) -> bytes:
    return json.dumps(json.loads(GOOD) | changes).encode()


def raw(**changes: str) -> bytes:
    """The good line with values as they are written."""
    values = {"n": "1", "a text": '"x"', "f": "0.5", "b": "true", "d": "null"} | changes
    return ("{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}").encode()


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "blank line"),
    "spaces": (b"  \t", "blank line"),
    "a word": (b"nonsense", "not JSON"),
    "cut off": (GOOD[:-1], "not JSON"),
    "cut off in a string": (GOOD[:16], "not JSON"),
    "two objects": (GOOD + b" " + GOOD, "not JSON"),
    "something behind it": (GOOD + b"x", "not JSON"),
    "a comma behind it": (GOOD + b",", "not JSON"),
    "single quotes": (GOOD.replace(b'"', b"'"), "not JSON"),
    "a control character": (raw(**{"a text": '"x\ty"'}), "not JSON"),
    "half a surrogate pair": (raw(**{"a text": '"\\ud800"'}), "not JSON"),
    "not a number": (raw(f="NaN"), "not JSON"),
    "infinity": (raw(f="-Infinity"), "not JSON"),
    "endless brackets": (b"[" * 100_000, "not JSON"),
    "a number": (b"5", "not a JSON object"),
    "a text": (b'"n"', "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "an array": (b'[1, "x", 0.5, true, null]', "not a JSON object"),
    "an object without keys": (b"{}", "n: no such key"),
    "a key missing": (b'{"n": 1, "a text": "x", "f": 0.5, "d": null}', "b: no such key"),
    "a key too many": (line(z=None), "a key that is not declared"),
    "a key renamed, both null": (b'{"n": 1, "a text": "x", "f": 0.5, "b": true, "e": null}', "d: no such key"),
    "a key twice": (GOOD[:-1] + b', "n": 2}', "a key more than once"),
    "a key twice, once escaped": (GOOD[:-1] + b', "\\u006e": 2}', "a key more than once"),
    "a key twice, with the same value": (GOOD[:-1] + b', "d": null}', "a key more than once"),
    "a nested object": (line(n={"n": 1}), "n: nested value"),
    "a nested array": (line(**{"a text": ["x"]}), "a text: nested value"),
    "an empty array": (line(d=[]), "d: nested value"),
    "a text for an integer": (line(n="1"), "n: not an integer"),
    "a fraction for an integer": (line(n=1.5), "n: not an integer"),
    "a fraction that is whole": (raw(n="1.0"), "n: not an integer"),
    "a boolean for an integer": (line(n=True), "n: not an integer"),
    "an integer too large": (raw(n="9223372036854775808"), "n: not an integer"),
    "an integer of ten thousand digits": (raw(n="9" * 10_000), "n: not an integer"),
    "what means no value in a text": (line(n="NA"), "n: not an integer"),
    "a text for a number": (line(f="0.5"), "f: not a number"),
    "a number too large": (raw(f="1e999"), "f: not a number"),
    "a number of ten thousand digits": (raw(f="9" * 10_000), "f: not a number"),
    "a number for a text": (line(**{"a text": 5}), "a text: not a text"),
    "a boolean for a text": (line(**{"a text": False}), "a text: not a text"),
    "a NUL in a text": (line(**{"a text": "x\0y"}), "a text: contains a NUL character"),
    "a number for a boolean": (line(b=1), "b: not a boolean"),
    "a text for a boolean": (line(b="true"), "b: not a boolean"),
    "a number for a date": (line(d=20200101), "d: not a date"),
    "a text that is no date": (line(d="soon"), "d: not a date"),
    "a rule": (line(n=10), "n: above 9"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_a_broken_line_costs_itself_and_no_other(name: str, chunk_bytes: int, write: Write) -> None:
    """First, in the middle and last: it is rejected with its number and the reason, and its neighbours are loaded."""
    bad, reason = BROKEN[name]
    path = write(b"\n".join([bad, GOOD, bad, GOOD, bad]) + b"\n")
    rows, rejected = read_whole(path, SCHEMA, chunk_bytes)
    assert rows == [(1, "x", 0.5, True, None)] * 2
    assert rejected == dict.fromkeys((1, 3, 5), reason)


WRITTEN: dict[str, tuple[bytes, dict[str, Any]]] = {
    "plain": (GOOD + b"\n" + GOOD + b"\n", {}),
    "no line break at the end": (GOOD + b"\n" + GOOD, {}),
    "CR LF": (GOOD + b"\r\n" + GOOD + b"\r\n", {}),
    "spaces around": (b"  " + GOOD + b" \t\n" + GOOD + b"\n", {}),
    "no spaces": (GOOD.replace(b": ", b":").replace(b", ", b",") + b"\n" + GOOD, {}),
    "keys in another order": (b'{"d":null,"b":true,"f":0.5,"a text":"x","n":1}\n' + GOOD, {}),
    "escapes": (raw(**{"a text": '"\\u0078"'}) + b"\n" + raw(**{"\\u006e": "1"}).replace(b'"n": 1, ', b""), {}),
    "texts to be trimmed": (line(**{"a text": " x "}) + b"\n" + line(**{"a text": "x\n"}), {}),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD, {}),
    "utf-16": ((GOOD + b"\n" + GOOD).decode().encode("utf-16"), {"encoding": "utf-16"}),
    "gzip": (gzip.compress(GOOD + b"\n" + GOOD + b"\n"), {}),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_rows_come_of_every_way_to_write_them(name: str, write: Write) -> None:
    """However the lines are written and packed."""
    content, declared = WRITTEN[name]
    assert read_whole(write(content), SCHEMA.model_copy(update=declared)) == ([(1, "x", 0.5, True, None)] * 2, {})


def test_texts_that_mean_no_value_are_none(write: Write) -> None:
    """The declared ones, the empty one, and null."""
    rows, rejected = read_whole(write(b"\n".join(line(**{"a text": text}) for text in ("NA", "", " ", None))), SCHEMA)
    assert ([row[1] for row in rows], rejected) == ([None] * 4, {})


def test_an_empty_file_has_no_rows(write: Write) -> None:
    """There is no header that could be missing."""
    assert read_whole(write(b""), SCHEMA) == ([], {})


def test_what_is_not_utf8_is_refused(write: Write) -> None:
    """As with CSV: the encoding may be another one for every line."""
    with pytest.raises(SourceUnreadable, match="not UTF-8"):
        read_whole(write(GOOD.replace(b"x", b"\xe9")), SCHEMA)


VALUES = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-9, 9),
        "a text": st.none() | st.text(alphabet='ab"\\\n é{}:,😀', max_size=5),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
        "b": st.none() | st.booleans(),
        "d": st.none() | st.dates().map(str),
    }
)


@given(
    st.lists(VALUES | st.sampled_from([bad for bad, _ in BROKEN.values()]), max_size=8),
    st.booleans(),
    st.integers(1, 200),
)
def test_every_line_is_a_row_or_a_reject(lines: list[dict[str, Any] | bytes], escaped: bool, chunk_bytes: int) -> None:
    """Values are those the json module reads, texts trimmed; wherever chunks are cut and whatever stands between."""
    written = [one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=escaped).encode() for one in lines]
    with TemporaryDirectory() as directory:
        path = Path(directory) / "source.jsonl"
        path.write_bytes(b"".join(one + b"\n" for one in written))
        rows, rejected = read_whole(path, SCHEMA, chunk_bytes)
    good = [one for one in lines if isinstance(one, dict)]
    expected = [
        one | {"a text": (one["a text"] or "").strip() or None, "f": None if one["f"] is None else float(one["f"])}
        for one in good
    ]
    found = [dict(zip(NAMES, row, strict=True)) for row in rows]
    assert [one | {"d": one["d"] and str(one["d"])} for one in found] == expected
    assert sorted(rejected) == [place for place, one in enumerate(lines, start=1) if isinstance(one, bytes)]


def test_only_suspicious_chunks_are_looked_at_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are well, and those the decoder refuses, need no second look; a key that stands twice and a NUL do."""
    looked: list[Sequence[bytes]] = []
    monkeypatch.setattr(json_lines._Reader, "look_closer", lambda _, lines, *__: looked.append(lines))
    escaped = line(**{"a text": 'a "quoted\\" text\\'})
    for lines in ([GOOD, escaped], [BROKEN[name][0] for name in ("cut off in a string", "a key too many")]):
        json_lines.parse(b"\n".join(lines), len(lines), SCHEMA)
    assert looked == []
    for name in ("a key twice", "a NUL in a text"):
        json_lines.parse(BROKEN[name][0], 1, SCHEMA)
        assert looked.pop() == [BROKEN[name][0]]


async def test_json_lines_are_loaded_beside_csv(app: App, write: Write, people: Schema) -> None:
    """Into the same dataset, with the same rules; rejects keep the line as written, and say where it stands."""
    lines = people.model_copy(update={"format": "jsonl"})
    source = write(b'{"name": "ann", "age": 1}\n{"name": "bob", "age": "2"}\n\n{"name": null, "age": 3}\n')
    report = await app.load(source, lines, chunk_bytes=30)
    assert (report.rows_read, report.rows_loaded, report.chunks) == (4, 1, 2)
    assert report.reasons == {"age: not an integer": 1, "blank line": 1, "name: missing": 1}
    await app.load(write(b"name,age\neve,5\n"), people)
    loaded = await app.database.fetch("SELECT name, age FROM datasets.people ORDER BY age")
    assert [tuple(row) for row in loaded] == [("ann", 1), ("eve", 5)]
    rejects = await app.database.fetch("SELECT file, row_number, raw FROM rejects ORDER BY row_number")
    assert [tuple(row) for row in rejects] == [
        (str(source), 2, '{"name": "bob", "age": "2"}'),
        (str(source), 3, ""),
        (str(source), 4, '{"name": null, "age": 3}'),
    ]
