"""The outbox: a call to a provider is written down before it is made, and its answer with the effect it has here.

    intended ─► sent ─► succeeded | refused
                 └────► unknown ─► (the provider is asked) ─► succeeded | refused

A call that was withdrawn is not made any more, nor sent again. ``undone`` is one that took effect and was taken back.
What remains possible is in `Outbox.perform`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temporalio import activity

from system.errors import ProviderUnanswered, Superseded, Unavailable, UndoRefused
from system.orders.providers import CALL_SECONDS, Provider, Reply
from system.records import Record
from system.storage.claims import once
from system.storage.effects import Effect

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool


class Answer(Record):
    """A provider's answer, as the outbox has it."""

    done: bool
    provider_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a provider is asked to do, and what that means here."""

    provider: Provider
    path: str
    body: Mapping[str, Any]
    refusable: bool = True
    """Whether a refusal is an answer to live with; else the call is made anew, under another key, until it is done."""


Write = Callable[["Connection", Answer], Awaitable[None]]
PutRight = Callable[[], Awaitable[object]]


class Outbox:
    """The calls that were meant to be made, with what is known of each."""

    def __init__(self, database: Pool) -> None:
        self._database = database

    async def perform(
        self, effect: Effect, intent: Intent, *, write: Write | None = None, put_right: PutRight | None = None
    ) -> Answer:
        """Have a provider take effect once, and write its answer down together with what it means here.

        Two systems without a common transaction cannot agree at a given moment, so a call may slip out that is not
        wanted any more. An attempt that lost its time (its process was stopped, say) makes no call, but between that
        check and the wire the process can still be stopped, and no order of checks removes that moment. Hence:

        - Whoever made such a late call finds its step undone when it comes to write the answer down; ``put_right``
          then takes back at the provider what should not be there.
        - Whoever takes back a call of unknown fate asks the provider until it knows the call's key, after which nothing
          more can come of it, or until no attempt can have time left; and takes back whatever stands there by then.

        What remains possible: a process that is stopped in that very moment for longer than the order waits, and
        killed between the provider's answer and putting it right. Then something stands at the provider until it
        lets an uncaptured authorisation expire, or somebody asks it for the order's reference.

        Raises:
            Superseded: the step was undone.
            ProviderUnanswered, BreakerOpen, Unavailable: to be tried again, by the same key.
            UndoRefused: the provider would not, and has to; to be tried again, by another key.

        """
        lease = Lease.of_attempt()
        call = await self._intend(effect)
        if call.answer is not None:
            return call.answer
        reply = await self._settled(effect, intent, call, lease)
        answer = Answer(done=reply.done, provider_id=reply.body.get("id"), reason=reply.reason)
        if not answer.done and not intent.refusable:
            await self._refused(effect)
            raise UndoRefused(f"{intent.provider.name} refuses {intent.path}: {answer.reason}")

        async def written(connection: Connection) -> Answer:
            await _answer(connection, effect, answer)
            if write is not None:
                await write(connection, answer)
            return answer

        try:
            return await once(self._database, effect, Answer, written)
        except Superseded:
            if put_right is not None:
                await put_right()
            raise

    async def withdraw(self, effect: Effect, provider: Provider) -> bool:
        """See to it that the step's call is not made from now on; returns whether one may still be on its way.

        None is once the provider knows the key: whatever comes in by that key later changes nothing there.

        Raises:
            ProviderUnanswered, BreakerOpen: to be tried again.

        """
        unanswered = await self._database.fetchval(
            """
            INSERT INTO provider_calls (workflow_id, step, item, withdrawn) VALUES ($1, $2, $3, true)
            ON CONFLICT (workflow_id, step, item) DO UPDATE SET withdrawn = true
            RETURNING sent > 0 AND answered_at IS NULL
            """,
            *_key(effect),
        )
        if not unanswered:
            return False
        known = await self._ask(effect, provider, _idempotency_key(effect, refusals=0))
        if known is None:
            return True
        await self._database.execute(
            """
            UPDATE provider_calls SET state = 'undone', provider_id = $4, answered_at = clock_timestamp()
            WHERE workflow_id = $1 AND step = $2 AND item = $3 AND answered_at IS NULL
            """,
            *_key(effect),
            known.body.get("id"),
        )
        return False

    async def provider_id(self, workflow_id: str, step: str) -> str:
        """What the provider called what it did for a step that is done."""
        found = await self._database.fetchval(
            "SELECT provider_id FROM provider_calls WHERE workflow_id = $1 AND step = $2 AND item = ''",
            workflow_id,
            step,
        )
        if found is None:
            raise Superseded(f"{step} of {workflow_id} is not done, or not any more")
        return str(found)

    async def _settled(self, effect: Effect, intent: Intent, call: _Call, lease: Lease) -> Reply:
        """The provider's answer: the one it gave before, or the one it gives now."""
        key = _idempotency_key(effect, call.refusals)
        if call.sent:
            known = await self._ask(effect, intent.provider, key)
            if known is not None:
                return known
        await self._send(effect)
        try:
            return await intent.provider.post(intent.path, intent.body, key=key, seconds=lease.remaining())
        except ProviderUnanswered:
            known = await self._ask(effect, intent.provider, key)
            if known is None:
                raise
            return known

    async def _intend(self, effect: Effect) -> _Call:
        async with self._database.acquire() as connection:
            await connection.execute(
                "INSERT INTO provider_calls (workflow_id, step, item) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                *_key(effect),
            )
            row = await connection.fetchrow(
                """
                SELECT state, withdrawn, sent > 0 AS sent, refusals, provider_id, reason FROM provider_calls
                WHERE workflow_id = $1 AND step = $2 AND item = $3
                """,
                *_key(effect),
            )
        assert row is not None, "it was there, or was inserted"
        if row["withdrawn"]:
            raise _superseded(effect)
        answered = row["state"] in {"succeeded", "refused"}
        return _Call(
            sent=row["sent"],
            refusals=row["refusals"],
            answer=Answer(done=row["state"] == "succeeded", provider_id=row["provider_id"], reason=row["reason"])
            if answered
            else None,
        )

    async def _send(self, effect: Effect) -> None:
        sent = await self._database.fetchval(
            """
            UPDATE provider_calls SET state = 'sent', sent = sent + 1
            WHERE workflow_id = $1 AND step = $2 AND item = $3
            AND state IN ('intended', 'sent', 'unknown') AND NOT withdrawn RETURNING true
            """,
            *_key(effect),
        )
        if sent:
            return
        await self._intend(effect)  # raises Superseded, if that is why
        raise Unavailable(f"another attempt at {effect.step} of {effect.workflow_id} has the answer already")

    async def _ask(self, effect: Effect, provider: Provider, key: str) -> Reply | None:
        await self._database.execute(
            """
            UPDATE provider_calls SET state = 'unknown', asked = asked + 1
            WHERE workflow_id = $1 AND step = $2 AND item = $3 AND state IN ('sent', 'unknown')
            """,
            *_key(effect),
        )
        return await provider.answered(key)

    async def _refused(self, effect: Effect) -> None:
        await self._database.execute(
            """
            UPDATE provider_calls SET state = 'intended', sent = 0, refusals = refusals + 1
            WHERE workflow_id = $1 AND step = $2 AND item = $3
            """,
            *_key(effect),
        )


async def mark_undone(connection: Connection, effect: Effect) -> None:
    """What the step's call did is taken back."""
    await connection.execute(
        "UPDATE provider_calls SET state = 'undone' WHERE workflow_id = $1 AND step = $2 AND item = $3", *_key(effect)
    )


class Lease:
    """The time in which an attempt may call a provider; past it, Temporal has given the attempt up."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @classmethod
    def of_attempt(cls) -> Lease:
        """Make the lease of the activity attempt that begins now."""
        limit = activity.info().start_to_close_timeout
        return cls(CALL_SECONDS if limit is None else limit.total_seconds())

    def remaining(self) -> float:
        """Seconds left; raises Unavailable where there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise Unavailable("the attempt's time was up before it called the provider: it made no call")
        return left


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A call as the outbox has it."""

    sent: bool
    refusals: int
    answer: Answer | None


async def _answer(connection: Connection, effect: Effect, answer: Answer) -> None:
    await connection.execute(
        """
        UPDATE provider_calls SET state = $4, provider_id = $5, reason = $6, answered_at = clock_timestamp()
        WHERE workflow_id = $1 AND step = $2 AND item = $3
        """,
        *_key(effect),
        "succeeded" if answer.done else "refused",
        answer.provider_id,
        answer.reason,
    )


def _superseded(effect: Effect) -> Superseded:
    return Superseded(f"{effect.step} of {effect.workflow_id} was withdrawn before this attempt could call")


def _idempotency_key(effect: Effect, refusals: int) -> str:
    """Never the run nor the attempt; only what was refused, and has to be done all the same, is asked for anew."""
    return "/".join(part for part in (*_key(effect), str(refusals or "")) if part)


def _key(effect: Effect) -> tuple[str, str, str]:
    return effect.workflow_id, effect.step, effect.item
