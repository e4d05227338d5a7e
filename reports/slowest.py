"""The slowest workflows of a run, with what their activities had to retry."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from msgspec import Struct

from harness.records.anatomy import Part
from harness.records.columns import RUN
from reports.anatomy import WORDS
from reports.figures import share
from reports.webui import WebUI


class Retried(Struct, frozen=True, kw_only=True):
    """Activities of one type that were retried for the same reason."""

    type: str
    activities: int
    attempts: int
    """The most that one of them needed."""
    failure: str | None


class Slow(Struct, frozen=True, kw_only=True):
    """One workflow run, and what was retried in it."""

    workflow_id: str
    link: str
    """Its history in Temporal's UI; empty where the UI's address is not known."""
    type: str
    status: str
    took: float
    """Seconds from its start to its close, by the server's clock."""
    spent: str
    """What most of that was spent on; empty where its anatomy is not known."""
    retries: int
    """Activity attempts beyond the first."""
    retried: tuple[Retried, ...]


def slowest(runs: pl.DataFrame, activities: pl.DataFrame, ui: WebUI, most: int = 10) -> list[Slow]:
    """The closed runs that took longest, longest first. Of one that is still open nobody knows how long it takes."""
    took = (pl.col("closed") - pl.col("started")).alias("took")
    closed = runs.select(RUN, took, "workflow_id").filter(pl.col("took").is_not_null())
    longest = closed.sort("took", "workflow_id", descending=[True, False]).head(most)
    found = longest.join(runs.drop("workflow_id"), on=RUN, maintain_order="left")
    retried = activities.filter(pl.col("attempts") > 1, pl.col(RUN).is_in(found[RUN].implode()))
    return [_slow(row, retried.filter(pl.col(RUN) == row[RUN]), ui) for row in found.iter_rows(named=True)]


def _slow(run: Mapping[str, Any], again: pl.DataFrame, ui: WebUI) -> Slow:
    return Slow(
        workflow_id=run["workflow_id"],
        link=ui.history(run["workflow_id"], run["run_id"]),
        type=run["type"],
        status=run["status"],
        took=run["took"],
        spent=_spent({part: run[part] for part in Part}, run["took"]),
        retries=int((again["attempts"] - 1).sum()),
        retried=_grouped(again),
    )


def _spent(seconds: Mapping[Part, float | None], took: float) -> str:
    known = {part: length for part, length in seconds.items() if length}
    if not known:
        return ""
    part = max(known, key=lambda each: known[each])
    return f"{WORDS[part].name}, {share(known[part], took)}"


def _grouped(again: pl.DataFrame) -> tuple[Retried, ...]:
    groups = again.group_by("type", "last_failure", maintain_order=True).agg(pl.len(), pl.col("attempts").max())
    return tuple(
        Retried(type=name, activities=activities, attempts=attempts, failure=failure)
        for name, failure, activities, attempts in groups.iter_rows()
    )
