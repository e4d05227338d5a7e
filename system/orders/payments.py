"""The payment provider: what an order asks of it, and how all of it is taken back."""

from __future__ import annotations

from dataclasses import replace

from system.orders.models import OrderRequest
from system.orders.outbox import Intent, Outbox
from system.orders.providers import Provider
from system.orders.rules import undoing
from system.records import Record
from system.storage.effects import Effect


class Payment(Record):
    """A payment, as the provider tells of it."""

    id: str
    status: str
    captured_cents: int
    refunded_cents: int


class Payments:
    """Payments of orders; the reference of a payment is the order's id."""

    def __init__(self, provider: Provider, outbox: Outbox) -> None:
        self._provider = provider
        self._outbox = outbox

    def authorisation(self, order_id: str, order: OrderRequest) -> Intent:
        """Hold the customer's money."""
        body = {
            "reference": order_id,
            "amount_cents": order.amount_cents,
            "currency": order.currency,
            "customer": order.customer,
        }
        return Intent(provider=self._provider, path="/payments/authorizations", body=body)

    async def capture(self, order_id: str, order: OrderRequest) -> Intent:
        """Take the money that is held."""
        payment = await self._outbox.provider_id(order_id, "authorise_payment")
        body = {"amount_cents": order.amount_cents}
        return Intent(provider=self._provider, path=f"/payments/{payment}/captures", body=body)

    async def withdraw(self, effect: Effect) -> bool:
        """Make no such call from now on; returns whether one may still be on its way."""
        return await self._outbox.withdraw(effect, self._provider)

    async def clear(self, effect: Effect) -> int:
        """Refund and void whatever the provider has under the order's id; returns how many payments that were.

        Args:
            effect: of the attempt that clears; its step and item are not used.

        """
        return await self._undo(effect, captured_only=False)

    async def refund(self, effect: Effect) -> int:
        """Refund what was captured, and leave alone what is merely held; else as `clear`."""
        return await self._undo(effect, captured_only=True)

    async def _undo(self, effect: Effect, *, captured_only: bool) -> int:
        cleared = 0
        for payment in await self._of(effect.workflow_id):
            match undoing(payment.status, payment.captured_cents, payment.refunded_cents):
                case "refund":
                    await self._refund(effect, payment)
                    cleared += 1
                case "void" if not captured_only:
                    await self._void(effect, payment)
                    cleared += 1
        return cleared

    async def _refund(self, effect: Effect, payment: Payment) -> None:
        left = payment.captured_cents - payment.refunded_cents
        # Told apart by what was refunded before: a refund of what came in later is another one.
        item = f"{payment.id}/{payment.refunded_cents}"
        await self._take_back(
            replace(effect, step="refund_payment", item=item), f"/payments/{payment.id}/refunds", {"amount_cents": left}
        )

    async def _void(self, effect: Effect, payment: Payment) -> None:
        await self._take_back(
            replace(effect, step="void_payment", item=payment.id), f"/payments/{payment.id}/voids", {}
        )

    async def _take_back(self, effect: Effect, path: str, body: dict[str, int]) -> None:
        intent = Intent(provider=self._provider, path=path, body=body, refusable=False)
        await self._outbox.perform(effect, intent)

    async def _of(self, order_id: str) -> list[Payment]:
        found = await self._provider.find("/payments", order_id)
        return [Payment.model_validate(each) for each in found["payments"]]
