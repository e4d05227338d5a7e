"""What goes over the wire: one frozen record in, one out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from system.records import Record, Request

WARM_CACHE = "scheduling.WarmCache"
PURGE = "scheduling.Purge"
WARM = "scheduling.warm"
LIST_RULES = "scheduling.list_rules"
PURGE_ROWS = "scheduling.purge_rows"
RECORD_RUN = "scheduling.record_run"

DECLARED = "system.declared"
"""The memo of what a declared schedule starts: the Mark of it."""
DECLARED_BY = "system.declared_by"
"""The memo of a declared schedule: the name of its file."""


class Mark(Record):
    """What a schedule was declared as when it was last made or updated."""

    digest: str
    remaining_actions: int | None = None


class WarmRequest(Request):
    """Load into the cache what is not in it."""

    reason: str = Field(default="", max_length=500)
    """Why, for the record of the run."""


class PurgeRequest(Request):
    """Delete what is older than so many days, and of no workflow that Temporal still has from before."""

    keep_days: int = Field(default=30, ge=2, le=3650)
    batch: int = Field(default=1_000, ge=1, le=10_000)
    """Rows deleted in one transaction."""


class RuleNames(Record):
    """The retention rules of this version, in the order they are applied."""

    rules: tuple[str, ...]


class PurgeRows(Record):
    """Delete by one rule what is older than ``before``."""

    rule: str
    before: datetime
    batch: int


class Counted(Record):
    """How many rows, or values, of each kind."""

    counts: Mapping[str, int]


class Run(Record):
    """A maintenance run that is done."""

    kind: Literal["warm_cache", "purge"]
    scheduled_for: datetime | None
    """When its schedule had it due; None where somebody started it."""
    began_at: datetime
    request: Mapping[str, Any]
    counts: Mapping[str, int]
