"""The activities of orders: each does one step, or takes one back, durably, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from temporalio import activity

from system.errors import InputError, StillInDoubt
from system.heartbeats import beating
from system.orders import calls, journal, stock, store
from system.orders.calls import Answer
from system.orders.insisting import insisting
from system.orders.models import (
    ARRANGE_SHIPMENT,
    ASK_AGAIN,
    AUTHORISE_PAYMENT,
    BELIEVE,
    CANCEL_SHIPMENT,
    CAPTURE_PAYMENT,
    CLOSE_ORDER,
    CONFIRM_ORDER,
    ESCALATE,
    FIND_ORDER,
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
    InDoubt,
    Opened,
    OrderRequest,
    Settled,
    Step,
    StepResult,
    StockCount,
    Undone,
)
from system.orders.outbox import Intent, Outbox, Write
from system.orders.payments import Payments
from system.orders.providers import Provider
from system.orders.rules import entries_of, shortages, why_bad_id, why_not_same
from system.orders.shipping import Shipping
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
            self.find_order,
            self.escalate,
            *forward,
            self.confirm_order,
            self.revoke_confirmation,
            *back,
            self.settle,
            self.ask_again,
            self.believe,
            self.close_order,
            self.set_stock,
        ]

    @activity.defn(name=OPEN_ORDER)
    @beating()
    async def open_order(self, order: OrderRequest) -> Opened:
        """Write down what was ordered; where it was before, tell how that order stands."""
        effect = Effect.of_attempt("open_order")
        if problem := why_bad_id(effect.workflow_id):
            raise InputError(problem)
        for provider in self._providers:
            provider.address()  # where it has none, nothing of the order is begun
        before = await self._written(order)
        if before is not None and before.taken:
            return before

        async def write(connection: Connection) -> Opened:
            await store.open_order(connection, effect.workflow_id, order)
            return Opened(state="open")

        opened = await once(self._database, effect, Opened, write)
        return await self._written(order) or opened

    @activity.defn(name=FIND_ORDER)
    @beating()
    @insisting
    async def find_order(self, order: OrderRequest) -> Opened:
        """Tell what is written of an order that goes no further: what is open, is to be taken back."""
        return await self._written(order) or Opened(state="open")

    @activity.defn(name=ESCALATE)
    @beating()
    async def escalate(self, order: OrderRequest) -> StepResult:  # noqa: ARG002 every activity takes one record
        """Write down that nobody has decided about the order in time."""
        effect = Effect.of_attempt("escalate")

        async def write(connection: Connection) -> StepResult:
            await store.escalate(connection, effect.workflow_id)
            return StepResult()

        return await once(self._database, effect, StepResult, write)

    @activity.defn(name=RESERVE_STOCK)
    @beating()
    async def reserve_stock(self, order: OrderRequest) -> StepResult:
        """Hold everything that was ordered, or nothing."""
        effect = Effect.of_attempt("reserve_stock")

        async def write(connection: Connection) -> StepResult:
            short = shortages(order.lines, await stock.lock(connection, order.lines))
            if short:
                return StepResult(done=False, reason="; ".join(short))
            await stock.reserve(connection, effect.workflow_id, order.lines)
            return StepResult()

        return await once(self._database, effect, StepResult, write)

    @activity.defn(name=RELEASE_STOCK)
    @beating()
    @insisting
    async def release_stock(self, order: OrderRequest) -> Undone:  # noqa: ARG002 - every step takes the order
        """Put back what is held."""
        effect = Effect.of_attempt("reserve_stock")

        async def take_back(connection: Connection, _: StepResult) -> None:
            await stock.release(connection, effect.workflow_id)

        await undo(self._database, effect, StepResult, take_back)
        return Undone()

    @activity.defn(name=AUTHORISE_PAYMENT)
    @beating()
    async def authorise_payment(self, order: OrderRequest) -> StepResult:
        """Have the customer's money held."""
        effect = Effect.of_attempt("authorise_payment")
        return await self._call(effect, self._payments.authorisation(effect.workflow_id, order), self._payments)

    @activity.defn(name=VOID_PAYMENT)
    @beating()
    @insisting
    async def void_payment(self, order: OrderRequest) -> Undone:  # noqa: ARG002 - every step takes the order
        """Have the customer's money let go of."""
        return await self._take_back(Effect.of_attempt("authorise_payment"), self._payments, self._payments.clear)

    @activity.defn(name=CAPTURE_PAYMENT)
    @beating()
    async def capture_payment(self, order: OrderRequest) -> StepResult:
        """Have the money taken that is held, and enter it in the ledger."""
        effect = Effect.of_attempt("capture_payment")
        intent = await self._payments.capture(effect.workflow_id, order)

        async def write(connection: Connection, answer: Answer) -> None:
            if answer.done:
                entries = entries_of("capture_payment", order.amount_cents)
                await journal.post(connection, effect.workflow_id, effect.step, entries)

        return await self._call(effect, intent, self._payments, write)

    @activity.defn(name=REFUND_PAYMENT)
    @beating()
    @insisting
    async def refund_payment(self, order: OrderRequest) -> Undone:  # noqa: ARG002 - every step takes the order
        """Have the money given back that was taken, and reverse it in the ledger."""
        return await self._take_back(Effect.of_attempt("capture_payment"), self._payments, self._payments.refund)

    @activity.defn(name=ARRANGE_SHIPMENT)
    @beating()
    async def arrange_shipment(self, order: OrderRequest) -> StepResult:
        """Have the shipping provider bring it."""
        effect = Effect.of_attempt("arrange_shipment")
        return await self._call(effect, self._shipping.shipment(effect.workflow_id, order), self._shipping)

    @activity.defn(name=CANCEL_SHIPMENT)
    @beating()
    @insisting
    async def cancel_shipment(self, order: OrderRequest) -> Undone:  # noqa: ARG002 - every step takes the order
        """Have the shipping provider not bring it."""
        return await self._take_back(Effect.of_attempt("arrange_shipment"), self._shipping, self._shipping.clear)

    @activity.defn(name=CONFIRM_ORDER)
    @beating()
    async def confirm_order(self, order: OrderRequest) -> StepResult:
        """Let the order stand: its stock is shipped, its money is sales."""
        effect = Effect.of_attempt("confirm_order")

        async def write(connection: Connection) -> StepResult:
            await store.confirm_order(connection, effect.workflow_id)
            await stock.ship(connection, effect.workflow_id)
            entries = entries_of("confirm_order", order.amount_cents)
            await journal.post(connection, effect.workflow_id, effect.step, entries)
            return StepResult()

        return await once(self._database, effect, StepResult, write)

    @activity.defn(name=REVOKE_CONFIRMATION)
    @beating()
    @insisting
    async def revoke_confirmation(self, order: OrderRequest) -> Undone:  # noqa: ARG002 - every step takes the order
        """Let the order not stand after all."""
        effect = Effect.of_attempt("confirm_order")

        async def take_back(connection: Connection, _: StepResult) -> None:
            await store.revoke_confirmation(connection, effect.workflow_id)
            await stock.unship(connection, effect.workflow_id)
            await journal.reverse(connection, effect.workflow_id, effect.step)

        await undo(self._database, effect, StepResult, take_back)
        return Undone()

    @activity.defn(name=SETTLE)
    @beating()
    @insisting
    async def settle(self, ask: Ask) -> Settled:
        """Ask both providers whether anything of a compensated order stands, and take it back.

        Raises:
            StillInDoubt: asked for the last time, a provider does not know of a call that was sent to it.

        """
        effect = Effect.of_attempt("settle")
        in_doubt, cleared = await self._ask(effect)
        if in_doubt and not cleared and ask.last:
            raise StillInDoubt(*in_doubt)
        return Settled(cleared=cleared, in_doubt=bool(in_doubt))

    @activity.defn(name=ASK_AGAIN)
    @beating()
    @insisting
    async def ask_again(self, doubt: InDoubt) -> Settled:
        """Ask both providers about an order that ended in doubt, and write down when there is none any more."""
        effect = replace(Effect.of_attempt("settle_order"), workflow_id=doubt.order_id)
        in_doubt, cleared = await self._ask(effect)
        settled = Settled(cleared=cleared, in_doubt=bool(in_doubt))
        return settled if settled.in_doubt else await self._settle(effect, settled)

    @activity.defn(name=BELIEVE)
    @beating()
    @insisting
    async def believe(self, doubt: InDoubt) -> Settled:
        """Write down that there is no doubt any more, since somebody says so: nobody is asked."""
        effect = replace(Effect.of_attempt("settle_order"), workflow_id=doubt.order_id)
        return await self._settle(effect, Settled(cleared=0, in_doubt=False))

    @activity.defn(name=CLOSE_ORDER)
    @beating()
    @insisting
    async def close_order(self, close: Close) -> Opened:
        """Write down how an order ended, once, and tell what is written."""
        effect = Effect.of_attempt("close_order")

        async def write(connection: Connection) -> Opened:
            return await store.close_order(connection, effect.workflow_id, close)

        return await once(self._database, effect, Opened, write)

    @activity.defn(name=SET_STOCK)
    @beating()
    async def set_stock(self, count: StockCount) -> Counted:
        """Write down how many of a sku are on hand now."""
        effect = Effect.of_attempt("set_stock", count.sku)

        async def write(connection: Connection) -> Counted:
            return await stock.count(connection, effect.workflow_id, count.sku, count.on_hand)

        return await once(self._database, effect, Counted, write)

    async def _written(self, order: OrderRequest) -> Opened | None:
        """What is written under the order's id; None if nothing is."""
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        async with self._database.acquire() as connection:
            found = await store.find_order(connection, workflow_id, run_id)
        if found is None:
            return None
        opened, placed = found
        another = why_not_same(workflow_id, placed, order)
        return Opened(state="failed", reason=another, taken=True) if another else opened

    async def _call(
        self, effect: Effect, intent: Intent, at: Payments | Shipping, write: Write | None = None
    ) -> StepResult:
        """Have a provider do a step; if it is done too late, what stands there is taken back at once."""
        answer = await self._outbox.perform(effect, intent, write=write, put_right=lambda: at.clear(effect))
        return StepResult(done=answer.done, reason=answer.reason)

    async def _take_back(
        self, effect: Effect, at: Payments | Shipping, clear: Callable[[Effect], Awaitable[int]]
    ) -> Undone:
        """Have a provider take a step back, and reverse what the step posted, if it did."""
        in_doubt = await at.withdraw(effect)
        await clear(effect)

        async def take_back(connection: Connection, _: Answer) -> None:
            await calls.undo(connection, effect)
            await journal.reverse(connection, effect.workflow_id, effect.step)

        await undo(self._database, effect, Answer, take_back)
        return Undone(in_doubt=in_doubt)

    async def _settle(self, effect: Effect, settled: Settled) -> Settled:
        async def write(connection: Connection) -> Settled:
            await store.settle_order(connection, effect.workflow_id)
            return settled

        return await once(self._database, effect, Settled, write)

    async def _ask(self, effect: Effect) -> tuple[list[Step], int]:
        """Ask both providers about an order; returns the steps in doubt, and how much stood that does no longer."""
        steps: Sequence[tuple[Payments | Shipping, Step]] = (
            (self._payments, "authorise_payment"),
            (self._payments, "capture_payment"),
            (self._shipping, "arrange_shipment"),
        )
        # First what they know of, then what stands: the other way round, a call could come in between. What they know
        # of cannot come any more, so that nothing stands after this unless something is in doubt.
        in_doubt = [step for at, step in steps if await at.withdraw(replace(effect, step=step))]
        return in_doubt, await self._payments.clear(effect) + await self._shipping.clear(effect)
