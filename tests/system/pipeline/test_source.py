"""Sources are read whatever they are packed and encoded in."""

import gzip
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from running_system import Write

from system.errors import SchemaMismatch, SourceMissing, SourceUnreadable
from system.pipeline.schema import Schema
from system.pipeline.source import decode, is_plain, read_header

TEXT = "name,age\nZoë,3\n"


def schema(**changes: Any) -> Schema:
    fields = [{"name": "name"}, {"name": "age", "type": "integer"}]
    return Schema.model_validate({"dataset": "people", "fields": fields} | changes)


def zipped(**members: bytes) -> bytes:
    """An archive; the same one whenever it is made, because tests are known by it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def test_only_plain_utf8_is_read_in_place(write: Write) -> None:
    """Everything else is decoded into the work directory first."""
    assert is_plain(write(TEXT.encode()), schema())
    assert not is_plain(write(TEXT.encode("utf-8-sig")), schema())
    assert not is_plain(write(gzip.compress(b"")), schema())
    assert not is_plain(write(b""), schema(encoding="latin-1"))


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (gzip.compress(TEXT.encode(), mtime=0)[:-9], "utf-8", "truncated"),
        (zipped(one=b"x" * 999)[:-30], "utf-8", "corrupt"),
        (zipped(one=b"", two=b""), "utf-8", "exactly one file, found: one, two"),
        (b"\xff\xfea", "utf-16", "not utf-16"),
    ],
)
def test_what_cannot_be_read_is_said_and_leaves_nothing(
    content: bytes, encoding: str, message: str, write: Write, tmp_path: Path
) -> None:
    """A corrupt source is an error that says why, and no partial file stays."""
    target = tmp_path / "work" / "decoded.csv"
    with pytest.raises(SourceUnreadable, match=message):
        decode(write(content), schema(encoding=encoding), target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [TEXT.encode(), gzip.compress(TEXT.encode(), mtime=0), zipped(one=TEXT.encode("utf-8-sig"))],
    ids=["plain", "gzip", "zip with a byte order mark"],
)
def test_a_text_has_one_checksum_however_it_is_packed(content: bytes, write: Write, tmp_path: Path) -> None:
    """It is that of what was written, by which a file is known."""
    sha256 = decode(write(content), schema(), tmp_path / "decoded.csv")
    assert (tmp_path / "decoded.csv").read_text() == TEXT
    assert sha256 == hashlib.sha256(TEXT.encode()).hexdigest()


def test_missing_file_and_unknown_encoding(write: Write, tmp_path: Path) -> None:
    """Both are told apart from an unreadable source."""
    with pytest.raises(SourceMissing, match="No such file"):
        read_header(tmp_path / "none.csv", schema())
    with pytest.raises(SchemaMismatch, match="klingon"):
        read_header(write(b""), schema(encoding="klingon"))


@pytest.mark.parametrize("encoding", ["base64", "rot13", "\0", "undefined"])
def test_what_is_no_text_encoding_is_unknown(encoding: str, write: Write) -> None:
    """Codecs that Python knows but that make no text of bytes are refused as well."""
    with pytest.raises(SchemaMismatch, match="encoding"):
        read_header(write(b"name,age\n"), schema(encoding=encoding))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,age\ra,1\rb,2\r", "classic Mac"),
        (b"name,age\ra,1\nb,2\n", "classic Mac"),
        (b'name,"' + b"x" * 200_000 + b'"\n', "field limit"),
        (b"", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
    ],
)
def test_a_header_that_cannot_be_read_is_said(content: bytes, message: str, write: Write) -> None:
    """Rows that hang on to the header are not swallowed; endless and absent headers have messages of their own."""
    with pytest.raises(SourceUnreadable, match=message):
        read_header(write(content), schema())


def test_an_empty_file_without_a_header_has_no_rows(write: Write) -> None:
    """Nothing is missing where no header is declared."""
    assert read_header(write(b""), schema(header=False)) == ("name", "age")


def test_header_may_stand_in_any_order_but_must_be_whole(write: Write) -> None:
    """The file's own order is returned; missing and undeclared columns are named."""
    assert read_header(write(b' age ,"name"\r\n1,x'), schema()) == ("age", "name")
    with pytest.raises(SchemaMismatch, match=r"missing: age; not declared: size"):
        read_header(write(b"name,size\n"), schema())
    with pytest.raises(SchemaMismatch, match="found 1 columns separated by ','"):
        read_header(write(b"name;age\n"), schema())
