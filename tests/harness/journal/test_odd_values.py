"""Whatever is inserted into a real table is read from its journal as a query shows it."""

from collections.abc import AsyncIterator, Iterator
from typing import Self

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.journal.decoding import Row, row_of
from harness.loop_thread import LoopThread
from harness.services.postgres import create_database, drop_database
from harness.stack import Stack


class Odd:
    """A table of a real server, of which every row is read twice: by query, and from the journal."""

    def __init__(self, loop: LoopThread, url: str) -> None:
        self._loop = loop
        self._url = url

    def __enter__(self) -> Self:
        self._connection = self._loop.run(asyncpg.connect(self._url), 10)
        self._loop.run(self._connection.execute(TABLE), 10)
        self._loop.run(self._connection.execute(SLOT), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._connection.execute("SELECT pg_drop_replication_slot('odd')"), 10)
        self._loop.run(self._connection.close(), 10)

    def both(self, *values: object) -> tuple[dict[str, str | None], list[Row]]:
        """The row with these values by query, and all that the journal has gained meanwhile."""
        return self._loop.run(self._both(*values), 30)

    async def _both(self, *values: object) -> tuple[dict[str, str | None], list[Row]]:
        found = await self._connection.fetchrow(INSERT, *values)
        assert found is not None
        lines = await self._connection.fetch("SELECT data FROM pg_logical_slot_get_changes('odd', NULL, NULL)")
        return dict(found), [row_of(row["data"]) for row in lines if row["data"].startswith("table ")]


TABLE = """
    CREATE TABLE "odd: 'one'" (
        t text, v varchar(200), a text[], n numeric, f float8, b boolean, i bigint, y bytea, j json, s bit varying(8)
    )
"""
SLOT = "SELECT pg_create_logical_replication_slot('odd', 'test_decoding')"
INSERT = """
    INSERT INTO "odd: 'one'" VALUES ($1, $2, $3, $4::text::numeric, $5, $6, $7, $8, to_json($1::text), $9::text::varbit)
    RETURNING t, v, a::text, n::text, f::text, b::text, i::text, y::text, j::text, s::text
"""


@pytest.fixture(scope="module")
async def odd_url(stack: Stack) -> AsyncIterator[str]:
    """A database for the table."""
    yield await create_database(stack["postgres"].url, "odd_values")
    await drop_database(stack["postgres"].url, "odd_values")


@pytest.fixture(scope="module")
def odd(odd_url: str) -> Iterator[Odd]:
    """The table, on a loop of its own: Hypothesis awaits nothing."""
    with LoopThread() as loop, Odd(loop, odd_url) as table:
        yield table


ODD = ["'", "''", '"', "\\", "\n", "\t", "{", "}", ",", "[text]:", " ", "null", "unchanged-toast-datum", "é"]
TEXT = st.lists(st.sampled_from(ODD), max_size=8).map("".join) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=40
)


@settings(max_examples=60)
@given(
    text=st.none() | TEXT,
    short=st.none() | TEXT,
    array=st.none() | st.lists(st.none() | TEXT, max_size=3),
    number=st.none() | st.decimals(allow_nan=False).map(str) | st.just("NaN"),
    real=st.none() | st.floats(),
    yes=st.none() | st.booleans(),
    whole=st.none() | st.integers(-(2**63), 2**63 - 1),
    raw=st.none() | st.binary(max_size=20),
    bits=st.none() | st.text("01", max_size=8),
)
def test_what_is_inserted_is_read_back(odd: Odd, **values: object) -> None:
    """Any value of any type, as a query of it shows it."""
    queried, (row,) = odd.both(*values.values())
    assert row.table == """public."odd: 'one'\""""
    assert row.new == queried
