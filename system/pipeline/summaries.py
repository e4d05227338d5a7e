"""What a dataset holds, in one line: counted rarely, asked for often, and therefore cached."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from system.cache.entry import Lifetime
from system.records import Record

if TYPE_CHECKING:
    from system.cache.cache import Cache, Warmed
    from system.storage.pool import Pool

KEPT = Lifetime(ttl=600, early=120, negative_ttl=30)
"""A load that is reconciled ends it sooner. Where Redis was away at that moment, ten minutes are the longest a summary
can be out of date in another worker."""


class Summary(Record):
    """What the reconciled loads of a dataset brought."""

    dataset: str
    loads: int
    rows: int
    rows_rejected: int
    newest: datetime
    """When the last of them was reconciled."""


def tag(dataset: str) -> str:
    """What is to be invalidated once rows of the dataset are committed."""
    return f"dataset:{dataset}"


class Summaries:
    """Summaries of datasets, by way of the cache."""

    def __init__(self, database: Pool, cache: Cache) -> None:
        self._database = database
        self._cache = cache
        self._of = cache.cached("summary:{dataset}", KEPT, tags=("dataset:{dataset}",))(self._count)

    async def of(self, dataset: str) -> Summary | None:
        """Return what the dataset holds; None where nothing was ever loaded into it."""
        return await self._of(dataset)

    async def warm(self) -> Warmed:
        """Count every dataset that is not in the cache, so that nobody who asks has to wait."""
        rows = await self._database.fetch("SELECT DISTINCT dataset FROM loads WHERE state = 'reconciled'")
        return await self._cache.warm(self._of.lookup(row["dataset"]) for row in rows)

    async def _count(self, dataset: str) -> Summary | None:
        row = await self._database.fetchrow(
            """
            SELECT count(DISTINCT loads.id) AS loads, coalesce(sum(rows_loaded), 0)::bigint AS rows,
                   coalesce(sum(rows_rejected), 0)::bigint AS rows_rejected, max(closed_at) AS newest
            FROM loads LEFT JOIN chunks ON chunks.load_id = loads.id
            WHERE dataset = $1 AND state = 'reconciled'
            """,
            dataset,
        )
        assert row is not None, "an aggregate has a row"
        return Summary(dataset=dataset, **row) if row["loads"] else None
