"""The pipeline's decisions."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from system.pipeline.rules import (
    MOST_CHUNKS,
    ChunkCount,
    chunk_size,
    column_differences,
    content_digest,
    disagreements,
    sum_reasons,
)


@given(st.integers(0, 10**14), st.integers(1, 10**9))
def test_a_large_file_gets_larger_chunks_not_more(file_bytes: int, wanted: int) -> None:
    """Never more than fit a workflow's history; larger than wanted only where there would be more."""
    size = chunk_size(file_bytes, wanted)
    assert isinstance(size, int)
    assert file_bytes <= size * MOST_CHUNKS
    assert 1 <= size <= wanted or file_bytes > (size - 1) * MOST_CHUNKS


@given(st.integers(1, 10**14), st.integers(1, 10**9))
def test_chunks_are_alike(file_bytes: int, wanted: int) -> None:
    """There are no more than chunks of the wanted size would be, and no smaller size would make as few."""
    size = chunk_size(file_bytes, wanted)
    chunks = -(-file_bytes // size)
    assert chunks <= -(-file_bytes // wanted)
    assert (size - 1) * min(MOST_CHUNKS, -(-file_bytes // wanted)) < file_bytes


def test_chunks_that_do_not_add_up_are_named() -> None:
    """A lost row, a doubled row and an unclaimed chunk are found, with their files; a good chunk is not."""
    counts = [
        ChunkCount(number=0, source=0, rows_read=3, rows_loaded=2, rows_rejected=1, claimed=True),
        ChunkCount(number=1, source=0, rows_read=3, rows_loaded=2, rows_rejected=0, claimed=True),
        ChunkCount(number=2, source=1, rows_read=3, rows_loaded=6, rows_rejected=0, claimed=True),
        ChunkCount(number=3, source=1, rows_read=0, rows_loaded=0, rows_rejected=0, claimed=False),
    ]
    assert disagreements(counts, ["a.csv", "b.csv"]) == [
        "a.csv, chunk 1: read 3, loaded 2, rejected 0",
        "b.csv, chunk 2: read 3, loaded 6, rejected 0",
        "b.csv, chunk 3: read 0, loaded 0, rejected 0, never loaded",
    ]


def test_reasons_are_summed_over_chunks_most_frequent_first() -> None:
    """Ties stand in the order of the alphabet."""
    assert list(sum_reasons({(1, "c"): 3, (0, "b"): 1, (1, "b"): 2, (0, "a"): 1}).items()) == [
        ("b", 3),
        ("c", 3),
        ("a", 1),
    ]


def test_columns_are_compared_by_name_and_type() -> None:
    """Each difference is said once; the order of columns is none."""
    assert column_differences({"a": "text", "b": "bigint"}, {"b": "bigint", "a": "text"}) == []
    assert column_differences({"a": "text", "b": "bigint"}, {"b": "text", "c": "text"}) == [
        "a text is missing",
        "c is not declared",
        "b is text, declared bigint",
    ]


def test_a_digest_tells_contents_apart() -> None:
    """The same chunks give the same digest in every version, in another order another one."""
    assert content_digest(["a", "b"]) == content_digest(iter(["a", "b"]))
    assert content_digest(["a", "b"]) != content_digest(["b", "a"])
    assert content_digest(["a", "b"]) == sha256(b"ab").hexdigest()
