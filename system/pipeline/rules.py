"""The pipeline's decisions: pure, undecorated, and about numbers alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# Each chunk costs the workflow's history three events and its manifest about 250 bytes: both have hard limits
# in Temporal (51,200 events, 2 MB a payload), so that a large file gets larger chunks, not more of them.
MOST_CHUNKS = 2_000
# Each file may end with a chunk that is smaller than the others: at most this many more.
MOST_FILES = 1_000


@dataclass(frozen=True, kw_only=True)
class ChunkCount:
    """What the manifest says was read, and what the database holds, of one chunk."""

    number: int
    source: int
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    claimed: bool


def chunk_size(all_bytes: int, wanted: int) -> int:
    """Return the chunk size to use: at most as wanted and all chunks alike, unless that makes too many of them."""
    chunks = min(MOST_CHUNKS, max(1, -(-all_bytes // wanted)))
    return max(1, -(-all_bytes // chunks))


def content_digest(digests: Iterable[str]) -> str:
    """Return one checksum for many."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def disagreements(counts: Iterable[ChunkCount], files: Sequence[str]) -> list[str]:
    """Name each chunk, and its file, whose rows in the database are not the rows read; empty when all agree."""
    return [
        f"{files[one.source]}, chunk {one.number}: "
        f"read {one.rows_read}, loaded {one.rows_loaded}, rejected {one.rows_rejected}"
        + ("" if one.claimed else ", never loaded")
        for one in counts
        if not one.claimed or one.rows_read != one.rows_loaded + one.rows_rejected
    ]


def column_differences(declared: Mapping[str, str], existing: Mapping[str, str]) -> list[str]:
    """Say how an existing table differs from the declared columns (name → database type)."""
    missing = [f"{name} {kind} is missing" for name, kind in declared.items() if name not in existing]
    extra = [f"{name} is not declared" for name in existing if name not in declared]
    other = [
        f"{name} is {existing[name]}, declared {kind}"
        for name, kind in declared.items()
        if name in existing and existing[name] != kind
    ]
    return missing + extra + other


def sum_reasons(rejects: Mapping[tuple[int, str], int]) -> dict[str, int]:
    """Sum counts by (chunk, reason) over the chunks, the most frequent reason first."""
    totals: Counter[str] = Counter()
    for (_, reason), count in rejects.items():
        totals[reason] += count
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
