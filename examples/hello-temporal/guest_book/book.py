"""The book in PostgreSQL, and the activities that write to it.

An activity may run again after it has committed, because nobody heard that it had. So each row has the workflow's id
for its key, which is the same in every attempt, and a second row is refused.
"""

from dataclasses import dataclass

import asyncpg
from temporalio import activity

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    workflow_id text PRIMARY KEY, guest text NOT NULL, words text NOT NULL, stars integer NOT NULL
);
CREATE TABLE IF NOT EXISTS cards (workflow_id text PRIMARY KEY, text text NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """What a guest leaves: a name, some words, and one to five stars."""

    guest: str
    words: str
    stars: int


class Book:
    """The guest book. Its methods are activities."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @activity.defn
    async def enter(self, entry: Entry) -> None:
        """Enter what the guest wrote."""
        await self._pool.execute(
            """
            INSERT INTO entries (workflow_id, guest, words, stars) VALUES ($1, $2, $3, $4)
            ON CONFLICT (workflow_id) DO NOTHING
            """,
            activity.info().workflow_id,
            entry.guest,
            entry.words,
            entry.stars,
        )

    @activity.defn
    async def thank(self, guest: str) -> str:
        """Write a card for the guest; returns its text."""
        text = f"Thank you for coming, {guest}!"
        await self._pool.execute(
            "INSERT INTO cards (workflow_id, text) VALUES ($1, $2) ON CONFLICT (workflow_id) DO NOTHING",
            activity.info().workflow_id,
            text,
        )
        return text
