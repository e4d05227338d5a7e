"""Whatever a file is packed in, what comes out is what went in, or an error."""

import gzip
import io
import zipfile
from collections.abc import Callable

import pytest
from running_system import Write

from system.errors import SourceUnreadable
from system.pipeline.packed import BLOCK, CORRUPT, unpacked

LONG = b"".join(b"%d,%d\n" % (number, number * number) for number in range(200_000))
"""More than two blocks."""


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED, before: bytes = b"", extra: bytes = b"") -> bytes:
    """A zip file with one member, which may have an extra field, and something may stand before it."""
    content = io.BytesIO(before)
    content.seek(len(before))
    with zipfile.ZipFile(content, "a", method) as archive:
        member = zipfile.ZipInfo("fólder/a file.csv")
        member.extra = extra
        archive.writestr(member, data, method)
    return content.getvalue()


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "zip": zipped,
    "zip, stored": lambda data: zipped(data, zipfile.ZIP_STORED),
    "zip, by bzip2": lambda data: zipped(data, zipfile.ZIP_BZIP2),
    "zip with an extra field": lambda data: zipped(data, extra=b"\x01\x02\x03\x00abc"),
    "zip behind another": lambda data: zipped(data, before=zipped(b"another")[:-22]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", [b"", b"name\nann\n", LONG], ids=["nothing", "a little", "much"])
def test_what_comes_out_is_what_went_in(way: str, data: bytes, write: Write) -> None:
    """In blocks of which none is empty or too long."""
    blocks = list(unpacked(write(WAYS[way](data))))
    assert b"".join(blocks) == data
    assert all(0 < len(block) <= BLOCK for block in blocks)


@pytest.mark.parametrize("pack", [gzip.compress, zipped], ids=["gzip", "zip"])
def test_a_bit_that_fell_over_is_noticed_or_changes_nothing(pack: Callable[[bytes], bytes], write: Write) -> None:
    """A checksum stands for what is packed; names and times may be anything."""
    data = LONG[:500]
    packed, noticed = pack(data), 0
    for place in range(len(packed)):
        broken = bytearray(packed)
        broken[place] ^= 1 << place % 8
        try:
            found = b"".join(unpacked(write(bytes(broken))))
        except (*CORRUPT, SourceUnreadable, UnicodeDecodeError):
            noticed += 1
        else:
            assert found in (data, broken)  # as it is, where it no longer begins as something packed
    assert noticed > len(packed) // 2
