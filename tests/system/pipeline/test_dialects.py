"""Every way in which a CSV file is written, packed, cut off and broken: what is loaded, rejected, and refused."""

import csv
import gzip
import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_whole import Rows, people, read_whole
from running_system import Write

from system.errors import InputError, SchemaMismatch, SourceMissing, SourceUnreadable
from system.pipeline.schema import Schema

ROWS: Rows = [("Zoë", 3), ("Bob", None)]
TEXT = "name,age\nZoë,3\nBob,\n"
PLAIN = TEXT.encode()
CRLF = TEXT.replace("\n", "\r\n")


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "/"), data)
    return content.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Set the flag that says so, in the member's own header and in the directory's."""
    data = bytearray(archive)
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def broken(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


WRITTEN: dict[str, tuple[bytes, dict[str, Any]]] = {
    "comma": (PLAIN, {}),
    "semicolon": (TEXT.replace(",", ";").encode(), {"delimiter": ";"}),
    "tab": (TEXT.replace(",", "\t").encode(), {"delimiter": "\t"}),
    "pipe, a character of patterns": (TEXT.replace(",", "|").encode(), {"delimiter": "|"}),
    "apostrophe as quote": ("name,age\n'Zoë',3\n'Bob',\n".encode(), {"quote": "'"}),
    "caret as quote, a character of patterns": ("name,age\n^Zoë^,3\n^Bob^,\n".encode(), {"quote": "^"}),
    "every value in quotes": ('"name","age"\n"Zoë","3"\n"Bob",""\n'.encode(), {}),
    "columns in another order": ("age,name\n3,Zoë\n,Bob\n".encode(), {}),
    "no header": ("Zoë,3\nBob,\n".encode(), {"header": False}),
    "latin-1": (TEXT.encode("latin-1"), {"encoding": "latin-1"}),
    "windows-1252": (TEXT.encode("cp1252"), {"encoding": "windows-1252"}),
    "utf-16": (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
    "utf-16-le without a byte order mark": (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "utf-16-be with one that its name excludes": (("\ufeff" + TEXT).encode("utf-16-be"), {"encoding": "utf-16-be"}),
    "utf-8 with a byte order mark": (TEXT.encode("utf-8-sig"), {}),
    "byte order mark, no header": ("Zoë,3\nBob,\n".encode("utf-8-sig"), {"header": False}),
    "CR LF": (CRLF.encode(), {}),
    "LF and CR LF": ("name,age\r\nZoë,3\nBob,\r\n".encode(), {}),
    "no line break at the end": (PLAIN.removesuffix(b"\n"), {}),
    "gzip": (gzip.compress(PLAIN), {}),
    "gzip in two members": (gzip.compress(PLAIN[:12]) + gzip.compress(PLAIN[12:]), {}),
    "gzip of latin-1 with CR LF": (gzip.compress(CRLF.encode("latin-1")), {"encoding": "latin-1"}),
    "gzip with a byte order mark": (gzip.compress(TEXT.encode("utf-8-sig")), {}),
    "zip": (zipped(people=PLAIN), {}),
    "zip with a directory": (zipped(folder_=b"", folder_people=PLAIN), {}),
    "zip of utf-16": (zipped(people=TEXT.encode("utf-16")), {"encoding": "utf-16"}),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_the_same_rows_come_of_every_dialect(name: str, chunk_bytes: int, write: Write) -> None:
    """However it is written and packed, and wherever it is cut."""
    content, declared = WRITTEN[name]
    assert read_whole(write(content), people(**declared), chunk_bytes) == (ROWS, {})


QUOTED: dict[str, tuple[bytes, Rows]] = {
    "line feed": (b'name,age\n"a\nb",1\nc,2\n', [("a\nb", 1), ("c", 2)]),
    "CR LF": (b'name,age\r\n"a\r\nb",1\r\nc,2\r\n', [("a\r\nb", 1), ("c", 2)]),
    "carriage return": (b'name,age\n"a\rb",1\nc,2\n', [("a\rb", 1), ("c", 2)]),
    "nothing but line feeds": (b'name,age\n"\n\n",1\nc,2\n', [(None, 1), ("c", 2)]),
    "at the end of the file": (b'name,age\nc,2\n"a\nb",1', [("c", 2), ("a\nb", 1)]),
    "delimiter and doubled quote": (b'name,age\n"a,""\n""b",1\n', [('a,"\n"b', 1)]),
    "after a quote inside a value": (b'name,age\n"5"" pipe\n",1\nc,2\n', [('5" pipe', 1), ("c", 2)]),
    "in the header": (b'"name","age\n"\n1,2\n', [("1", 2)]),
}


@pytest.mark.parametrize("name", QUOTED)
def test_a_line_break_in_quotes_ends_no_record_wherever_chunks_are_cut(name: str, write: Write) -> None:
    """Every chunk size from one byte to the whole file."""
    content, rows = QUOTED[name]
    path = write(content)
    assert [read_whole(path, people(), size) for size in range(1, len(content) + 1)] == [(rows, {})] * len(content)


REJECTED: dict[str, tuple[bytes, dict[int, str]]] = {
    "a value too few": (b"name,age\nx\na,1\n", {1: "wrong number of fields"}),
    "a value too many": (b"name,age\na,1\nx,2,3\n", {2: "wrong number of fields"}),
    "one too few beside one too many": (b"name,age\nx\na,1\nx,2,3\n", dict.fromkeys((1, 3), "wrong number of fields")),
    "a last line that is cut off": (b"name,age\na,1\nx", {2: "wrong number of fields"}),
    "a last line cut off in its quotes": (b'name,age\na,1\n"x', {2: "bad quoting"}),
    "a quote never closed": (b'name,age\n"x,2\na,1\n', {1: "bad quoting"}),
    "a quote never closed, quoted lines before": (b'name,age\na,1\n"x,2\n', {2: "bad quoting"}),
    "a quote inside a value": (b'name,age\nx"y,2\na,1\n', {1: "bad quoting"}),
    "text behind a quote": (b'name,age\n"x"y,2\na,1\n', {1: "bad quoting"}),
    "a blank line": (b"name,age\n\na,1\n", {1: "blank line"}),
    "a blank line of CR LF": (b"name,age\r\n\r\na,1\r\n", {1: "blank line"}),
    "a blank line at the end": (b"name,age\na,1\n\n", {2: "blank line"}),
    "a NUL": (b"name,age\nx\0,2\na,1\n", {1: "contains a NUL character"}),
    "a text for a number": (b"name,age\nx,two\na,1\n", {1: "age: not an integer"}),
    "a fraction": (b"name,age\nx,2.5\na,1\n", {1: "age: not an integer"}),
    "a number too large": (b"name,age\nx,9223372036854775808\na,1\n", {1: "age: not an integer"}),
}


@pytest.mark.parametrize("name", REJECTED)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_a_broken_row_costs_itself_and_no_other(name: str, chunk_bytes: int, write: Write) -> None:
    """It is rejected with its number and a reason; the row beside it is loaded."""
    content, reasons = REJECTED[name]
    assert read_whole(write(content), people(), chunk_bytes) == ([("a", 1)], reasons)


@pytest.mark.parametrize(
    ("content", "declared"),
    [(b"name,age", {}), (b"name,age\r\n", {}), (b"", {"header": False}), (gzip.compress(b""), {"header": False})],
    ids=["header only", "header only, CR LF", "empty without header", "gzip of nothing without header"],
)
def test_a_file_without_rows_has_none(content: bytes, declared: dict[str, Any], write: Write) -> None:
    """No rows, no rejects, no error."""
    assert read_whole(write(content), people(**declared)) == ([], {})


GZIP, ZIP = gzip.compress(PLAIN), zipped(people=PLAIN)
REFUSED: dict[str, tuple[bytes, dict[str, Any], type[InputError], str]] = {
    "empty": (b"", {}, SourceUnreadable, "is empty: expected a header with name, age"),
    "gzip of nothing": (gzip.compress(b""), {}, SourceUnreadable, "is empty"),
    "a blank line for a header": (b"\nx,1\n", {}, SchemaMismatch, "missing: name, age"),
    "a column missing": (b"name\nx\n", {}, SchemaMismatch, "missing: age"),
    "a column too many": (b"name,age,size\nx,1,2\n", {}, SchemaMismatch, "not declared: size"),
    "a column twice": (b"name,age,age\nx,1,2\n", {}, SchemaMismatch, "more than once: age"),
    "another delimiter": (b"name;age\nx;1\n", {}, SchemaMismatch, "found 1 columns separated by ','"),
    "a header in open quotes": (b'"name,age\nx,1\n', {}, InputError, "header"),
    "not utf-8": ("name,age\nZoë,3\n".encode("latin-1"), {}, SourceUnreadable, "not UTF-8: .* declare its encoding"),
    "a header that is not utf-8": ("namé,age\n".encode("latin-1"), {}, SourceUnreadable, "the header is not utf-8"),
    "utf-16 not declared": (TEXT.encode("utf-16"), {}, SourceUnreadable, "not utf-8"),
    "not the encoding declared": (b"\xff\xfea", {"encoding": "utf-16"}, SourceUnreadable, "not utf-16"),
    "ascii declared, and more in it": (
        "name,age\nZoë,3\n".encode("latin-1"),
        {"encoding": "ascii"},
        SourceUnreadable,
        "not UTF-8",
    ),
    "classic Mac line ends": (b"name,age\rx,1\r", {}, SourceUnreadable, "classic Mac"),
    "classic Mac line ends, no header": (b"x,1\ry,2\r", {"header": False}, SourceUnreadable, "row 1.*carriage return"),
    "gzip cut off": (GZIP[:-9], {}, SourceUnreadable, "corrupt or truncated"),
    "gzip cut off in its header": (GZIP[:5], {}, SourceUnreadable, "corrupt or truncated"),
    "gzip with a wrong checksum": (broken(GZIP, -6), {}, SourceUnreadable, "corrupt or truncated"),
    "gzip with broken content": (broken(GZIP, 12), {}, SourceUnreadable, "corrupt or truncated"),
    "gzip and something behind it": (GZIP + b"more", {}, SourceUnreadable, "corrupt or truncated"),
    "zip cut off": (ZIP[:-30], {}, SourceUnreadable, "corrupt or truncated"),
    "zip with broken content": (broken(ZIP, 40), {}, SourceUnreadable, "corrupt or truncated"),
    "zip of two files": (zipped(a=PLAIN, b=PLAIN), {}, SourceUnreadable, "exactly one file, found: a, b"),
    "zip of no file": (zipped(), {}, SourceUnreadable, "exactly one file, found: none"),
    "zip with a password": (encrypted(ZIP), {}, SourceUnreadable, "encrypted: unpack it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused(name: str, write: Write) -> None:
    """The error says what is wrong with which file, and is of the kind that says what to do."""
    content, declared, kind, message = REFUSED[name]
    path = write(content)
    with pytest.raises(kind, match=message) as raised:
        read_whole(path, people(**declared))
    assert path.name in str(raised.value)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """Nor is what is not there."""
    with pytest.raises(SourceMissing, match="Is a directory"):
        read_whole(tmp_path, people())
    with pytest.raises(SourceMissing, match="No such file"):
        read_whole(tmp_path / "none.csv", people())


CELL = st.lists(
    st.sampled_from(["a", "b", ",", ";", "|", "\t", '"', "'", "\n", "\r\n", " ", "é", "NA"]), max_size=6
).map("".join)


@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=8),
    delimiter=st.sampled_from(",;|\t"),
    quote=st.sampled_from("\"'"),
    always=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n"]),
    finished=st.booleans(),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le"]),
    packed=st.booleans(),
    chunk_bytes=st.integers(1, 80),
)
def test_any_dialect_gives_what_the_csv_module_reads(  # noqa: PLR0917 a dialect is made of as many choices
    rows: list[tuple[str, str]],
    delimiter: str,
    quote: str,
    always: bool,
    ending: str,
    finished: bool,
    header: bool,
    encoding: str,
    packed: bool,
    chunk_bytes: int,
) -> None:
    """Every dialect, encoding and chunk size: the values are the csv module's, trimmed, none of them lost."""
    text = io.StringIO(newline="")
    quoting: Any = csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=ending)
    writer.writerows([("a", "b")] * header + rows)
    whole = text.getvalue() if finished else text.getvalue().removesuffix(ending)
    read = csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter, quotechar=quote)
    expected = [tuple(value.strip() or None for value in row) for row in read][int(header) :]
    schema = Schema.model_validate(
        {
            "dataset": "d",
            "fields": [{"name": "a"}, {"name": "b"}],
            "delimiter": delimiter,
            "quote": quote,
            "header": header,
            "encoding": encoding,
        }
    )
    data = whole.encode(encoding)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "source.csv"
        path.write_bytes(gzip.compress(data) if packed else data)
        assert read_whole(path, schema, chunk_bytes) == (expected, {})
