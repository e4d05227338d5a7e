"""Takes a call to a provider: behaves as it was told to, honours the key, and keeps the books."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus

from scenarios.outside.answers import Answer, Terms, error
from scenarios.outside.behaviours import Behaviours
from scenarios.outside.books import MOST_KEPT, Books, Call, Open
from scenarios.outside.payments import Payments
from scenarios.outside.shipping import Shipping
from scenarios.outside.wire import Action, Behaviour, Kind, Total

Decide = Callable[[Terms], Answer]

FULL = error(
    HTTPStatus.INSUFFICIENT_STORAGE, "full", f"{MOST_KEPT:,} records are kept, and no more: start the outside anew"
)
KEY_REUSED = error(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "key_reused",
    "this Idempotency-Key came before with another request; a key belongs to one request, body and all",
)
UNAVAILABLE = error(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "nothing was done; try again")
FAILED = error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "something went wrong")


class Desk:
    """Both providers, how they behave, and what they were asked."""

    def __init__(self) -> None:
        self.payments = Payments()
        self.shipping = Shipping()
        self.behaviours = Behaviours()
        self.books = Books()

    async def take(self, call: Call, decide: Decide) -> Answer | None:
        """Take a call; None where the caller gets no answer."""
        if self._full():
            return FULL
        fired = self.behaviours.fire(call.reference, call.action)
        kinds = {behaviour.kind for behaviour in fired}
        prefixes = tuple(sorted({behaviour.prefix for behaviour in fired}))
        opened = self.books.came_in(call, tuple(kind for kind in Kind if kind in kinds), prefixes)
        answer = await self._answer(call, decide, fired, opened)
        opened.entry.status = answer.status if answer else None
        return answer

    def totals(self, prefix: str) -> list[Total]:
        """What is true of every reference that begins so."""
        totals: dict[str, Total] = {}
        for payment in self.payments.by_id.values():
            if payment.reference.startswith(prefix):
                total = totals.setdefault(payment.reference, Total(reference=payment.reference))
                total.payments[payment.status] = total.payments.get(payment.status, 0) + 1
                total.captured_cents += payment.captured_cents
                total.refunded_cents += payment.refunded_cents
                total.net_cents = total.captured_cents - total.refunded_cents
                if payment.status == "authorized":
                    total.authorized_cents += payment.amount_cents
        for shipment in self.shipping.by_id.values():
            if shipment.reference.startswith(prefix):
                total = totals.setdefault(shipment.reference, Total(reference=shipment.reference))
                total.shipments[shipment.status] = total.shipments.get(shipment.status, 0) + 1
        return list(totals.values())

    async def _answer(self, call: Call, decide: Decide, fired: list[Behaviour], opened: Open) -> Answer | None:
        kinds = {behaviour.kind for behaviour in fired}
        for behaviour in fired:
            if behaviour.kind is Kind.HOLD:
                await self.behaviours.off(behaviour)
        await _pause(fired, Kind.SLOW_BEFORE)
        if Kind.DOWN in kinds:
            return None
        if Kind.FAIL_BEFORE in kinds:
            return UNAVAILABLE
        answer = self._deliver(call, decide, fired, opened)
        if Kind.DELIVER_TWICE in kinds:
            answer = self._deliver(call, decide, fired, opened)
        await _pause(fired, Kind.SLOW_AFTER)
        if Kind.DROP_AFTER in kinds:
            return None
        return FAILED if Kind.FAIL_AFTER in kinds else answer

    def _deliver(self, call: Call, decide: Decide, fired: Iterable[Behaviour], opened: Open) -> Answer:
        """Let it take effect, unless its key did before. Nothing waits in here: two calls cannot both be the first."""
        if call.action is Action.ASK:
            return decide(Terms())
        refusals = [behaviour.reason for behaviour in fired if behaviour.kind is Kind.REFUSE]
        first = self.books.answers.get(call.key)
        if first is not None:
            asked, answer = first
            if asked != call:
                return KEY_REUSED
            if all(behaviour.kind is not Kind.IGNORE_KEYS for behaviour in fired):
                opened.replayed()
                return replace(answer, replayed=True)
        answer = decide(Terms(refusal=refusals[0] if refusals else None, again=first is not None))
        if answer.status is HTTPStatus.CREATED:
            opened.took_effect()
        if first is None and call.key:
            self.books.answers[call.key] = (call, answer)
        return answer

    def _full(self) -> bool:
        kept = (self.books.counts, self.payments.by_id, self.shipping.by_id)
        return any(len(records) >= MOST_KEPT for records in kept)


async def _pause(fired: Iterable[Behaviour], kind: Kind) -> None:
    seconds = sum(behaviour.seconds for behaviour in fired if behaviour.kind is kind)
    if seconds:
        await asyncio.sleep(seconds)
