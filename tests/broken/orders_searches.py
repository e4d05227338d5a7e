"""Orders as the harness drives and judges them, and what of it shows a bug."""

from collections.abc import Callable
from typing import Any

from bench import Bench, Found, database_of
from waiting import held

from harness.driver import App, Started
from harness.eventually import eventually
from harness.faultpoints import FaultPoints
from scenarios import orders
from scenarios.orders import Given, SecondThoughts, Troubles
from scenarios.outside.wire import Action, Kind
from system.orders import models


class CancelledMeanwhile(orders.Cancel):
    """An order that its customer cancels at a moment that faults make certain: while a step is under way."""

    def __init__(self, faults: FaultPoints) -> None:
        self._faults = faults

    async def meanwhile(self, app: App, given: SecondThoughts, started: Started) -> None:
        await eventually(self._faults.bitten, timeout=30)
        word = models.Word(by="the customer", reason="found it cheaper")
        await app.update(started, models.CANCEL, word)


async def a_refused_shipment(bench: Bench) -> Found:
    """An order is paid, its carrier refuses, and it is taken back."""
    async with bench.trial("orders-troubled", _one(Kind.REFUSE, Action.SHIP)) as trial:
        return await trial.judged()


async def a_provider_that_fails_twice(bench: Bench) -> Found:
    """A provider does nothing and answers 503, twice; then it does what it is asked to."""
    wanted = _one(Kind.FAIL_BEFORE, Action.AUTHORIZE, times=2)
    async with bench.trial("orders-troubled", wanted) as trial:
        return await trial.judged()


async def a_lost_completion_and_a_cancellation(bench: Bench) -> Found:
    """The stock is reserved, Temporal does not hear of it, and the customer cancels."""
    async with bench.trial("orders-cancel") as trial:
        trial.faults.at(models.RESERVE_STOCK, prefix=trial.iteration.prefix).lose()
        return await trial.judged(CancelledMeanwhile(trial.faults))


async def an_attempt_that_wakes_up_late(bench: Bench) -> Found:
    """An attempt stands still; the order is cancelled and taken back meanwhile; then it goes on."""
    async with bench.trial("orders-cancel") as trial:
        trial.faults.at(models.RESERVE_STOCK, prefix=trial.iteration.prefix).hang()
        return await trial.judged(CancelledMeanwhile(trial.faults), last=True)


async def a_provider_that_does_not_answer(bench: Bench) -> Found:
    """A provider does what it is asked to, and its answer is lost."""
    wanted = _one(Kind.DROP_AFTER, Action.AUTHORIZE, times=1)
    async with bench.trial("orders-troubled", wanted) as trial:
        return await trial.judged()


async def a_step_that_was_done_before(bench: Bench) -> Found:
    """The order is confirmed; Temporal hears that this failed, and has it confirmed again."""
    async with bench.trial("orders-place") as trial:
        trial.faults.at(models.CONFIRM_ORDER, prefix=trial.iteration.prefix).after_commit()
        return await trial.judged()


async def a_cancellation_while_it_is_shipped(bench: Bench) -> Found:
    """The order is paid, its shipment stands still, and its customer cancels."""
    async with bench.trial("orders-cancel") as trial:
        trial.faults.at(models.ARRANGE_SHIPMENT, prefix=trial.iteration.prefix).hang()
        return await trial.judged(CancelledMeanwhile(trial.faults), last=True)


async def a_connection_that_is_cut_at_the_ledger(bench: Bench) -> Found:
    """The connection that is about to write the first line of the ledger is cut, and the step is done again."""
    async with bench.trial("orders-place") as trial, held(database_of(bench), "effects", until=1, cut=True):
        return await trial.judged()


async def many_orders_for_one_thing(bench: Bench) -> Found:
    """Two orders reserve the same thing at the same time: neither writes before both are at it."""
    async with (
        bench.trial("orders-contended", _enough_for_two) as trial,
        held(database_of(bench), "reservations", until=2),
    ):
        return await trial.judged()


def _enough_for_two(given: Given) -> bool:
    """Whether any two of the orders can be served."""
    (on_hand,) = given.on_hand
    return on_hand >= 2 * max(max(order) for order in given.orders)


def _one(kind: Kind, action: Action, times: int | None = None) -> Callable[[Any], bool]:
    """Inputs in which this is the providers' one trouble."""

    def wanted(given: Troubles) -> bool:
        only = given.behaviours[0] if len(given.behaviours) == 1 else None
        return only is not None and (only.kind, only.actions, only.times) == (kind, (action,), times)

    return wanted
