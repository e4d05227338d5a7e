"""Unpacks a file, whatever it is packed in, with ISA-L: it takes a third of the time that zlib takes."""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

from isal import igzip, igzip_lib, isal_zlib

from system.errors import SourceUnreadable

BLOCK = 1024 * 1024
GZIP, ZIP, EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
ENCRYPTED = 0x1
"""The bit of a zip member's flags that says so (APPNOTE 4.4.4)."""
LENGTHS_OFFSET, LENGTHS = 26, struct.Struct("<HH")
"""Where a zip member's header has the lengths of its name and extra field; behind these its content begins (4.3.7)."""
_ISAL_ERROR: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stubs say it is an instance
CORRUPT = (zipfile.BadZipFile, gzip.BadGzipFile, struct.error, EOFError, NotImplementedError, _ISAL_ERROR)
"""What is raised where a file is not what its first bytes promise."""


def is_packed(start: bytes) -> bool:
    """Tell from the first four bytes of a file whether it is one that ``unpacked`` unpacks."""
    return start.startswith((GZIP, ZIP, EMPTY_ZIP))


def unpacked(source: Path) -> Generator[bytes, None, None]:
    """Yield what the file holds, unpacked, in blocks of at most 1 MiB.

    Raises:
        SourceUnreadable: a zip file holds no file, or several, or one that is encrypted.
        OSError: it cannot be read.
        CORRUPT: it cannot be unpacked.

    """
    with source.open("rb") as file:
        magic = file.read(4)
    if magic.startswith((ZIP, EMPTY_ZIP)):
        with zipfile.ZipFile(source) as archive:
            yield from _member(source, archive, _only_member(source, archive))
    else:
        with _gunzipped(source) if magic.startswith(GZIP) else source.open("rb", buffering=0) as file:
            yield from _blocks(file)


def _only_member(source: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [one for one in archive.infolist() if not one.is_dir()]
    if len(members) != 1:
        names = ", ".join(one.filename for one in members) or "none"
        raise SourceUnreadable(f"{source} must hold exactly one file, found: {names}", str(source))
    if members[0].flag_bits & ENCRYPTED:
        raise SourceUnreadable(f"{source} is encrypted: unpack it, and load what it holds", str(source))
    return members[0]


def _member(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.compress_type == zipfile.ZIP_DEFLATED:
        return _inflated(source, member)
    return _blocks(archive.open(member))


def _inflated(source: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.header_offset < 0:
        raise zipfile.BadZipFile("its directory leads out of the file")
    inflater, checksum, left = igzip_lib.IgzipDecompressor(), 0, member.compress_size
    with source.open("rb") as file:
        file.seek(member.header_offset + LENGTHS_OFFSET)
        file.seek(sum(LENGTHS.unpack(file.read(LENGTHS.size))), os.SEEK_CUR)
        while not inflater.eof:
            packed = file.read(min(left, BLOCK)) if inflater.needs_input else b""
            if inflater.needs_input and not packed:
                raise EOFError("what was packed does not end")
            left -= len(packed)
            block = inflater.decompress(packed, BLOCK)
            checksum = isal_zlib.crc32(block, checksum)
            if block:  # none where the input only began a code
                yield block
    if checksum != member.CRC:
        raise zipfile.BadZipFile("the checksum is not what was packed")


def _gunzipped(source: Path) -> gzip.GzipFile:
    return igzip.IGzipFile(source)  # type: ignore[no-untyped-call]  # a GzipFile, but for what unpacks


def _blocks(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block
