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
from system.orders import calls
from system.orders.calls import Answer, Call
from system.orders.providers import CALL_SECONDS, Provider, Reply
from system.storage.claims import once
from system.storage.effects import Effect

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool


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

        What remains possible: a process that is stopped in that very moment for longer than the order waits. The order
        is closed in doubt then, and something may stand at the provider until it is asked again: `system.orders.doubt`.

        Raises:
            Superseded: the step was undone.
            ProviderUnanswered, BreakerOpen, Unavailable: to be tried again, by the same key.
            UndoRefused: the provider would not, and has to; to be tried again, by another key.

        """
        lease = Lease.of_attempt()
        call = await self._intended(effect)
        if call.answer is not None:
            return call.answer
        reply = await self._settled(effect, intent, call, lease)
        answer = Answer(done=reply.done, provider_id=reply.body.get("id"), reason=reply.reason)
        if not answer.done and not intent.refusable:
            await calls.make_anew(self._database, effect, call.refusals)
            raise UndoRefused(f"{intent.provider.name} refuses {intent.path}: {answer.reason}")

        async def written(connection: Connection) -> Answer:
            await calls.answer(connection, effect, answer)
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
        if not await calls.withdraw(self._database, effect):
            return False
        known = await self._ask(effect, provider, _idempotency_key(effect, refusals=0))
        if known is None:
            return True
        await calls.undo_unanswered(self._database, effect, known.body.get("id"))
        return False

    async def provider_id(self, workflow_id: str, step: str) -> str:
        """What the provider called what it did for a step that is done."""
        found = await calls.provider_id(self._database, workflow_id, step)
        if found is None:
            raise Superseded(workflow_id, step, "", "is not done, or not any more")
        return found

    async def _settled(self, effect: Effect, intent: Intent, call: Call, lease: Lease) -> Reply:
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

    async def _intended(self, effect: Effect) -> Call:
        call = await calls.intend(self._database, effect)
        if call.withdrawn:
            raise Superseded(*calls.key(effect), "was withdrawn before this attempt could call")
        return call

    async def _send(self, effect: Effect) -> None:
        if await calls.send(self._database, effect):
            return
        await self._intended(effect)  # raises Superseded, if that is why
        raise Unavailable(f"another attempt at {effect.step} of {effect.workflow_id} has the answer already")

    async def _ask(self, effect: Effect, provider: Provider, key: str) -> Reply | None:
        await calls.ask(self._database, effect)
        return await provider.answered(key)


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


def _idempotency_key(effect: Effect, refusals: int) -> str:
    """Never the run nor the attempt; only what was refused, and has to be done all the same, is asked for anew."""
    return "/".join(part for part in (*calls.key(effect), str(refusals or "")) if part)
