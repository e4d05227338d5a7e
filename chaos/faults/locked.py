"""A table of PostgreSQL that somebody has locked and does not let go."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

import asyncpg

from chaos.faults.fault import Bite
from chaos.faults.sessions import ANSWER_SECONDS, GONE, session
from harness.errors import UnknownName
from harness.services.service import StartedService

Mode = Literal[
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
]
"""PostgreSQL's table-level locks, from the weakest to that which conflicts with all."""

IS_HELD = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND relation = to_regclass($2) AND mode = $3 AND granted"
TABLES = "SELECT relid::regclass::text AS name FROM pg_stat_user_tables"


@dataclass
class Locked:
    """One table locked, in a transaction of our own that ends at heal.

    Until it has the lock it waits behind who uses the table, for `patience` seconds at most; who comes meanwhile waits
    behind it.
    """

    service: StartedService
    name: str
    table: str
    mode: Mode
    patience: float
    slows: float | None = None
    _holder: asyncpg.Connection[asyncpg.Record] | None = None

    @property
    def on(self) -> str:
        return self.service.name

    async def look_up(self) -> None:
        """Raises UnknownName where there is no such table."""
        asking = await session(self.service)
        try:
            if await asking.fetchval("SELECT to_regclass($1)", self._quoted) is None:
                raise UnknownName("table", self.table, [row["name"] for row in await asking.fetch(TABLES)])
        finally:
            await asking.close(timeout=ANSWER_SECONDS)

    async def inject(self) -> None:
        """Take the lock, or give up waiting for it."""
        self._holder = holder = await session(self.service)
        await holder.execute(f"BEGIN; SET LOCAL lock_timeout = {max(1, int(self.patience * 1000))}")
        with contextlib.suppress(asyncpg.LockNotAvailableError):
            await holder.execute(f"LOCK TABLE {self._quoted} IN {self.mode} MODE")

    async def bite(self) -> Bite:
        """Look for the lock, from another connection."""
        held = f"{self.mode} on {self.table}"
        if self._holder is None or self._holder.is_closed():
            return Bite(in_force=False, evidence=f"nobody holds {held} for us")
        mode = self.mode.title().replace(" ", "") + "Lock"
        try:
            other = await session(self.service)
            try:
                found = await other.fetchval(IS_HELD, self._holder.get_server_pid(), self._quoted, mode)
            finally:
                await other.close(timeout=ANSWER_SECONDS)
        except GONE as error:
            return Bite(in_force=False, evidence=f"it cannot be asked for its locks: {error}")
        if not found:
            return Bite(in_force=False, evidence=f"pg_locks does not show {held}: it was not to be had")
        return Bite(in_force=True, evidence=f"pg_locks shows {held}")

    async def heal(self) -> None:
        """Let the table go; where the server is gone, so is the lock."""
        holder, self._holder = self._holder, None
        if holder is None:
            return
        with contextlib.suppress(*GONE):
            await holder.execute("ROLLBACK", timeout=ANSWER_SECONDS)
        holder.terminate()

    async def met(self) -> None:
        """Operations and histories tell."""

    @property
    def _quoted(self) -> str:
        parts = (part.replace('"', '""') for part in self.table.split("."))
        return ".".join(f'"{part}"' for part in parts)
