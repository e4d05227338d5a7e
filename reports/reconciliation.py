"""The books of a run: what was asked for, beside what the server, the ledger and the business rows hold."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from msgspec import Struct

from harness.records.columns import Frames, Value
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.effects import EffectKind, Fact, Source
from harness.records.operations import Ack, Kind
from harness.records.workflows import Activity, WorkflowRun

REASON = "rejected: "
"""Prefix of the values of a fact that count rejected rows by reason."""


class Starts(Struct, frozen=True, kw_only=True):
    """What callers asked for, and what the server knows of it."""

    asked: int
    acknowledged: int
    refused: int
    unanswered: int
    known: int
    """Acknowledged ones whose workflow the server knows."""


class Workflows(Struct, frozen=True, kw_only=True):
    """What the server knows."""

    runs: int
    by_status: dict[str, int]
    """Most frequent first."""
    attempts: int
    retries: int
    """Activity attempts beyond the first."""


class Ledger(Struct, frozen=True, kw_only=True):
    """What the ledger holds, or the journal. A target without either has none of these."""

    forward: int
    compensations: int
    keys: int
    """Different (workflow, step, item)."""
    retried: int | None
    """Effects committed by an attempt after the first; None where the journal told them, which knows no attempts."""


class Rows(Struct, frozen=True, kw_only=True):
    """What the business rows say, for one scenario."""

    scenario: str
    facts: int
    expected: int
    found: int
    missing: int
    """Rows expected and not found, summed step item by step item: too many of one never make up for another."""
    surplus: int
    """Rows found beyond what was expected, summed likewise."""
    values: dict[str, int]
    """Further counts, summed; without the reasons."""
    reasons: dict[str, int]
    """Rejected rows by reason, most frequent first."""

    @property
    def agree(self) -> bool:
        return not self.missing and not self.surplus


class Books(Struct, frozen=True, kw_only=True):
    """All four beside each other. None where nothing was recorded of it."""

    starts: Starts | None
    workflows: Workflows | None
    ledger: Ledger | None
    rows: tuple[Rows, ...]


class Disagreements(Struct, frozen=True, kw_only=True):
    """What does not agree between the books."""

    by_kind: dict[str, int]
    """Every kind there is, also where nothing is of that kind."""
    wrong: Sequence[Discrepancy]
    """What must not be."""
    unacknowledged: Sequence[Discrepancy]
    """What happened without the caller's knowing, which is nobody's error."""


def disagreements(found: Sequence[Discrepancy]) -> Disagreements:
    """Count and part them."""
    counted = Counter(each.kind for each in found)
    return Disagreements(
        by_kind={kind: counted[kind] for kind in DiscrepancyKind},
        wrong=[each for each in found if each.kind is not DiscrepancyKind.UNACKNOWLEDGED],
        unacknowledged=[each for each in found if each.kind is DiscrepancyKind.UNACKNOWLEDGED],
    )


def books(operations: pl.DataFrame, workflows: Frames, effects: pl.DataFrame, facts: Frames) -> Books:
    """Count everything that one run recorded."""
    return Books(
        starts=_starts(operations, workflows[WorkflowRun]),
        workflows=_workflows(workflows[WorkflowRun], workflows[Activity]),
        ledger=_ledger(effects),
        rows=rows_of(facts),
    )


def rows_of(facts: Frames) -> tuple[Rows, ...]:
    """What the business rows say, scenario by scenario, by name."""
    short = pl.col("expected") - pl.col("found")
    counted = (
        facts[Fact]
        .group_by(pl.col("scenario").cast(pl.String))
        .agg(
            pl.col("expected", "found").sum(),
            facts=pl.len(),
            missing=short.clip(0).sum(),
            surplus=(-short).clip(0).sum(),
        )
    )
    summed = facts[Value].group_by("scenario", "name", maintain_order=True).agg(pl.col("number").sum())
    values: dict[str, dict[str, int]] = defaultdict(dict)
    for scenario, name, number in summed.iter_rows():
        values[scenario][name] = number
    return tuple(_of_scenario(row, values[row["scenario"]]) for row in counted.sort("scenario").iter_rows(named=True))


def _starts(operations: pl.DataFrame, runs: pl.DataFrame) -> Starts | None:
    starts = operations.select("kind", "ack", "workflow_id").filter(pl.col("kind") == Kind.START)
    if starts.is_empty():
        return None
    acknowledged = starts.filter(pl.col("ack") == Ack.OK)
    return Starts(
        asked=len(starts),
        acknowledged=len(acknowledged),
        refused=len(starts.filter(pl.col("ack") == Ack.FAIL)),
        unanswered=len(starts.filter(pl.col("ack") == Ack.INFO)),
        known=len(acknowledged.join(runs, on="workflow_id", how="semi")),
    )


def _workflows(runs: pl.DataFrame, activities: pl.DataFrame) -> Workflows | None:
    if runs.is_empty():
        return None
    attempts = activities["attempts"]
    return Workflows(
        runs=len(runs),
        by_status=dict(runs["status"].value_counts(sort=True).iter_rows()),
        attempts=int(attempts.sum()),
        retries=int((attempts - 1).clip(0).sum()),
    )


def _ledger(effects: pl.DataFrame) -> Ledger | None:
    if effects.is_empty():
        return None
    by_journal = bool((effects["source"] == Source.WAL).any())
    return Ledger(
        forward=len(effects.filter(pl.col("kind") == EffectKind.FORWARD)),
        compensations=len(effects.filter(pl.col("kind") == EffectKind.COMPENSATION)),
        keys=_distinct(effects.select("workflow_id", "step", "item")),
        retried=None if by_journal else int((effects["attempt"] > 1).sum()),
    )


def _distinct(keys: pl.DataFrame) -> int:
    """How many there are; a workflow that is there once need not be compared: of a million that would take room."""
    repeated = keys.filter(pl.col("workflow_id").is_duplicated())
    return keys.height - repeated.height + repeated.unique().height


def _of_scenario(counted: Mapping[str, Any], values: Mapping[str, int]) -> Rows:
    by_name, most_first = sorted(values.items()), Counter(values).most_common()
    return Rows(
        **counted,
        values={name: number for name, number in by_name if not name.startswith(REASON)},
        reasons={name.removeprefix(REASON): number for name, number in most_first if name.startswith(REASON)},
    )
