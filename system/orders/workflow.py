"""An order: reserve, pay, ship, confirm; or take all of it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system import heartbeats
    from system.orders import rules
    from system.orders.activities import OrderActivities
    from system.orders.models import (
        APPROVE,
        CANCEL,
        ORDER,
        PLACE,
        PLACED,
        REJECT,
        STATUS,
        Ask,
        CancelResult,
        Close,
        Final,
        Opened,
        OrderOutcome,
        OrderRequest,
        OrderStatus,
        State,
        Step,
        StepResult,
        Undone,
        Word,
    )
    from system.records import storable

ResultT = TypeVar("ResultT")
Activity = Callable[[OrderActivities, Any], Coroutine[Any, Any, ResultT]]

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=5)
)
LONGEST_REASON = 4_000
"""Characters."""
STEP: dict[Step, Activity[StepResult]] = {
    "reserve_stock": OrderActivities.reserve_stock,
    "authorise_payment": OrderActivities.authorise_payment,
    "capture_payment": OrderActivities.capture_payment,
    "arrange_shipment": OrderActivities.arrange_shipment,
    "confirm_order": OrderActivities.confirm_order,
}
COMPENSATION: dict[Step, Activity[Undone]] = {
    "reserve_stock": OrderActivities.release_stock,
    "authorise_payment": OrderActivities.void_payment,
    "capture_payment": OrderActivities.refund_payment,
    "arrange_shipment": OrderActivities.cancel_shipment,
    "confirm_order": OrderActivities.revoke_confirmation,
}


class _Ends(Exception):
    """The order goes no further: how it ends, and why."""

    def __init__(self, state: Final, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        # It may be anybody's words, a provider's or an error's; and the order must be closed with them.
        self.reason = storable(reason, LONGEST_REASON)


@workflow.defn(name=ORDER)
class Order(Pausable):
    """One order, from its placing to its end; what was begun of one that is not confirmed is taken back."""

    @workflow.init
    def __init__(self, order: OrderRequest) -> None:
        super().__init__()
        self._order = order
        self._state: State = "opening"
        self._reason = ""
        self._begun: list[Step] = []
        self._decision: tuple[bool, Word] | None = None
        self._cancel: Word | None = None
        self._placing: asyncio.Task[Opened] | None = None
        self._end: Opened | None = None

    @workflow.run
    async def run(self, order: OrderRequest) -> OrderOutcome:
        """Bring the order to its end, and tell which.

        Raises CancelledError if the workflow was cancelled while the order could still be: it is, like by its customer.
        """
        try:
            self._placing = asyncio.create_task(self._place())
            end = await self._placing
        except _Ends as ends:
            end = await self._shielded(self._compensate(ends))
        except (asyncio.CancelledError, FailureError) as error:
            end = await self._shielded(self._compensate(self._ended_by(error)))
        self._end = end
        self._enter(_final(end), end.reason)
        if end.state == "cancelled" and _told_to_cancel():
            raise CancelledError(end.reason)
        return OrderOutcome(
            order_id=workflow.info().workflow_id,
            state=_final(end),
            reason=end.reason,
            in_doubt=end.in_doubt,
            amount_cents=order.amount_cents,
        )

    @workflow.update(name=PLACE)
    async def place(self, order: OrderRequest) -> OrderStatus:  # noqa: ARG002 the validator looks at it
        """Tell how the order stands once it is written down, or waits to be: a second placing is told of the first."""
        await workflow.wait_condition(lambda: self._state != "opening" or self.is_paused)
        if self._end is not None and self._end.taken:
            _refuse(self._end.reason)
        return self.status()

    @place.validator
    def _may_place(self, order: OrderRequest) -> None:
        placed = self._order.model_dump(mode="json")
        _refuse(rules.why_not_same(workflow.info().workflow_id, placed, order))

    @workflow.update(name=CANCEL)
    async def cancel(self, word: Word) -> CancelResult:
        """Cancel the order, if it is not too late, and tell what became of it."""
        self._cancel = word
        if self._placing is not None and not rules.too_late(self._state):
            self._placing.cancel()
        await workflow.wait_condition(lambda: self._end is not None)
        assert self._end is not None
        return CancelResult(cancelled=self._end.state == "cancelled", state=_final(self._end))

    @cancel.validator
    def _may_cancel(self, word: Word) -> None:  # noqa: ARG002 its signature is the update's
        _refuse(rules.why_not_cancel(self._state, asked_before=self._cancel is not None))

    @workflow.signal(name=APPROVE)
    def approve(self, word: Word) -> None:
        """Let the order go on; the first decision counts."""
        self._decide(word, approved=True)

    @workflow.signal(name=REJECT)
    def reject(self, word: Word) -> None:
        """Do not let the order go on; the first decision counts."""
        self._decide(word, approved=False)

    @workflow.query(name=STATUS)
    def status(self) -> OrderStatus:
        """Tell where the order stands."""
        return OrderStatus(
            order_id=workflow.info().workflow_id,
            state=self._state,
            amount_cents=self._order.amount_cents,
            currency=self._order.currency,
            reason=self._reason,
            paused=self.is_paused,
            taken=self._end is not None and self._end.taken,
        )

    @workflow.query(name=PLACED)
    def placed(self) -> OrderRequest:
        """Tell what was ordered."""
        return self._order

    async def _place(self) -> Opened:
        """The story of an order that goes well; where it does not, it is left by an exception."""
        await self.checkpoint()
        self._stop_if_cancelled()
        opened = await self._execute(OrderActivities.open_order, self._order)
        if opened.state != "open":
            return opened  # in an earlier run of this workflow; or the id is another order's
        if opened.undoing:
            raise _Ends("failed", "an earlier run of the order had begun to take it back")
        if rules.needs_approval(self._order):
            await self._approval()
        await self._do("reserve_stock")
        await self._in_time(self._do("authorise_payment"))
        await self._do("capture_payment")
        await self._do("arrange_shipment")
        await self._do("confirm_order")
        return Opened(state="confirmed")

    async def _do(self, step: Step) -> None:
        """Do a step of the saga; what will take it back is registered before it begins."""
        await self.checkpoint()
        self._stop_if_cancelled()
        self._enter(rules.STATE_OF[step])
        self._begun.append(step)
        result = await self._execute(STEP[step], self._order)
        if not result.done:
            raise _Ends(rules.REFUSAL_OF[step], result.reason)

    async def _approval(self) -> None:
        """Wait for a person; escalate once, then take silence for a no."""
        policy = self._order.policy
        self._enter("awaiting_approval")
        if not await self._decided(policy.approval_seconds):
            self._enter("escalated")
            await self.checkpoint()
            self._stop_if_cancelled()
            await self._execute(OrderActivities.escalate, self._order)
            if not await self._decided(policy.escalation_seconds):
                raise _Ends("rejected", "nobody decided in time, although it was escalated")
        assert self._decision is not None
        approved, word = self._decision
        if not approved:
            raise _Ends("rejected", f"{word.by}: {word.reason}")

    async def _decided(self, seconds: float) -> bool:
        try:
            await workflow.wait_condition(lambda: self._decision is not None, timeout=timedelta(seconds=seconds))
        except TimeoutError:
            return False
        return True

    async def _in_time(self, step: Coroutine[Any, Any, None]) -> None:
        """Do a step that must be done before the payment's deadline: the stock is held no longer than that."""
        deadline = asyncio.timeout(self._order.policy.payment_seconds)
        try:
            async with deadline:
                await step
        except (TimeoutError, ActivityError) as error:
            if deadline.expired() and not self._is_cancelled():
                raise _Ends("expired", "the payment was not authorised in time") from error
            raise

    async def _compensate(self, ends: _Ends) -> Opened:
        """Take back every step that was begun, the last one first, and close the order."""
        self._enter("compensating", ends.reason)
        found = await self._insist(OrderActivities.find_order, self._order)
        if not self._begun and found.state != "open":
            return found  # as in `_place`: nothing of it is this run's
        in_doubt = False
        for step in rules.compensations(self._begun, earlier=found.earlier):
            undone = await self._insist(COMPENSATION[step], self._order)
            in_doubt = in_doubt or undone.in_doubt
        if in_doubt:
            in_doubt = await self._settle(ends.reason)
        close = Close(order=self._order, state=ends.state, reason=ends.reason, in_doubt=in_doubt)
        return await self._insist(OrderActivities.close_order, close)

    async def _settle(self, reason: str) -> bool:
        """Ask the providers until they know of every call and nothing stands; returns whether a call stays in doubt."""
        self._enter("settling", reason)
        waited, limit = 0.0, self._order.policy.settle_seconds
        while True:
            wait = rules.wait_to_ask(waited, limit)
            await workflow.sleep(wait)
            waited += wait
            try:
                settled = await self._insist(OrderActivities.settle, Ask(last=waited >= limit))
            except ActivityError as error:
                workflow.logger.error("%s", _told(error))  # its dead letter keeps it
                return True
            if not settled.cleared and not settled.in_doubt:
                return False

    async def _execute(self, activity: Activity[ResultT], argument: Any) -> ResultT:
        """Let an activity try for as long as a step may take."""
        # Not waited for when cancelled: an attempt that still runs is fenced, and finds its step undone.
        return await workflow.execute_activity_method(
            activity,
            argument,
            start_to_close_timeout=self._order.policy.attempt,
            schedule_to_close_timeout=self._order.policy.step,
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        )

    async def _insist(self, activity: Activity[ResultT], argument: Any) -> ResultT:
        """Let an activity try until it is done: money and goods must not stay where they are."""
        await self.checkpoint()
        return await workflow.execute_activity_method(
            activity,
            argument,
            start_to_close_timeout=self._order.policy.attempt,
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RETRY,
        )

    async def _shielded(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Do work to its end, whether or not the workflow is cancelled meanwhile."""
        task = asyncio.create_task(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                workflow.logger.info("cancelled while it must not be: going on")
        return task.result()

    def _ended_by(self, error: BaseException) -> _Ends:
        """What the order ends as, which an error ended."""
        if self._cancel is not None:
            return _Ends("cancelled", f"{self._cancel.by}: {self._cancel.reason}")
        if _told_to_cancel():
            return _Ends("cancelled", "the workflow was cancelled")
        return _Ends("failed", _told(error))

    def _stop_if_cancelled(self) -> None:
        # A cancellation can be lost: waiting with a timeout (Python 3.11) returns if both come at once.
        if self._is_cancelled():
            raise asyncio.CancelledError

    def _is_cancelled(self) -> bool:
        return self._cancel is not None or _told_to_cancel()

    def _decide(self, word: Word, *, approved: bool) -> None:
        if self._decision is None and rules.why_not_decide(self._state) is None:
            self._decision = (approved, word)

    def _enter(self, state: State, reason: str = "") -> None:
        assert rules.may_follow(self._state, state), f"{self._state} -> {state}"
        self._state, self._reason = state, reason


def _told_to_cancel() -> bool:
    """Whether the workflow was cancelled, by whoever operates it."""
    return workflow.cancellation_reason() is not None


def _final(end: Opened) -> Final:
    assert end.state != "open", "an order that ended is not open"
    return end.state


def _told(error: BaseException) -> str:
    inner = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    return str(inner)


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise ApplicationError(reason, type="Refused", non_retryable=True)
