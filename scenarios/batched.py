"""What the tables of tasks hold: counted here row by row, so that the system does not grade itself."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from harness.records.effects import Fact
from harness.records.operations import Iteration

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

RUN, SETTLE, RECONCILE = "run", "settle", "reconcile"
"""The steps of a batch that leave something to count: an item that was done, one that ended otherwise, the batch."""
POST = "account.post"
"""The handler that leaves a row of its own."""
OUT_OF_ORDER = "out of order"
OF_ANOTHER = "of another"
"""Counts outputs that belong to another input, of items whose output may come from a cache."""


@dataclass
class _Entries:
    """The rows that one item's handler left, and the transactions that wrote them."""

    rows: int = 0
    transactions: set[int] = field(default_factory=set)


async def item_facts(connection: "Connection", iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
    """A fact for each item of these iterations' batches that has ended, and for each batch that is closed.

    Four queries, however many iterations of one scenario there are. A fact's values are the state its item ended in,
    the type of error where it failed, whether its output was there already, and whether it is that of another input.
    """
    facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
    if not iterations:
        return facts
    scenario, prefix = iterations[0].scenario, f"{iterations[0].run}.{iterations[0].scenario}."
    entries = await _entries(connection, prefix)
    found = [_of_item(scenario, row, entries.pop((row["workflow_id"], row["key"]), _Entries()), prefix)
             for row in await _items(connection, prefix)]  # fmt: skip
    found += [_stray(scenario, key, left, prefix) for key, left in entries.items()]
    found += await _closed(connection, scenario, prefix)
    for fact in found:
        if fact.iteration in facts:
            facts[fact.iteration].append(fact)
    return facts


async def _items(connection: "Connection", prefix: str) -> list[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT workflow_id, key, handler, items.state, reason, cached, items.xmin::text::bigint AS writer,
               CASE handler
                   WHEN 'dataset.summary' THEN output->>'dataset' IS DISTINCT FROM input->>'dataset'
                   WHEN 'text.checksum' THEN
                       output->>'hexdigest' IS DISTINCT FROM encode(sha256(convert_to(input->>'text', 'UTF8')), 'hex')
               END AS of_another
        FROM task_batches AS batches JOIN task_items AS items ON items.batch_id = batches.id
        WHERE starts_with(workflow_id, $1) AND items.state NOT IN ('waiting', 'running')
        ORDER BY batches.id, items.number
        """,
        prefix,
    )


async def _entries(connection: "Connection", prefix: str) -> dict[tuple[str, str], _Entries]:
    rows = await connection.fetch(
        """
        SELECT workflow_id, item, count(*) AS rows, array_agg(DISTINCT xmin::text::bigint) AS writers
        FROM task_entries WHERE starts_with(workflow_id, $1) GROUP BY workflow_id, item
        """,
        prefix,
    )
    entries: dict[tuple[str, str], _Entries] = defaultdict(_Entries)
    for row in rows:
        entries[row["workflow_id"], row["item"]] = _Entries(row["rows"], set(row["writers"]))
    return entries


def _of_item(scenario: str, row: asyncpg.Record, entries: _Entries, prefix: str) -> Fact:
    done = row["state"] == "done"
    values = {row["state"]: 1, "cached": int(row["cached"])}
    if done and row["of_another"] is not None:
        values[OF_ANOTHER] = int(row["of_another"])
    if row["state"] == "failed":
        values[row["reason"].partition(":")[0]] = 1
    return Fact(
        scenario=scenario,
        iteration=_index(row["workflow_id"], prefix),
        workflow_id=row["workflow_id"],
        step=RUN if done else SETTLE,
        item=row["key"],
        expected=2 if done and row["handler"] == POST else 1,
        found=1 + entries.rows,
        transactions=tuple(sorted({row["writer"]} | entries.transactions)),
        values=values,
    )


def _stray(scenario: str, key: tuple[str, str], entries: _Entries, prefix: str) -> Fact:
    """Rows of an item that has not ended, or that nobody submitted: whoever wrote them had no right to."""
    return Fact(
        scenario=scenario,
        iteration=_index(key[0], prefix),
        workflow_id=key[0],
        step=RUN,
        item=key[1],
        expected=0,
        found=entries.rows,
    )


async def _closed(connection: "Connection", scenario: str, prefix: str) -> list[Fact]:
    """For each batch that says it is closed: by which transaction, and how often an item began before one it needs."""
    rows = await connection.fetch(
        """
        SELECT workflow_id, xmin::text::bigint AS writer, (
            SELECT count(*) FROM task_needs AS needs
            JOIN task_items AS item ON item.batch_id = batches.id AND item.number = needs.item
            JOIN task_items AS needed ON needed.batch_id = batches.id AND needed.number = needs.needed
            WHERE needs.batch_id = batches.id AND item.taken_at IS NOT NULL
            AND (needed.state <> 'done' OR item.taken_at < needed.ended_at)
        ) AS out_of_order
        FROM task_batches AS batches WHERE starts_with(workflow_id, $1) AND closed_at IS NOT NULL
        """,
        prefix,
    )
    return [
        Fact(
            scenario=scenario,
            iteration=_index(row["workflow_id"], prefix),
            workflow_id=row["workflow_id"],
            step=RECONCILE,
            item="",
            expected=0,
            found=0,
            transactions=(row["writer"],),
            values={OUT_OF_ORDER: row["out_of_order"]},
        )
        for row in rows
    ]


def _index(workflow_id: str, prefix: str) -> int:
    return int(workflow_id.removeprefix(prefix).partition(".")[0])
