"""The handlers that come with the system."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Literal

import asyncpg
from pydantic import Field

from system.errors import InputError, SourceMissing, TaskRejected, Unavailable
from system.pipeline.summaries import Summary
from system.records import Record, Strict
from system.tasks.normalise import FieldRule, Scalar, normalised
from system.tasks.reach import Reach
from system.tasks.registry import Context, Registry

IDENTIFIER = r"^[a-z_][a-z0-9_]{0,62}$"
MOST_GROUPS = 1_000
HTTP_SECONDS = 10.0
SHOWN_CHARACTERS = 200
"""Of a receiver's answer."""

REGISTRY = Registry()


class Text(Strict):
    """A text."""

    text: str
    algorithm: Literal["sha256", "sha512", "blake2b"] = "sha256"


class Checksum(Record):
    """A checksum, and of how many bytes."""

    hexdigest: str
    bytes: int


@REGISTRY.handler("text.checksum", pure=True)
async def checksum_text(given: Text, _: Context) -> Checksum:
    """Compute the checksum of a text, as UTF-8."""
    content = given.text.encode()
    return Checksum(hexdigest=hashlib.new(given.algorithm, content).hexdigest(), bytes=len(content))


class File(Strict):
    """A file that the workers can read."""

    path: Path
    """From the directory that tasks may read; or absolute, and within it."""
    algorithm: Literal["sha256", "sha512", "blake2b"] = "sha256"


@REGISTRY.handler("file.checksum", timeout=600)
async def checksum_file(given: File, context: Context) -> Checksum:
    """Compute the checksum of a file, of any size."""
    return await asyncio.to_thread(_checksum_file, given, context.reach)


def _checksum_file(given: File, reach: Reach) -> Checksum:
    try:
        with reach.file(given.path).open("rb") as file:
            digest = hashlib.file_digest(file, given.algorithm)
            return Checksum(hexdigest=digest.hexdigest(), bytes=file.tell())
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise SourceMissing(
            f"{given.path}: {error.strerror}; expected a file that the workers can read", str(given.path)
        ) from error


class Rough(Strict):
    """A record as it came in, and what its fields should be."""

    values: dict[str, Scalar]
    fields: dict[str, FieldRule] = Field(min_length=1)
    """By the name that each is to have."""


class Normalised(Record):
    """A record with every field declared, and no other."""

    values: dict[str, Scalar]


@REGISTRY.handler("record.normalise", pure=True)
async def normalise(given: Rough, _: Context) -> Normalised:
    """Bring a record into its declared shape: names, types, letter case, blanks."""
    return Normalised(values=normalised(given.values, given.fields))


class Aggregation(Strict):
    """What to compute over a loaded data set."""

    dataset: str = Field(pattern=IDENTIFIER)
    function: Literal["count", "sum", "avg", "min", "max"] = "count"
    column: str | None = Field(default=None, pattern=IDENTIFIER)
    """What to compute it of; only ``count`` can do without."""
    by: str | None = Field(default=None, pattern=IDENTIFIER)
    """One group for each value of this column."""


class Group(Record):
    """The value of one group; of everything, if there is no group."""

    group: str | None
    value: str | None
    """As PostgreSQL writes it: no digit is lost."""


class Aggregate(Record):
    """The groups in their order."""

    groups: tuple[Group, ...]


@REGISTRY.handler("dataset.aggregate", timeout=120)
async def aggregate(given: Aggregation, context: Context) -> Aggregate:
    """Count, sum, average or find the extremes of a data set's column, by another column."""
    if given.column is None and given.function != "count":
        raise TaskRejected(f"{given.function} needs a column", field="column")
    measure = f"{given.function}({_quoted(given.column) if given.column else '*'})"
    group = _quoted(given.by) if given.by else "NULL"
    query = (
        f"SELECT ({group})::text, ({measure})::text FROM datasets.{_quoted(given.dataset)} "  # noqa: S608 identifiers, by their pattern
        + (f"GROUP BY {group} ORDER BY {group} LIMIT {MOST_GROUPS + 1}" if given.by else "")
    )
    try:
        async with context.database.acquire() as connection:
            rows = await connection.fetch(query)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError) as error:
        raise TaskRejected(f"{error}; expected a loaded data set, and columns of it") from error
    if len(rows) > MOST_GROUPS:
        raise TaskRejected(
            f"{given.by} of {given.dataset} has more than {MOST_GROUPS} values; choose another column", field="by"
        )
    return Aggregate(groups=tuple(Group(group=row[0], value=row[1]) for row in rows))


def _quoted(identifier: str) -> str:
    return f'"{identifier}"'


class Dataset(Strict):
    """A loaded data set."""

    dataset: str = Field(pattern=IDENTIFIER)


@REGISTRY.handler("dataset.summary")
async def summarise(given: Dataset, context: Context) -> Summary:
    """Tell how many rows the loads of a data set brought; up to ten minutes old where the cache was away."""
    summary = await context.summaries.of(given.dataset)
    if summary is None:
        raise TaskRejected(
            f"nothing was ever loaded into {given.dataset!r}; expected a loaded data set", field="dataset"
        )
    return summary


class Posting(Strict):
    """An amount to put to an account."""

    account: str = Field(min_length=1, max_length=100)
    amount: int = Field(ge=-(2**53), le=2**53)
    """In the smallest unit; never zero."""


class Posted(Record):
    """The entry that was made."""

    entry: int


@REGISTRY.handler("account.post", writes=True)
async def post(given: Posting, context: Context) -> Posted:
    """Post an amount to an account: one entry, however often it is tried."""
    if given.amount == 0:
        raise TaskRejected(f"nothing to post to {given.account}: expected an amount other than 0", field="amount")
    entry = await context.transaction.fetchval(
        "INSERT INTO task_entries (workflow_id, item, account, amount) VALUES ($1, $2, $3, $4) RETURNING id",
        context.workflow_id,
        context.item,
        given.account,
        given.amount,
    )
    return Posted(entry=entry)


class Delivery(Strict):
    """Something to tell a receiver."""

    url: str = Field(pattern=r"^https?://[^\s/]+")
    body: dict[str, Scalar] = Field(default_factory=dict)


class Delivered(Record):
    """The receiver took it."""

    status: int


@REGISTRY.handler("webhook.deliver", timeout=HTTP_SECONDS + 5, attempts=20)
async def deliver(given: Delivery, context: Context) -> Delivered:
    """Post JSON to a receiver until it takes it, under one idempotency key; it is not followed elsewhere."""
    import aiohttp  # noqa: PLC0415 0.2 s that a worker does not have at its start
    import yarl  # noqa: PLC0415

    try:
        url = yarl.URL(given.url)
    except ValueError as error:
        raise InputError(f"{given.url!r} is no URL: {error}") from error
    context.reach.check_host(url)
    headers = {"Idempotency-Key": context.idempotency_key}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_SECONDS)) as session,
            session.post(url, json=given.body, headers=headers, allow_redirects=False) as answer,
        ):
            text = (await answer.text(errors="replace"))[:SHOWN_CHARACTERS]
            status = answer.status
    except aiohttp.InvalidURL as error:
        raise InputError(f"{given.url!r} is no URL") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"{given.url} did not answer ({type(error).__name__}: {error})") from error
    if status >= 500 or status in {408, 425, 429}:
        raise Unavailable(f"{given.url} answered {status}: {text}")
    if status >= 300:
        raise TaskRejected(f"{given.url} refused it with {status}: {text}")
    return Delivered(status=status)
