"""Record ends are found where the csv module finds them."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.errors import SourceUnreadable
from system.pipeline.manifest import Content, Source, cut
from system.pipeline.records import split_records
from system.pipeline.schema import Schema

CELL = st.lists(st.sampled_from(["a", "b", ",", '"', "\n", "\r\n", " ", ";", "é"]), max_size=6).map("".join)
ROWS = st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=12)
SCHEMA = Schema.model_validate({"dataset": "d", "header": False, "fields": [{"name": "a"}]})


def written(rows: list[list[str]], ending: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending).writerows(rows)
    return text.getvalue().encode()


def content(path: Path, chunk_bytes: int) -> Content:
    return cut(Source(number=0, name="source.csv", path=path), SCHEMA, chunk_bytes)


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 40))
def test_chunks_are_the_file_and_hold_its_records(
    rows: list[list[str]], ending: str, finished: bool, chunk_bytes: int
) -> None:
    """Chunks in order are the file, and each parses to whole records of it; the counts are the csv module's."""
    data = written(rows, ending)
    data = data if finished else data.removesuffix(ending.encode())
    with TemporaryDirectory() as directory:
        path = Path(directory) / "source.csv"
        path.write_bytes(data)
        chunks = content(path, chunk_bytes).chunks
    parts = [data[chunk.offset : chunk.offset + chunk.length] for chunk in chunks]
    assert b"".join(parts) == data
    assert [row for part in parts for row in parsed(part)] == rows
    assert [chunk.rows for chunk in chunks] == [len(parsed(part)) for part in parts]
    assert [chunk.first_row for chunk in chunks] == [
        1 + sum(chunk.rows for chunk in chunks[:index]) for index in range(len(chunks))
    ]


@given(st.text(alphabet='a,"\n', max_size=40))
def test_any_text_is_cut_into_records_that_make_it_up(text: str) -> None:
    """However broken the quoting, the chunks are the file and each has as many records as it splits into."""
    data = text.encode()
    with TemporaryDirectory() as directory:
        path = Path(directory) / "source.csv"
        path.write_bytes(data)
        chunks = content(path, 5).chunks
    parts = [data[chunk.offset : chunk.offset + chunk.length] for chunk in chunks]
    assert b"".join(parts) == data
    assert [chunk.rows for chunk in chunks] == [len(split_records(part, ",", '"')) for part in parts]


def test_a_quote_that_is_never_closed_takes_its_own_line_only() -> None:
    """Its line is a record of its own, wherever chunks are cut; fields that are closed keep their breaks."""
    data = b'1,"a\nb"\n2,"open\n3,""\n4,x""y\n5,z\n'
    lines = [b'1,"a\nb"', b'2,"open', b'3,""', b'4,x""y', b"5,z"]
    assert split_records(data, ",", '"') == lines
    with TemporaryDirectory() as directory:
        path = Path(directory) / "source.csv"
        path.write_bytes(data)
        chunks = content(path, 1).chunks
    assert [chunk.rows for chunk in chunks] == [1] * len(lines)


@pytest.mark.parametrize("data", [b"a\rb\rc\r", b'"x\ry"\r\na\r\nb\rc\n'])
def test_bare_carriage_returns_are_refused(data: bytes, tmp_path: Path) -> None:
    """Other readers end a record there: the rows behind would be lost in the one before."""
    path = tmp_path / "source.csv"
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable, match=r"row (1|3).*carriage return"):
        content(path, 1)


def test_carriage_returns_in_quotes_and_before_a_line_break_are_no_line_ends(tmp_path: Path) -> None:
    """They are part of the value, or of the line's end."""
    path = tmp_path / "source.csv"
    path.write_bytes(b'"a\rb"\r\nb\r\r\nc\r')
    chunks = content(path, 1).chunks
    assert [chunk.rows for chunk in chunks] == [1, 1, 1]


def test_a_stray_quote_does_not_swallow_the_rows_that_follow() -> None:
    """A quote inside a field opens nothing."""
    assert split_records(b'1,5" pipe\n2,x\n3,"a\nb"\n', ",", '"') == [b'1,5" pipe', b"2,x", b'3,"a\nb"']
