"""The shortest question that each service answers, asked through a link to see what a fault does to it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from harness.links import Link

ANSWER_SECONDS = 10.0
"""How long an answer is waited for that a fault does not hold up, or little; a busy machine takes its time."""

SETTINGS, PING, ACK = 4, 6, 1
HTTP2 = struct.Struct(">HBBBI")
"""The head of a frame: its length in three bytes, its type, its flags, its stream (RFC 9113)."""
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HTTP2.pack(0, 0, SETTINGS, 0, 0) + HTTP2.pack(0, 8, PING, 0, 0)
QUESTIONS = {
    "postgres": (struct.pack(">II", 8, 80877103), re.compile(rb"[NSE]")),  # whether it would speak TLS
    "redis": (b"PING\r\n", re.compile(rb"\r\n")),
    "temporal": (HTTP2_HELLO + bytes(8), re.compile(re.escape(HTTP2.pack(0, 8, PING, ACK, 0)))),
}
"""What each service is asked, and what it says only when it has heard that."""


class End(StrEnum):
    """What became of a question."""

    UNREACHABLE = "could not connect"
    SILENT = "got no answer"
    CLOSED = "was cut off"
    RESET = "was reset"
    ANSWERED = "was answered"


@dataclass(frozen=True)
class Heard:
    """What became of a question, after so many seconds."""

    end: End
    seconds: float

    def __str__(self) -> str:
        within = "within" if self.end is End.SILENT else "after"
        return f"a hello through it {self.end} {within} {self.seconds:.2f} s"


async def hello(link: Link, patience: float = ANSWER_SECONDS) -> Heard:
    """Ask through a new connection, and wait `patience` seconds for the answer."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(patience), _connection(link) as (reader, writer):
            end = await _asked(link, reader, writer)
    except TimeoutError:
        end = End.SILENT
    except (ConnectionResetError, BrokenPipeError):
        end = End.RESET
    except OSError:
        end = End.UNREACHABLE
    return Heard(end, time.monotonic() - began)


async def parting(link: Link, patience: float) -> float | None:
    """Ask, then close our end of the connection: the seconds until it is closed for us, and `patience` at most.

    None where the question was not answered in the first place.
    """
    try:
        async with _connection(link) as (reader, writer):
            async with asyncio.timeout(ANSWER_SECONDS):
                if await _asked(link, reader, writer) is not End.ANSWERED:
                    return None
            writer.write_eof()
            began = time.monotonic()
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                async with asyncio.timeout(patience):
                    await reader.read()
            return time.monotonic() - began
    except OSError:
        return None


@contextlib.asynccontextmanager
async def _connection(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = link.listen.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def _asked(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
    question, answer = QUESTIONS[link.service]
    writer.write(question)
    heard = b""
    while not answer.search(heard):
        more = await reader.read(4096)
        if not more:
            return End.CLOSED
        heard += more
    return End.ANSWERED
