"""Which rows are deleted once they are old: one rule for each table.

No rule that tells whose a row is deletes any of a workflow that Temporal still has from before the limit (open, or
closed within the namespace's retention and thus still to be reset), that is open now, that has a dead letter which
may still be redriven, or whose order is open. So a rule needs to say only what a table is to those that come later:

    task_needs, task_items, task_batches   of closed batches; the report is in the workflow's result
    task_results     a cache by content: what is missing is computed again, by open batches too
    rejects          of closed loads: an open one counts them when it reconciles
    effects          the ledger: loads and batches count their own when they are reconciled, nobody does after that
    claims           keep late attempts from writing; where a workflow id is used again after all that time, the order,
                     the load and the stocktake are still there, and refuse
    dead_letters     resolved or discarded, and of no other letter that is still open
    dead_letter_digests   all but the one at which the next sweep begins
    purge_held       whose rows stay, as a purge has written it down that did not come to its end
    maintenance_runs, maintenance_counts   what these very workflows leave
    payloads         see `system.payloads.purge`; the limit is put before all that Temporal still has

Never deleted: datasets with their loads, files and chunks (what is loaded is not loaded again), orders, stock, ledger
and outbox, postings of tasks (they are the books), and the record of what operators did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

PAYLOADS = "payloads"
MARGIN = timedelta(days=1)
"""A payload is stored before its workflow is started: by a client whose clock may be another."""
NOT_HELD = "NOT EXISTS (SELECT FROM purge_held AS held WHERE held.purge = $2 AND held.workflow_id = {}.workflow_id)"
"""$2 is the purge: it has written down whose rows stay."""
CLOSED_BATCHES = f"SELECT id FROM task_batches WHERE closed_at < $1 AND {NOT_HELD.format('task_batches')}"  # noqa: S608 constants
CLOSED_LOADS = f"SELECT id FROM loads WHERE closed_at < $1 AND {NOT_HELD.format('loads')}"  # noqa: S608 constants
NEWEST_SWEEP = "SELECT max(swept_until) FROM dead_letter_digests"
OLD_NOT_HELD = NOT_HELD.format("old")


@dataclass(frozen=True)
class Rule:
    """Which rows of a table are old: ``$1`` is the limit, ``$2`` the purge that has written down whose rows stay."""

    table: str
    condition: str


RULES = (
    Rule("task_needs", f"batch_id IN ({CLOSED_BATCHES})"),
    Rule("task_items", f"batch_id IN ({CLOSED_BATCHES})"),
    Rule(
        "task_batches",
        f"closed_at < $1 AND {OLD_NOT_HELD} AND NOT EXISTS (SELECT FROM task_items WHERE batch_id = old.id)",
    ),
    Rule("task_results", "created_at < $1"),
    Rule("rejects", f"load_id IN ({CLOSED_LOADS})"),
    Rule("effects", f"committed_at < $1 AND {OLD_NOT_HELD}"),
    Rule("claims", f"claimed_at < $1 AND {OLD_NOT_HELD}"),
    Rule(
        "dead_letters",
        f"state IN ('resolved', 'discarded') AND recorded_at < $1 AND {OLD_NOT_HELD} AND NOT EXISTS ("
        "SELECT FROM dead_letters AS later WHERE later.redriven_from = old.id AND later.state IN ('open', 'redriven'))",
    ),
    Rule(
        "dead_letter_digests",
        f"taken_at < $1 AND {OLD_NOT_HELD} AND swept_until < ({NEWEST_SWEEP})",
    ),
    Rule("maintenance_counts", f"counted_at < $1 AND {OLD_NOT_HELD}"),
    Rule(
        "purge_held",
        "noted_at < $1 AND NOT EXISTS ("
        "SELECT FROM purge_held AS held WHERE held.purge = $2 AND held.workflow_id = old.purge)",
    ),
    Rule("maintenance_runs", f"recorded_at < $1 AND {OLD_NOT_HELD}"),
)
NAMES = (*(rule.table for rule in RULES), PAYLOADS)


def rule_of(name: str) -> Rule | None:
    """Return the rule of this name; None where this version has none any more."""
    return next((rule for rule in RULES if rule.table == name), None)


def statement(rule: Rule) -> str:
    """Return the SQL that deletes at most ``$3`` rows; those that somebody else holds are left for the next time.

    None where the purge has not written down whose rows stay, or no longer: an attempt that was given up may be late.
    """
    return f"""
        DELETE FROM {rule.table} WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM {rule.table} AS old
            WHERE {rule.condition} AND EXISTS (SELECT FROM purge_held WHERE purge = $2 AND workflow_id = $2)
            LIMIT $3 FOR UPDATE SKIP LOCKED
        ))
    """  # noqa: S608 tables and conditions are those above


def held_by(limit: datetime) -> str:
    """Return the visibility query for the workflows whose rows stay.

    One that continues as new may for a moment be open under no run that visibility knows; so those that did count too.
    """
    return f"ExecutionStatus IN ('Running', 'ContinuedAsNew') OR StartTime < '{limit.isoformat()}'"


def payload_limit(limit: datetime, oldest: datetime | None) -> datetime:
    """Return the time before which nobody needs a payload, given when the oldest began that Temporal still has."""
    return limit if oldest is None else min(limit, oldest - MARGIN)
