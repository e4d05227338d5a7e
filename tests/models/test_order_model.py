"""Orders that go wrong anywhere, are decided, paused and cancelled at any time: each step once, and back once."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, initialize, multiple, rule
from ordering import QUICK, an_order
from pauses import started_while_paused
from temporalio.client import Plugin, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError

from harness.faultpoints import FaultPointInterceptor, FaultPoints
from harness.modeltest import QUICK as QUICK_EXAMPLES
from harness.modeltest import Models, TemporalMachine
from scenarios.outside.client import Outside
from system.breaker import Breakers
from system.control.pausable import PAUSE, RESUME
from system.control.pausable import Order as Told
from system.dead_letters.activities import DeadLetterActivities
from system.orders.activities import OrderActivities
from system.orders.models import APPROVE, REJECT, OrderOutcome, Step, Word
from system.orders.providers import Http, Provider
from system.orders.rules import STEPS
from system.orders.workflow import Order
from system.plugin import SystemPlugin
from system.search_attributes import register
from system.settings import Settings
from system.storage.effects import ledger
from system.storage.pool import Pool, open_pool

Handle = WorkflowHandle[Order, OrderOutcome]
OPERATOR = Told(by="an operator", reason="a test")
WAITS = QUICK.model_copy(update={"approval_above_cents": 0})
"""For somebody to decide: until then nothing of an order is done."""
AGAIN_AND_AGAIN = range(1, 1000)
SKU = "sku"


@dataclass(frozen=True)
class Fate:
    """What is to befall an order."""

    fails_at: Step | None
    """The step that fails for good."""
    had_effect: bool
    """Whether it has done what it does by then."""
    repeats: Step
    """The step whose first attempt takes effect while Temporal hears that it failed: it is tried again."""


fates = st.tuples(
    *(
        st.builds(Fate, fails_at=st.just(step), had_effect=st.booleans(), repeats=st.sampled_from(STEPS))
        for step in (None, None, *STEPS)
    )
)


@dataclass
class Model:
    """What is known of an order."""

    fate: Fate
    decided: str | None = None
    may_be_cancelled: bool = False

    def steps(self) -> Sequence[Step]:
        """Those that have an effect where nobody cancels."""
        if self.decided != "approved":
            return ()
        fails_at = self.fate.fails_at
        return STEPS if fails_at is None else STEPS[: STEPS.index(fails_at) + self.fate.had_effect]

    def ends(self) -> set[str]:
        """The states in which it may end."""
        cancelled = {"cancelled"} if self.may_be_cancelled else set()
        if self.decided != "approved":
            return {"rejected"} | cancelled
        return {"confirmed" if self.fate.fails_at is None else "failed"} | cancelled


@asynccontextmanager
async def order_activities(pool: Pool, outside: Outside) -> AsyncIterator[Sequence[Callable[..., Any]]]:
    breakers = Breakers(threshold=1_000_000)
    async with Http() as http:
        providers = (Provider(name, outside.url, http, breakers) for name in ("payment", "shipping"))
        yield OrderActivities(pool, *providers).all


@asynccontextmanager
async def stocked(settings: Settings) -> AsyncIterator[Pool]:
    pool = await open_pool(settings)
    insert = "INSERT INTO stock (sku, counted, on_hand) VALUES ($1, 1000, 1000) ON CONFLICT DO NOTHING"
    await pool.execute(insert, SKU)
    yield pool
    pool.terminate()


class Orders(TemporalMachine):
    """Places orders, of which each step fails one, and meddles with them."""

    orders: Bundle[Handle] = Bundle("order")

    def __init__(self, models: Models, settings: Settings, outside: Outside, tmp_path: Path) -> None:
        super().__init__(models)
        self.faults = FaultPoints(tmp_path / self.prefix)
        self.outside = outside
        self.pool = self.enter(stocked(settings))
        self.on_loop(register(self.temporal.client))
        letters = DeadLetterActivities(self.pool, self.temporal.client, self.temporal.task_queue)
        self.run_worker(
            activities=[*self.enter(order_activities(self.pool, outside)), *letters.all],
            interceptors=[FaultPointInterceptor(self.faults.directory)],
        )
        self.placed: dict[str, tuple[Handle, Model]] = {}

    @initialize(target=orders, fates=fates)
    def place(self, fates: tuple[Fate, ...]) -> MultipleResults[Handle]:
        return multiple(*map(self.place_one, fates))

    def place_one(self, fate: Fate) -> Handle:
        order_id = f"{self.prefix}-{len(self.placed)}"
        if fate.fails_at is not None:
            place = self.faults.at(f"orders.{fate.fails_at}", workflow_id=order_id, attempt=AGAIN_AND_AGAIN)
            place.after_commit(retryable=False) if fate.had_effect else place.before(retryable=False)
        self.faults.at(f"orders.{fate.repeats}", workflow_id=order_id).after_commit()
        handle: Handle = self.start(Order.run, an_order(SKU, policy=WAITS), id=order_id)
        self.placed[order_id] = (handle, Model(fate))
        return handle

    @rule(order=orders, approved=st.booleans())
    def decide(self, order: Handle, approved: bool) -> None:
        _, model = self.placed[order.id]
        if model.decided is None:
            model.decided = "approved" if approved else "rejected"
        self.tell(order, APPROVE if approved else REJECT, Word(by="the manager", reason="a test"))

    @rule(order=orders)
    def pause(self, order: Handle) -> None:
        self.tell(order, PAUSE, OPERATOR)

    @rule(order=orders)
    def approve_while_paused(self, order: Handle) -> None:
        self.pause(order)
        self.decide(order, approved=True)

    @rule(order=orders)
    def resume(self, order: Handle) -> None:
        self.tell(order, RESUME, OPERATOR)

    @rule(order=orders)
    def cancel_workflow(self, order: Handle) -> None:
        _, model = self.placed[order.id]
        model.may_be_cancelled = True
        with suppress(RPCError):
            self.cancel(order)

    def tell(self, order: Handle, signal: str, what: object) -> None:
        """Signal an order, which may have ended."""
        with suppress(RPCError):
            self.signal(order, signal, what)

    def settle(self) -> None:
        """Let every order come to its end, and see what it has come to."""
        for order, _ in self.placed.values():
            self.decide(order, approved=True)
            self.resume(order)
        for order, model in self.placed.values():
            state, reason = self.end_of(order)
            assert state in model.ends(), reason
            assert started_while_paused(self.history(order).events) == []
            self.on_loop(self.check_effects(order.id, state, model))

    def end_of(self, order: Handle) -> tuple[str, str]:
        try:
            outcome: OrderOutcome = self.result(order)
        except WorkflowFailureError as failure:
            state = "cancelled" if isinstance(failure.cause, CancelledError) else "workflow failed"
            return state, str(failure.cause)
        return outcome.state, outcome.reason

    async def check_effects(self, order_id: str, state: str, model: Model) -> None:
        async with self.pool.acquire() as connection:
            effects = [effect for effect in await ledger(connection, order_id) if effect.step in STEPS]
        done = [effect.step for effect in effects if effect.kind == "forward"]
        undone = [effect.step for effect in effects if effect.kind == "compensation"]
        assert done == list(STEPS[: len(done)] if model.may_be_cancelled else model.steps())
        assert undone == ([] if state == "confirmed" else done[::-1])
        assert [count for count in await self.outside.counts(order_id) if count.effects > 1] == []


@pytest.fixture(scope="module")
def temporal_plugins() -> list[Plugin]:
    return [SystemPlugin()]


@pytest.mark.models
def test_each_step_is_done_once_and_taken_back_once(
    temporal_model: Models, settings: Settings, outside: Outside, tmp_path: Path
) -> None:
    """The last one first, where the order is not confirmed; and nothing is begun while it is paused."""
    few = examples(QUICK_EXAMPLES, max_examples=2)
    temporal_model.check(Orders, few, settings=settings, outside=outside, tmp_path=tmp_path)
