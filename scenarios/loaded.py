"""What the pipeline's tables hold: counted here row by row, so that the system does not grade itself."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from harness.records.effects import Fact
from harness.records.operations import Iteration

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]


LOAD_CHUNK, RECONCILE = "load_chunk", "reconcile"
"""The steps of the pipeline that leave something to count."""


@dataclass
class _Counted:
    """The rows of one chunk: how many, which and why of those rejected, and the transactions that wrote all of it."""

    loaded: int = 0
    rejected_rows: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    transactions: set[int] = field(default_factory=set)

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())


async def chunk_facts(connection: "Connection", iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
    """A fact for each chunk that these iterations of one scenario loaded, or had to; by iteration index.

    Three queries, and one for each data set, however many iterations there are.
    """
    facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
    if not iterations:
        return facts
    prefix = f"{iterations[0].run}.{iterations[0].scenario}."
    due = await _due(connection, prefix)
    counted = await _count(connection, due)
    for chunk in due:
        index = _index(chunk["workflow_id"], prefix)
        if index not in facts:
            continue
        rows = counted[chunk["load_id"], chunk["number"]]
        facts[index].append(
            Fact(
                scenario=iterations[0].scenario,
                iteration=index,
                workflow_id=chunk["workflow_id"],
                step=LOAD_CHUNK,
                item=str(chunk["number"]),
                expected=chunk["rows_read"],
                found=rows.loaded + rows.rejected,
                transactions=tuple(sorted(rows.transactions)),
                values={
                    "read": chunk["rows_read"],
                    "loaded": rows.loaded,
                    "rejected": rows.rejected,
                    "sum of rejected row numbers": rows.rejected_rows,
                    **{f"rejected: {why}": n for why, n in rows.reasons.items()},
                },
            )
        )
    for fact in await _reconciled(connection, iterations[0], prefix):
        if fact.iteration in facts:
            facts[fact.iteration].append(fact)
    facts[iterations[0].index] += await _orphans(connection, iterations[0], {chunk["dataset"] for chunk in due})
    return facts


async def _reconciled(connection: "Connection", iteration: Iteration, prefix: str) -> list[Fact]:
    """For each load that says it is reconciled: the transaction in which it came to say so, which leaves no row.

    And how many files it had, and of how many it says that they are skipped.
    """
    rows = await connection.fetch(
        """
        SELECT workflow_id, xmin::text::bigint AS writer,
               (SELECT count(*) FROM files WHERE load_id = loads.id) AS files,
               (SELECT count(*) FROM files WHERE load_id = loads.id AND state = 'skipped') AS skipped
        FROM loads
        WHERE starts_with(workflow_id, $1) AND state = 'reconciled'
        """,
        prefix,
    )
    return [
        Fact(
            scenario=iteration.scenario,
            iteration=_index(row["workflow_id"], prefix),
            workflow_id=row["workflow_id"],
            step=RECONCILE,
            item="",
            expected=0,
            found=0,
            transactions=(row["writer"],),
            values={"files": row["files"], "skipped": row["skipped"]},
        )
        for row in rows
    ]


def _index(workflow_id: str, prefix: str) -> int:
    return int(workflow_id.removeprefix(prefix).partition(".")[0])


async def _due(connection: "Connection", prefix: str) -> list[asyncpg.Record]:
    """The chunks that must be there: those claimed, and all those of a load that says it is reconciled."""
    return await connection.fetch(
        """
        SELECT loads.workflow_id, loads.dataset, load_id, number, manifest.rows_read,
               chunks.id AS chunk_id, chunks.xmin::text::bigint AS writer
        FROM loads JOIN manifest ON manifest.load_id = loads.id LEFT JOIN chunks USING (load_id, number)
        WHERE starts_with(loads.workflow_id, $1) AND (chunks.id IS NOT NULL OR loads.state = 'reconciled')
        ORDER BY load_id, number
        """,
        prefix,
    )


async def _count(connection: "Connection", due: Iterable[asyncpg.Record]) -> dict[tuple[int, int], _Counted]:
    counted: dict[tuple[int, int], _Counted] = defaultdict(_Counted)
    for chunk in due:
        if chunk["writer"] is not None:
            counted[chunk["load_id"], chunk["number"]].transactions.add(chunk["writer"])
    places = {chunk["chunk_id"]: (chunk["load_id"], chunk["number"]) for chunk in due if chunk["chunk_id"]}
    for dataset in {chunk["dataset"] for chunk in due}:
        rows = await connection.fetch(
            f"""
            SELECT _chunk, count(*) AS rows, array_agg(DISTINCT xmin::text::bigint) AS transactions
            FROM datasets."{dataset}" WHERE _chunk = ANY($1) GROUP BY _chunk
            """,  # noqa: S608  # the name was read from the system's own table
            list(places),
        )
        for row in rows:
            of_chunk = counted[places[row["_chunk"]]]
            of_chunk.loaded += row["rows"]
            of_chunk.transactions |= set(row["transactions"])
    rejects = await connection.fetch(
        """
        SELECT load_id, chunk, reason, count(*) AS rows, sum(row_number)::bigint AS places,
               array_agg(DISTINCT xmin::text::bigint) AS transactions
        FROM rejects WHERE load_id = ANY($1) GROUP BY load_id, chunk, reason
        """,
        list({chunk["load_id"] for chunk in due}),
    )
    for row in rejects:
        of_chunk = counted[row["load_id"], row["chunk"]]
        of_chunk.reasons[row["reason"]] = row["rows"]
        of_chunk.rejected_rows += row["places"]
        of_chunk.transactions |= set(row["transactions"])
    return counted


async def _orphans(connection: "Connection", iteration: Iteration, datasets: set[str]) -> list[Fact]:
    """Rows and rejects that belong to no chunk at all: whoever wrote them had no claim to."""
    strays = [
        (f"chunk id {row['_chunk']} of {dataset}", row["rows"])
        for dataset in sorted(datasets)
        for row in await connection.fetch(
            f"""
            SELECT _chunk, count(*) AS rows FROM datasets."{dataset}" AS rows
            WHERE NOT EXISTS (SELECT FROM chunks WHERE chunks.id = rows._chunk) GROUP BY _chunk
            """,  # noqa: S608  # the name was read from the system's own table
        )
    ]
    strays += [
        (f"rejects of load {row['load_id']}, chunk {row['chunk']}", row["rows"])
        for row in await connection.fetch(
            """
            SELECT load_id, chunk, count(*) AS rows FROM rejects
            WHERE NOT EXISTS (
                SELECT FROM chunks WHERE chunks.load_id = rejects.load_id AND chunks.number = rejects.chunk
            )
            GROUP BY load_id, chunk
            """
        )
    ]
    return [
        Fact(
            scenario=iteration.scenario,
            iteration=iteration.index,
            workflow_id=iteration.prefix + "unknown",
            step=LOAD_CHUNK,
            item=item,
            expected=0,
            found=rows,
            values={"rejected": 0},
        )
        for item, rows in strays
    ]
