"""Which files a load brings: each content once into a dataset, whoever asks for it, and however often.

A file is known by the checksum of its decoded text. Its row goes from ``waiting`` to

    - ``loading``, when the load claims it: a unique key lets one load at a time have a content of a dataset;
    - ``loaded``, in the transaction that reconciles the load: from then on it is skipped;
    - ``released``, in the transaction that closes the load as cancelled or failed: from then on others may have it;
    - ``skipped``, when it is claimed and another load turns out to have loaded it, or it is twice in one load.

A load claims all of its files or none, so that two loads never wait for each other. It claims first and looks for
loaded ones after that: what it holds nobody else can begin to load, and who had it before has committed. What loads
left that did not end whole, and the claims of one whose workflow was terminated, are the matter of ``unfinished``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import asyncpg

from system.errors import LoadInProgress
from system.pipeline.models import FileReport
from system.pipeline.rules import ChunkCount

if TYPE_CHECKING:
    from system.pipeline.manifest import Content
    from system.storage.pool import Connection


async def write_files(
    connection: Connection, load_id: int, dataset: str, contents: Iterable[Content], *, again: bool
) -> None:
    """Write down a load's files, none of them claimed."""
    await connection.copy_records_to_table(
        "files",
        records=[
            (load_id, one.source.number, dataset, one.source.name, one.columns, one.sha256, one.rows, again)
            for one in contents
        ],
        columns=["load_id", "number", "dataset", "name", "columns", "sha256", "rows_read", "again"],
    )


async def claim_files(connection: Connection, load_id: int) -> tuple[int, ...]:
    """Claim the load's files, and take those that are skipped from its manifest; a second time changes nothing.

    Returns:
        The numbers of the files that are skipped.

    Raises:
        LoadInProgress: another load is at one of them; nothing is claimed.

    """
    assert connection.is_in_transaction(), "the load must be locked against closing meanwhile"
    try:
        async with connection.transaction():
            await _claim(connection, load_id)
    except asyncpg.UniqueViolationError as error:
        raise await _in_progress(connection, load_id) from error
    rows = await connection.fetch(
        "SELECT number FROM files WHERE load_id = $1 AND state = 'skipped' ORDER BY 1", load_id
    )
    return tuple(row["number"] for row in rows)


async def _claim(connection: Connection, load_id: int) -> None:
    waiting = "SELECT EXISTS (SELECT FROM files WHERE load_id = $1 AND state = 'waiting')"
    if not await connection.fetchval(waiting, load_id):
        return  # claimed by an earlier attempt: its chunks may be under way, and nothing is skipped any more
    # In which order an UPDATE takes the keys is not known: two loads of the same files would end in a deadlock.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('files'))")
    await connection.execute(
        """
        UPDATE files SET state = 'loading'
        FROM (
            SELECT number, min(number) OVER (PARTITION BY sha256) AS first
            FROM files WHERE load_id = $1 AND state = 'waiting'
        ) AS waiting
        WHERE load_id = $1 AND files.number = waiting.number AND (again OR waiting.number = waiting.first)
        """,
        load_id,
    )
    await connection.execute(
        """
        UPDATE files AS mine
        SET state = 'skipped', reason = format('already loaded as %s by workflow %s', theirs.name, loads.workflow_id)
        FROM files AS theirs JOIN loads ON loads.id = theirs.load_id
        WHERE mine.load_id = $1 AND mine.state = 'loading' AND NOT mine.again
          AND theirs.dataset = mine.dataset AND theirs.sha256 = mine.sha256 AND theirs.state = 'loaded'
        """,
        load_id,
    )
    await connection.execute(
        """
        UPDATE files AS mine SET state = 'skipped', reason = format('the same content as %s', first.name)
        FROM files AS first
        WHERE mine.load_id = $1 AND mine.state = 'waiting'
          AND first.load_id = $1 AND first.sha256 = mine.sha256 AND first.state <> 'waiting'
        """,
        load_id,
    )
    await connection.execute(
        """
        DELETE FROM manifest USING files
        WHERE manifest.load_id = $1 AND files.load_id = $1 AND files.number = source AND state = 'skipped'
        """,
        load_id,
    )
    await connection.execute(
        """
        UPDATE loads SET rows_read = (
            SELECT coalesce(sum(rows_read), 0) FROM files WHERE load_id = $1 AND state <> 'skipped'
        )
        WHERE id = $1
        """,
        load_id,
    )


async def _in_progress(connection: Connection, load_id: int) -> LoadInProgress:
    other = await connection.fetchrow(
        """
        SELECT mine.name, loads.workflow_id
        FROM files AS mine JOIN files AS theirs USING (dataset, sha256) JOIN loads ON loads.id = theirs.load_id
        WHERE mine.load_id = $1 AND theirs.load_id <> $1 AND theirs.state = 'loading' AND NOT theirs.again
        """,
        load_id,
    )
    if other is None:
        return LoadInProgress("another load was at one of the files a moment ago", workflow_id="")
    return LoadInProgress(
        f"workflow {other['workflow_id']} is loading the same content as {other['name']}: waiting for it to end; to "
        "have it end, cancel it, and to load the content twice, load it with `again`",
        workflow_id=other["workflow_id"],
    )


async def settle_files(connection: Connection, load_id: int, state: str) -> None:
    """Say in the transaction that closes the load that its files are ``loaded``, or ``released`` to others."""
    await connection.execute(
        "UPDATE files SET state = $2 WHERE load_id = $1 AND state IN ('waiting', 'loading')", load_id, state
    )


async def report_files(connection: Connection, load_id: int, counts: Sequence[ChunkCount]) -> tuple[FileReport, ...]:
    """Say what became of each file, given what the database holds of each chunk."""
    loaded: Counter[int] = Counter()
    rejected: Counter[int] = Counter()
    for one in counts:
        loaded[one.source] += one.rows_loaded
        rejected[one.source] += one.rows_rejected
    rows = await connection.fetch(
        "SELECT number, name, rows_read, reason FROM files WHERE load_id = $1 ORDER BY number", load_id
    )
    return tuple(
        FileReport(
            file=row["name"],
            rows_read=row["rows_read"],
            rows_loaded=loaded[row["number"]],
            rows_rejected=rejected[row["number"]],
            skipped=row["reason"],
        )
        for row in rows
    )
