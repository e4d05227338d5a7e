"""A connection to Redis that a test holds, and sees every word of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from harness.links import Link

SECONDS = 30.0
"""How long an answer that must come may take."""


@dataclass
class Conversation:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ping(self) -> bytes:
        """Ask; the answer, or what of it came before the connection was closed."""
        self.writer.write(b"PING\r\n")
        return await self.answer()

    async def answer(self) -> bytes:
        """What comes next, up to the end of a line."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.readline()


@asynccontextmanager
async def talking(link: Link) -> AsyncIterator[Conversation]:
    """A connection that is in use: it has been answered once."""
    host, _, port = link.listen.rpartition(":")
    talk = Conversation(*await asyncio.open_connection(host, int(port)))
    try:
        assert await talk.ping() == b"+PONG\r\n"
        yield talk
    finally:
        talk.writer.close()
