"""PostgreSQL that can be read, and not written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from chaos.faults.fault import Bite
from chaos.faults.sessions import ANSWER_SECONDS, GONE, session
from harness.services.service import StartedService

SET = "ALTER SYSTEM SET default_transaction_read_only = on"
RESET = "ALTER SYSTEM RESET default_transaction_read_only"
SHOW = "SHOW default_transaction_read_only"
LOOK_AGAIN = 0.01


@dataclass
class ReadOnly:
    """Every transaction that begins is read-only, also on connections that are open; one that goes on may write."""

    service: StartedService
    name: str
    slows: float | None = None
    _told: bool = False

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self._told = True
        await self._tell(SET, "on")

    async def bite(self) -> Bite:
        """Try to make a table, in a transaction that is rolled back."""
        try:
            writer = await session(self.service)
            try:
                await writer.execute("BEGIN; CREATE TABLE temper_probe (); ROLLBACK")
            finally:
                await writer.close(timeout=ANSWER_SECONDS)
        except asyncpg.ReadOnlySQLTransactionError as refusal:
            return Bite(in_force=True, evidence=f"a write was refused: {refusal}")
        except GONE as error:
            return Bite(in_force=False, evidence=f"it cannot be reached: {error}")
        return Bite(in_force=False, evidence="a write was accepted")

    async def heal(self) -> None:
        """Let it be written again; a server that is gone keeps the setting, and must be healed once it is back."""
        if self._told and self.service.alive:
            await self._tell(RESET, "off")
            self._told = False

    async def met(self) -> None:
        """Operations and histories tell."""

    async def _tell(self, statement: str, shown: str) -> None:
        """Change the setting, and wait until sessions that are open have heard of it."""
        teller = await session(self.service)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await teller.execute(statement)
                await teller.execute("SELECT pg_reload_conf()")
                while await teller.fetchval(SHOW) != shown:  # noqa: ASYNC110 - the server sets no event of ours
                    await asyncio.sleep(LOOK_AGAIN)
        finally:
            await teller.close(timeout=ANSWER_SECONDS)
