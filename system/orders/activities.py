"""The activities of orders: each does one step, or takes one back, durably, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from temporalio import activity

from system.errors import InputError, StillInDoubt
from system.orders import journal, stock, store
from system.orders.insisting import insisting
from system.orders.models import (
    ARRANGE_SHIPMENT,
    AUTHORISE_PAYMENT,
    CANCEL_SHIPMENT,
    CAPTURE_PAYMENT,
    CLOSE_ORDER,
    CONFIRM_ORDER,
    ESCALATE,
    OPEN_ORDER,
    REFUND_PAYMENT,
    RELEASE_STOCK,
    RESERVE_STOCK,
    REVOKE_CONFIRMATION,
    SET_STOCK,
    SETTLE,
    VOID_PAYMENT,
    Ask,
    Close,
    Counted,
    Opened,
    OrderRequest,
    Settled,
    Step,
    StepResult,
    StockCount,
    Undone,
)
from system.orders.outbox import Answer, Outbox, mark_undone
from system.orders.payments import Payments
from system.orders.providers import Provider
from system.orders.rules import entries_of, shortages, why_bad_id
from system.orders.shipping import Shipping
from system.records import Record
from system.storage.claims import once, undo
from system.storage.effects import Effect

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool


class OrderActivities:
    """The activities and what they need: the database and the two providers."""

    def __init__(self, database: Pool, payment: Provider, shipping: Provider) -> None:
        self._database = database
        self._providers = (payment, shipping)
        self._outbox = Outbox(database)
        self._payments = Payments(payment, self._outbox)
        self._shipping = Shipping(shipping, self._outbox)

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """Every activity, as a worker takes them."""
        forward = [self.reserve_stock, self.authorise_payment, self.capture_payment, self.arrange_shipment]
        back = [self.release_stock, self.void_payment, self.refund_payment, self.cancel_shipment]
        return [
            self.open_order,
            self.escalate,
            *forward,
            self.confirm_order,
            self.revoke_confirmation,
            *back,
            self.settle,
            self.close_order,
            self.set_stock,
        ]

    @activity.defn(name=OPEN_ORDER)
    async def open_order(self, order: OrderRequest) -> Opened:
        """Write down what was ordered; where it was before, tell how that order stands."""
        effect = Effect.of_attempt("open_order")
        if problem := why_bad_id(effect.workflow_id):
            raise InputError(problem)
        for provider in self._providers:
            provider.address()  # where it has none, nothing of the order is begun

        async def write(connection: Connection) -> Opened:
            return await store.open_order(connection, effect.workflow_id, order)

        await once(self._database, effect, Opened, write)
        async with self._database.acquire() as connection:
            return await store.read_order(connection, effect.workflow_id)

    @activity.defn(name=ESCALATE)
    async def escalate(self, order: OrderRequest) -> StepResult:  # noqa: ARG002 every activity takes one record
        """Write down that nobody has decided about the order in time."""
        effect = Effect.of_attempt("escalate")

        async def write(connection: Connection) -> StepResult:
            await store.escalate(connection, effect.workflow_id)
            return StepResult()

        return await once(self._database, effect, StepResult, write)

    @activity.defn(name=RESERVE_STOCK)
    async def reserve_stock(self, order: OrderRequest) -> StepResult:
        """Hold everything that was ordered, or nothing."""
        effect = _of("reserve_stock")

        async def write(connection: Connection) -> StepResult:
            short = shortages(order.lines, await stock.lock(connection, order.lines))
            if short:
                return StepResult(done=False, reason="; ".join(short))
            await stock.reserve(connection, effect.workflow_id, order.lines)
            return StepResult()

        return await once(self._database, effect, StepResult, write)

    @activity.defn(name=RELEASE_STOCK)
    @insisting
    async def release_stock(self, order: OrderRequest) -> Undone:  # noqa: ARG002
        """Put back what is held."""
        effect = _of("reserve_stock")

        async def take_back(connection: Connection, _: StepResult) -> None:
            await stock.release(connection, effect.workflow_id)

        await undo(self._database, effect, StepResult, take_back)
        return Undone()

    @activity.defn(name=AUTHORISE_PAYMENT)
    async def authorise_payment(self, order: OrderRequest) -> StepResult:
        """Have the customer's money held."""
        effect = _of("authorise_payment")
        intent = self._payments.authorisation(effect.workflow_id, order)
        answer = await self._outbox.perform(effect, intent, put_right=lambda: self._payments.clear(effect))
        return StepResult(done=answer.done, reason=answer.reason)

    @activity.defn(name=VOID_PAYMENT)
    @insisting
    async def void_payment(self, order: OrderRequest) -> Undone:  # noqa: ARG002
        """Have the customer's money let go of."""
        effect = _of("authorise_payment")
        in_doubt = await self._payments.withdraw(effect)
        await self._payments.clear(effect)
        await undo(self._database, effect, Answer, _call_of(effect))
        return Undone(in_doubt=in_doubt)

    @activity.defn(name=CAPTURE_PAYMENT)
    async def capture_payment(self, order: OrderRequest) -> StepResult:
        """Have the money taken that is held, and enter it in the ledger."""
        effect = _of("capture_payment")
        intent = await self._payments.capture(effect.workflow_id, order)

        async def write(connection: Connection, answer: Answer) -> None:
            if answer.done:
                entries = entries_of("capture_payment", order.amount_cents)
                await journal.post(connection, effect.workflow_id, effect.step, entries)

        answer = await self._outbox.perform(effect, intent, write=write, put_right=lambda: self._payments.clear(effect))
        return StepResult(done=answer.done, reason=answer.reason)

    @activity.defn(name=REFUND_PAYMENT)
    @insisting
    async def refund_payment(self, order: OrderRequest) -> Undone:  # noqa: ARG002
        """Have the money given back that was taken, and reverse it in the ledger."""
        effect = _of("capture_payment")
        in_doubt = await self._payments.withdraw(effect)
        await self._payments.clear(effect, captured_only=True)

        async def take_back(connection: Connection, _: Answer) -> None:
            await mark_undone(connection, effect)
            await journal.reverse(connection, effect.workflow_id, effect.step)

        await undo(self._database, effect, Answer, take_back)
        return Undone(in_doubt=in_doubt)

    @activity.defn(name=ARRANGE_SHIPMENT)
    async def arrange_shipment(self, order: OrderRequest) -> StepResult:
        """Have the shipping provider bring it."""
        effect = _of("arrange_shipment")
        intent = self._shipping.shipment(effect.workflow_id, order)
        answer = await self._outbox.perform(effect, intent, put_right=lambda: self._shipping.clear(effect))
        return StepResult(done=answer.done, reason=answer.reason)

    @activity.defn(name=CANCEL_SHIPMENT)
    @insisting
    async def cancel_shipment(self, order: OrderRequest) -> Undone:  # noqa: ARG002
        """Have the shipping provider not bring it."""
        effect = _of("arrange_shipment")
        in_doubt = await self._shipping.withdraw(effect)
        await self._shipping.clear(effect)
        await undo(self._database, effect, Answer, _call_of(effect))
        return Undone(in_doubt=in_doubt)

    @activity.defn(name=CONFIRM_ORDER)
    async def confirm_order(self, order: OrderRequest) -> StepResult:
        """Let the order stand: its stock is shipped, its money is sales."""
        effect = _of("confirm_order")

        async def write(connection: Connection) -> StepResult:
            await store.confirm_order(connection, effect.workflow_id)
            await stock.ship(connection, effect.workflow_id)
            entries = entries_of("confirm_order", order.amount_cents)
            await journal.post(connection, effect.workflow_id, effect.step, entries)
            return StepResult()

        return await once(self._database, effect, StepResult, write)

    @activity.defn(name=REVOKE_CONFIRMATION)
    @insisting
    async def revoke_confirmation(self, order: OrderRequest) -> Undone:  # noqa: ARG002
        """Let the order not stand after all."""
        effect = _of("confirm_order")

        async def take_back(connection: Connection, _: StepResult) -> None:
            await store.revoke_confirmation(connection, effect.workflow_id)
            await stock.unship(connection, effect.workflow_id)
            await journal.reverse(connection, effect.workflow_id, effect.step)

        await undo(self._database, effect, StepResult, take_back)
        return Undone()

    @activity.defn(name=SETTLE)
    @insisting
    async def settle(self, ask: Ask) -> Settled:
        """Ask both providers whether anything of a compensated order stands, and take it back.

        Raises:
            StillInDoubt: asked for the last time, a provider does not know of a call that was sent to it.

        """
        withdraws = (
            (self._payments, _of("authorise_payment")),
            (self._payments, _of("capture_payment")),
            (self._shipping, _of("arrange_shipment")),
        )
        # First what they know of, then what stands: the other way round, a call could come in between.
        in_doubt = [effect.step for provider, effect in withdraws if await provider.withdraw(effect)]
        effect = Effect.of_attempt("settle")
        cleared = await self._payments.clear(effect) + await self._shipping.clear(effect)
        if in_doubt and not cleared and ask.last:
            raise StillInDoubt(f"the provider does not know of {', '.join(in_doubt)}, which was sent")
        return Settled(cleared=cleared, in_doubt=bool(in_doubt))

    @activity.defn(name=CLOSE_ORDER)
    @insisting
    async def close_order(self, close: Close) -> Opened:
        """Write down how an order ended, once, and tell what is written."""
        effect = Effect.of_attempt("close_order")

        async def write(connection: Connection) -> Opened:
            return await store.close_order(connection, effect.workflow_id, close)

        return await once(self._database, effect, Opened, write)

    @activity.defn(name=SET_STOCK)
    async def set_stock(self, count: StockCount) -> Counted:
        """Write down how many of a sku are on hand now."""
        effect = Effect.of_attempt("set_stock", count.sku)

        async def write(connection: Connection) -> Counted:
            return await stock.count(connection, effect.workflow_id, count.sku, count.on_hand)

        return await once(self._database, effect, Counted, write)


def _of(step: Step) -> Effect:
    """The effect of a step, be it the step itself that runs or what takes it back."""
    return Effect.of_attempt(step)


def _call_of(effect: Effect) -> Callable[[Connection, Record], Any]:
    async def take_back(connection: Connection, _: Record) -> None:
        await mark_undone(connection, effect)

    return take_back
