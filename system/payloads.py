"""Keeps large payloads in PostgreSQL, so that Temporal's histories hold references to them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from system.errors import NotMigrated, PayloadLost, Unavailable
from system.interceptors import NOT_MIGRATED, TRANSIENT
from system.storage.pool import connect

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool

NAME = "system.payloads"
LIMIT = 64 * 1024
# Less than the 10 s a workflow task has: the attempt should end with a reason, not by the server's timeout.
ANSWER_SECONDS = 8.0
CLIENT_CONNECTIONS = 4
PURGED_AT_ONCE = 500


class PayloadStore(StorageDriver):
    """The claim check: a payload above the limit is stored by its content, and travels as a reference.

    While PostgreSQL is away, workflow tasks and activity attempts with large payloads fail and are retried, and calls
    of a client raise Unavailable. Heartbeat details must stay below the limit: an attempt whose details cannot be
    fetched fails for good, which is the SDK's rule.

    Args:
        database: the pool of a worker; or a URL, for a client: it connects for each use and leaves nothing open.
        limit: size in bytes from which a payload travels by reference.

    """

    def __init__(self, database: Pool | str, *, limit: int = LIMIT) -> None:
        self._database = database
        self._clients = asyncio.Semaphore(CLIENT_CONNECTIONS)
        self.external_storage = ExternalStorage(drivers=[self], payload_size_threshold=limit)

    def name(self) -> str:
        """Part of every reference: histories outlive a change of it."""
        return NAME

    def type(self) -> str:
        """What workers tell the server that they use."""
        return NAME

    async def store(
        self,
        context: StorageDriverStoreContext,  # noqa: ARG002 equal content is one row, whoever stores it
        payloads: Sequence[Payload],
    ) -> list[StorageDriverClaim]:
        """Store the payloads; one that is there already counts as stored again, for its retention.

        Raises:
            Unavailable: PostgreSQL did not take them within 8 seconds.
            NotMigrated: the database has no such table.

        """
        digested = await asyncio.to_thread(lambda: [_digested(payload) for payload in payloads])
        # In one order for all: two that store the same rows in another order would deadlock.
        contents = sorted(dict(digested).items())
        async with self._answering("stored") as connection:
            await connection.execute(
                """
                INSERT INTO payloads (sha256, content)
                SELECT * FROM unnest($1::bytea[], $2::bytea[])
                ON CONFLICT (sha256) DO UPDATE SET last_stored_at = clock_timestamp()
                """,
                [digest for digest, _ in contents],
                [content for _, content in contents],
            )
        return [StorageDriverClaim({"sha256": digest.hex()}) for digest, _ in digested]

    async def retrieve(
        self,
        context: StorageDriverRetrieveContext,  # noqa: ARG002 it is empty
        claims: Sequence[StorageDriverClaim],
    ) -> list[Payload]:
        """Fetch the payloads, and make sure that they are what was stored.

        Raises:
            PayloadLost: one is missing, or its content is another.
            Unavailable: PostgreSQL did not answer within 8 seconds.
            NotMigrated: the database has no such table.

        """
        digests = [bytes.fromhex(claim.claim_data["sha256"]) for claim in claims]
        async with self._answering("fetched") as connection:
            rows = await connection.fetch("SELECT sha256, content FROM payloads WHERE sha256 = ANY($1)", digests)
        contents = {row["sha256"]: row["content"] for row in rows}
        return await asyncio.to_thread(lambda: [_verified(digest, contents.get(digest)) for digest in digests])

    @asynccontextmanager
    async def _answering(self, done: str) -> AsyncIterator[Connection]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._connection() as connection:
                yield connection
        except Unavailable as error:
            raise Unavailable(f"large payloads could not be {done}: {error}") from error
        except TRANSIENT as error:
            reason = str(error) or f"no connection, or no answer, within {ANSWER_SECONDS:g} s"
            raise Unavailable(f"large payloads could not be {done}: {reason}") from error
        except NOT_MIGRATED as error:
            raise NotMigrated(f"large payloads could not be {done}: {error}; run `python -m system migrate`") from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if not isinstance(self._database, str):
            async with self._database.acquire() as connection:
                yield connection
            return
        async with self._clients:
            own = await connect(self._database)
            try:
                yield own
                await own.close()
            finally:
                own.terminate()


async def purge(connection: Connection, older_than: timedelta) -> int:
    """Delete the payloads that nobody stored again for ``older_than``, in batches that each commit by themselves.

    Reading a payload does not count. So ``older_than`` must exceed the longest run of a workflow plus the retention of
    the Temporal namespace, or a history that can still be replayed loses what it refers to.

    Returns:
        How many were deleted.

    """
    limit = await connection.fetchval("SELECT clock_timestamp() - $1::interval", older_than)
    deleted = 0
    while True:
        status = await connection.execute(
            """
            DELETE FROM payloads WHERE sha256 = ANY (ARRAY (
                SELECT sha256 FROM payloads WHERE last_stored_at < $1
                ORDER BY last_stored_at LIMIT $2 FOR UPDATE SKIP LOCKED
            ))
            """,
            limit,
            PURGED_AT_ONCE,
        )
        batch = int(status.split()[-1])
        deleted += batch
        if batch < PURGED_AT_ONCE:
            return deleted


def _digested(payload: Payload) -> tuple[bytes, bytes]:
    content = payload.SerializeToString(deterministic=True)
    return hashlib.sha256(content).digest(), content


def _verified(digest: bytes, content: bytes | None) -> Payload:
    if content is None:
        raise PayloadLost(digest.hex(), "not in the database")
    found = hashlib.sha256(content).digest()
    if found != digest:
        raise PayloadLost(digest.hex(), f"damaged: what the database has of it, {len(content)} bytes, is {found.hex()}")
    return Payload.FromString(content)
