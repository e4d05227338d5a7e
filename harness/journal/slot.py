"""A place in PostgreSQL's journal, kept from before the first iteration, from which it is read at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import asyncpg

from harness.journal.decoding import Undecodable
from harness.journal.reading import Reader
from harness.journal.tables import JournalSection, Mapping, mapping_of
from harness.records.journal import Commit, Journal
from harness.sessions import OURS

if TYPE_CHECKING:
    from collections.abc import Callable

PLUGIN = "test_decoding"
OPEN_SECONDS = 15.0
"""A slot waits for the transactions that are open as it is made; there should be none."""
READ_SECONDS = 120.0
BATCH = 50_000
"""Lines decoded at once, whole transactions at a time: PostgreSQL keeps what exceeds its memory in files."""
# A row a transaction, its lines in their order: what is grouped by an xid can only be hashed, never sorted. Lines that
# nobody reads are counted where they are: a bulk load is a third of a million of them.
READ = """
    SELECT xid::text::bigint AS transaction,
           array_agg(data) FILTER (WHERE data ^@ 'COMMIT ' OR data ^@ ANY($3::text[])) AS lines,
           count(*) FILTER (WHERE data ^@ 'table ' AND data ^@ ANY($4::text[])) AS ledger,
           count(*) FILTER (WHERE data ^@ 'table ' AND NOT data ^@ ANY($4::text[])) AS others,
           count(*) AS told
    FROM pg_logical_slot_get_changes($1, NULL, $2, 'include-timestamp', '1', 'skip-empty-xacts', '1')
        WITH ORDINALITY AS line (lsn, xid, data, place)
    GROUP BY xid ORDER BY max(place)
"""

UNREADABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Undecodable)


class Slot:
    """A replication slot of one run. Made by `kept`."""

    def __init__(self, url: str, name: str, prefix: str, *, temporary: bool) -> None:
        self.name = name
        self.prefix = prefix
        """Of the run's workflow ids."""
        self._url = url
        self._temporary = temporary
        self._mapping = Mapping(tables=(), ledger=None)
        self._connection: asyncpg.Connection | None = None
        self._unmade = ""

    @classmethod
    @asynccontextmanager
    async def kept(
        cls, url: str, section: JournalSection, run_id: str, *, ours: bool, notify: Callable[[str], None]
    ) -> AsyncIterator[Self]:
        """From now on PostgreSQL keeps what is committed, until it is read; on leaving, no longer.

        `ours` is a server that may be killed while the run goes on, and whose slots survive that. On another one a
        slot must not outlive us, since it keeps the journal from being discarded: it goes with our connection.
        Raises CannotRun where temper.toml does not fit the database.
        """
        slot = cls(url, "temper_" + run_id.replace("-", "_"), f"{run_id}.", temporary=not ours)
        try:
            await slot._make(section)
            if slot._unmade:
                notify(f"PostgreSQL's journal is not read: {slot._unmade}")
            yield slot
        finally:
            await slot._drop()

    async def read(self) -> Journal:
        """Everything committed since it was made, in the order of the commits. Can be read once."""
        if self._unmade:
            return Journal(unread=self._unmade)
        commits: list[Commit] = []
        reader = Reader(self._mapping, self.prefix)
        try:
            connection = await self._connected()
            told = BATCH
            while told >= BATCH:  # fewer were the last ones
                rows = await connection.fetch(
                    READ, self.name, BATCH, self._mapping.told, self._mapping.ledgers, timeout=READ_SECONDS
                )
                told = sum(row["told"] for row in rows)
                commits += [
                    reader.commit(row["transaction"], row["lines"], row["ledger"], row["others"])
                    for row in rows
                    if row["ledger"] or row["others"]
                ]
        except UNREADABLE as error:
            return Journal(unread=f"reading it failed: {_said(error)}")
        return Journal(commits=tuple(commits))

    async def _make(self, section: JournalSection) -> None:
        try:
            connection = await self._connected()
            self._mapping = await mapping_of(connection, section)
            await connection.execute(
                "SELECT pg_create_logical_replication_slot($1, $2, temporary => $3)",
                self.name,
                PLUGIN,
                self._temporary,
                timeout=OPEN_SECONDS,
            )
        except UNREADABLE as error:
            self._unmade = f"no replication slot could be made: {_said(error)}"

    async def _drop(self) -> None:
        """Whatever happens: PostgreSQL keeps a slot's journal for ever, and may be away."""
        try:
            if not (self._temporary or self._unmade):
                connection = await self._connected()
                await connection.execute("SELECT pg_drop_replication_slot($1)", self.name, timeout=OPEN_SECONDS)
        except UNREADABLE:
            pass  # it is ours, and goes with its data
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def _connected(self) -> asyncpg.Connection:
        """The connection, made anew where the server was killed meanwhile; a temporary slot is gone with the first."""
        if self._connection is None or (self._connection.is_closed() and not self._temporary):
            self._connection = await asyncpg.connect(
                self._url, timeout=OPEN_SECONDS, server_settings={"application_name": OURS}
            )
        return self._connection


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
