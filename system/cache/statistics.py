"""Says how well the cache of one process works."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

from system.records import Record

Event: TypeAlias = Literal[
    "hits",
    "negative_hits",
    "misses",
    "loads",
    "early_refreshes",
    "stampedes_avoided",
    "bypassed",
    "errors",
    "invalidations",
]
Counts: TypeAlias = "Counter[Event]"


class Statistics(Record):
    """What the cache of one process did since it was made.

    Each lookup counts as exactly one of hits, negative_hits, misses and bypassed.
    """

    hits: int = 0
    negative_hits: int = 0
    """Lookups answered by "there is none", from the cache."""
    misses: int = 0
    loads: int = 0
    """Loads made for misses, and early refreshes; lookups that bypassed the cache loaded too."""
    early_refreshes: int = 0
    stampedes_avoided: int = 0
    """Misses that got what another caller, here or in another process, was loading already."""
    bypassed: int = 0
    """Lookups made without Redis, as it gave no answer."""
    errors: int = 0
    """Calls to Redis that failed, and values in it that could not be read."""
    invalidations: int = 0
    """Tags invalidated by this process."""
    undelivered: int = 0
    """Tags whose invalidation Redis has not taken yet."""

    @property
    def hit_ratio(self) -> float | None:
        """The part of all lookups, bypassed ones too, that the cache answered; None before the first."""
        served = self.hits + self.negative_hits
        lookups = served + self.misses + self.bypassed
        return served / lookups if lookups else None
