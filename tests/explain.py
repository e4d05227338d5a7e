"""Which indexes PostgreSQL uses for a query: a hot query must not read a whole table.

The planner chooses by size: fill the table with some thousands of rows and `ANALYZE` it first.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

import asyncpg
from asyncpg.connection import LoggedQuery

from system.storage.pool import Connection, Pool

PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH")


async def explained(connection: Connection, query: str, *args: object) -> list[str]:
    """Names of the indexes in the query's plan, in its order; a table read whole is shown as "all of <table>"."""
    [row] = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query}", *args))
    return [name for node in _nodes(row["Plan"]) if (name := _read(node))]


async def explained_call(connection: asyncpg.Connection, call: Awaitable[object]) -> list[str]:
    """As `explained`, for every query that a call on this very connection makes: no SQL need be repeated."""
    made: list[LoggedQuery] = []
    with connection.query_logger(made.append):
        await call
        await asyncio.sleep(0)  # loggers are called by the loop, one turn later
    return await _explained(connection, made)


async def explained_in(database: Pool, call: Awaitable[object]) -> list[str]:
    """As `explained_call`, for a call that takes its connection from a pool, which must have only that one."""
    assert database.get_max_size() == 1, "the call might use another connection"
    made: list[LoggedQuery] = []
    async with database.acquire() as connection:
        connection.add_query_logger(made.append)
    await call
    async with database.acquire() as connection:
        connection.remove_query_logger(made.append)
        return await _explained(connection, made)


async def _explained(connection: Connection, made: Sequence[LoggedQuery]) -> list[str]:
    assert made, "the call made no query on this connection"
    return [
        name
        for query in made
        if _is_ours(query.query)
        for name in await explained(connection, query.query, *query.args)
    ]


def _is_ours(query: str) -> bool:
    """BEGIN and its like have no plan; asyncpg itself reads the catalogue, and resets what goes back to its pool."""
    of_asyncpg = "pg_catalog." in query or "pg_advisory_unlock_all" in query
    return query.split(maxsplit=1)[0].upper() in PLANNED and not of_asyncpg


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def _read(node: dict[str, Any]) -> str | None:
    if node["Node Type"] == "Seq Scan":
        return f"all of {node['Relation Name']}"
    name: str | None = node.get("Index Name")
    return name
