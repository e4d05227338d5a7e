"""Which rows are deleted once they are old: one rule for each table.

No rule that tells whose a row is deletes any of a workflow that Temporal still has from before the limit (open, or
closed within the namespace's retention and thus still to be reset), that is open now, or that has a dead letter which
may still be redriven. So a rule needs to say only what a table is to those that come later:

    task_needs, task_items, task_batches   of closed batches; the report is in the workflow's result
    task_results     a cache by content: what is missing is computed again, by open batches too
    rejects          of closed loads: an open one counts them when it reconciles
    effects          the ledger: loads and batches count their own when they are reconciled, nobody does after that
    claims           keep late attempts from writing; where a workflow id is used again after all that time, the order,
                     the load and the stocktake are still there, and refuse
    dead_letters     resolved or discarded, and of no other letter that is still open
    dead_letter_digests   all but the one at which the next sweep begins
    maintenance_runs, maintenance_counts   what these very workflows leave
    payloads         see `system.payloads.purge`; the limit is put before all that Temporal still has

Never deleted: datasets with their loads, files and chunks (what is loaded is not loaded again), orders, stock, ledger
and outbox, postings of tasks (they are the books), and the record of what operators did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

PAYLOADS = "payloads"
MARGIN = timedelta(days=1)
"""A payload is stored before its workflow is started: by a client whose clock may be another."""
CLOSED_BATCHES = "SELECT id FROM task_batches WHERE closed_at < $1 AND workflow_id <> ALL($2::text[])"
CLOSED_LOADS = "SELECT id FROM loads WHERE closed_at < $1 AND workflow_id <> ALL($2::text[])"
NEWEST_SWEEP = "SELECT max(swept_until) FROM dead_letter_digests"
NOT_HELD = "workflow_id <> ALL($2::text[])"


@dataclass(frozen=True)
class Rule:
    """Which rows of a table are old: ``$1`` is the limit, ``$2`` the ids of workflows whose rows stay."""

    table: str
    condition: str


RULES = (
    Rule("task_needs", f"batch_id IN ({CLOSED_BATCHES})"),
    Rule("task_items", f"batch_id IN ({CLOSED_BATCHES})"),
    Rule("task_batches", f"id IN ({CLOSED_BATCHES}) AND NOT EXISTS (SELECT FROM task_items WHERE batch_id = id)"),
    Rule("task_results", "created_at < $1 AND $2::text[] IS NOT NULL"),
    Rule("rejects", f"load_id IN ({CLOSED_LOADS})"),
    Rule("effects", f"committed_at < $1 AND {NOT_HELD}"),
    Rule("claims", f"claimed_at < $1 AND {NOT_HELD}"),
    Rule(
        "dead_letters",
        f"state IN ('resolved', 'discarded') AND recorded_at < $1 AND {NOT_HELD} AND NOT EXISTS ("
        "SELECT FROM dead_letters AS later WHERE later.redriven_from = old.id AND later.state IN ('open', 'redriven'))",
    ),
    Rule(
        "dead_letter_digests",
        f"taken_at < $1 AND {NOT_HELD} AND swept_until < ({NEWEST_SWEEP})",
    ),
    Rule("maintenance_counts", f"counted_at < $1 AND {NOT_HELD}"),
    Rule("maintenance_runs", f"recorded_at < $1 AND {NOT_HELD}"),
)
NAMES = (*(rule.table for rule in RULES), PAYLOADS)


def rule_of(name: str) -> Rule | None:
    """Return the rule of this name; None where this version has none any more."""
    return next((rule for rule in RULES if rule.table == name), None)


def statement(rule: Rule) -> str:
    """Return the SQL that deletes at most ``$3`` rows; those that somebody else holds are left for the next time."""
    return f"""
        DELETE FROM {rule.table} WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM {rule.table} AS old WHERE {rule.condition} LIMIT $3 FOR UPDATE SKIP LOCKED
        ))
    """  # noqa: S608 tables and conditions are those above


def held_by(limit: datetime) -> str:
    """Return the visibility query for the workflows whose rows stay.

    One that continues as new may for a moment be open under no run that visibility knows; so those that did count too.
    """
    return f"ExecutionStatus IN ('Running', 'ContinuedAsNew') OR StartTime < '{limit.isoformat()}'"


def payload_limit(limit: datetime, starts: Iterable[datetime]) -> datetime:
    """Return the time before which nobody needs a payload, given when those that Temporal still has began."""
    return min(limit, *(start - MARGIN for start in starts)) if (starts := tuple(starts)) else limit
