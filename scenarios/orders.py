"""Customers order: all goes well, they think better of it, providers fail, a person must agree, too little is there."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from harness.driver import App, Refused, Started
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios.ordered import ORDER, RESERVE, STOCK, order_facts
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour
from scenarios.outside.wire import Kind as Trouble
from system.orders import models
from system.orders.models import Line, OrderOutcome, OrderRequest, Policy, StockCount, Word

GivenT = TypeVar("GivenT", bound="Given")

MUST_UNDO = frozenset({"cancelled", "rejected", "declined", "out_of_stock", "undeliverable", "expired", "failed"})


class Given(Struct, frozen=True, kw_only=True):
    """What is on hand, and what is ordered of it: by order, by sku."""

    on_hand: tuple[int, ...]
    orders: tuple[tuple[int, ...], ...]
    price_cents: int = 1_999


class _Orders(Scenario[GivenT]):
    """Stock is counted, orders are placed; every one ends as it may, and money and goods agree everywhere."""

    def policy(self, given: GivenT) -> Policy:
        """How long the orders may take, and who must be asked."""
        return Policy()

    @abstractmethod
    def allowed(self, given: GivenT) -> frozenset[str]:
        """How an order may end, whatever breaks."""

    async def run(self, app: App, given: GivenT) -> None:
        counts = [
            await app.start(
                models.STOCKTAKE, StockCount(sku=_sku(app, number), on_hand=on_hand), part=f"stock-{number}"
            )
            for number, on_hand in enumerate(given.on_hand)
        ]
        await asyncio.gather(*map(app.result, counts))
        await asyncio.gather(*(self._order(app, given, number) for number in range(len(given.orders))))

    async def _order(self, app: App, given: GivenT, number: int) -> None:
        lines = tuple(
            Line(sku=_sku(app, sku), quantity=quantity, price_cents=given.price_cents)
            for sku, quantity in enumerate(given.orders[number])
            if quantity
        )
        request = OrderRequest(customer="a customer", address="a street", lines=lines, policy=self.policy(given))
        started = await app.start(models.ORDER, request, part=_part(number), result_type=OrderOutcome)
        await self.meanwhile(app, given, started)
        await app.result(started)

    async def meanwhile(self, app: App, given: GivenT, started: Started) -> None:
        """What happens to an order after it was placed."""

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await order_facts(stores, iterations)

    def check(self, given: GivenT, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        orders = [fact for fact in facts if fact.step == ORDER]
        findings = [finding for order in orders for finding in _judge(order, self.allowed(given))]
        findings += _stock_findings(facts)
        ended = {op.workflow_id for op in operations if op.kind is Kind.RESULT and op.status == "completed"}
        recorded = {order.workflow_id for order in orders if "open" not in order.values}
        findings += [
            Finding(problem="lost", message="the workflow ended, and its order did not", workflow_id=workflow)
            for workflow in sorted(ended - recorded)
            if workflow.rpartition(".")[2].startswith("order")
        ]
        return findings


def _judge(order: Fact, allowed: frozenset[str]) -> list[Finding]:
    """Money and goods of one order that has ended, here and at the providers."""
    is_, amount = order.values, order.values["amount_cents"]
    if "open" in is_:
        return []  # whether it ends at all is liveness
    state = next(name for name in is_ if name in {"confirmed", *MUST_UNDO})
    sold = amount if state == "confirmed" else 0
    must = {
        "received_cents": sold,
        "sales_cents": sold,
        "deposits_cents": 0,
        "net_cents": sold,
        "authorized_cents": 0,
        "shipments": 1 if sold else 0,
    }
    findings = [
        Finding(
            problem="disagrees",
            message=f"{state}: {name} is {is_[name]}, must be {value}",
            workflow_id=order.workflow_id,
        )
        for name, value in must.items()
        if is_[name] != value
    ]
    if state not in allowed:
        message = f"the order ended {state}; allowed: {', '.join(sorted(allowed))}"
        findings.append(Finding(problem="bad_end", message=message, workflow_id=order.workflow_id))
    return findings


def _stock_findings(facts: Sequence[Fact]) -> list[Finding]:
    """The iteration's skus together: what its orders hold is what is reserved or shipped, and the rest is on hand."""
    counts = [fact.values for fact in facts if fact.step == STOCK]
    if not counts:
        return []
    taken = sum(count["reserved"] + count["shipped"] for count in counts)
    held = sum(fact.values["quantity"] for fact in facts if fact.step == RESERVE)
    left = sum(count["counted"] - count["on_hand"] for count in counts)
    if taken == held == left:
        return []
    message = f"orders hold {held}, the stock says that {taken} are reserved or shipped, and {left} have left it"
    return [Finding(problem="disagrees", message=message, workflow_id=facts[0].workflow_id)]


class Count(_Orders[Given]):
    """Somebody counts what is on hand; nobody orders."""

    name = "orders-count"
    proves = "what is on hand of a thing is written down, once: the smallest workflow, of one activity"
    weight = 50

    def draw(self, rng: Random) -> Given:
        return Given(on_hand=(rng.randint(0, 1_000),), orders=())

    def allowed(self, given: Given) -> frozenset[str]:
        return frozenset()

    def check(self, given: Given, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """What was counted is what stands there."""
        findings = [*super().check(given, operations, facts)]
        if any(op.kind is Kind.RESULT and op.status == "completed" for op in operations):
            counted = tuple(fact.values["counted"] for fact in facts if fact.step == STOCK)
            if counted != given.on_hand:
                message = f"{list(given.on_hand)} were counted, and {list(counted)} are written down"
                findings.append(Finding(problem="lost", message=message, workflow_id=operations[0].workflow_id))
        return findings


class Place(_Orders[Given]):
    """A customer orders one to three things, all of them on hand."""

    name = "orders-place"
    weight = 5
    proves = "an order is paid, shipped and booked once, and stock, ledger and both providers agree"

    def draw(self, rng: Random) -> Given:
        wanted = tuple(rng.randint(1, 5) for _ in range(rng.randint(1, 3)))
        return Given(
            on_hand=tuple(quantity + rng.randint(0, 5) for quantity in wanted),
            orders=(wanted,),
            price_cents=rng.randint(1, 10_000),
        )

    def allowed(self, given: Given) -> frozenset[str]:
        return frozenset({"confirmed"})


class SecondThoughts(Given, frozen=True, kw_only=True):
    """How many seconds after placing the order its customer cancels it."""

    after: float


class Cancel(_Orders[SecondThoughts]):
    """A customer orders, and cancels at some moment."""

    name = "orders-cancel"
    proves = "an order that its customer cancels at any moment is undone whole, or it was too late and it stands whole"

    def draw(self, rng: Random) -> SecondThoughts:
        return SecondThoughts(on_hand=(5,), orders=((rng.randint(1, 5),),), after=rng.uniform(0.0, 0.4))

    def allowed(self, given: SecondThoughts) -> frozenset[str]:
        return frozenset({"confirmed", "cancelled"})

    async def meanwhile(self, app: App, given: SecondThoughts, started: Started) -> None:
        await asyncio.sleep(given.after)
        try:
            await app.update(started, models.CANCEL, Word(by="the customer", reason="found it cheaper"))
        except Refused as refused:
            if refused.kind is not Kind.UPDATE:
                raise


class Troubles(Given, frozen=True, kw_only=True):
    """How the providers behave towards the order; its reference is filled in when it is driven."""

    behaviours: tuple[Behaviour, ...]

    @property
    def refusal(self) -> str | None:
        """How a refusal ends the order, if there is one: that of the earliest step."""
        refused = {action for each in self.behaviours if each.kind is Trouble.REFUSE for action in each.actions}
        if refused & {Action.AUTHORIZE, Action.CAPTURE}:
            return "declined"
        return "undeliverable" if refused else None


UNSURE = (Trouble.DOWN, Trouble.FAIL_BEFORE, Trouble.DELIVER_TWICE, Trouble.DROP_AFTER, Trouble.FAIL_AFTER)
STEPS = (Action.AUTHORIZE, Action.CAPTURE, Action.SHIP)


class Troubled(_Orders[Troubles]):
    """A customer orders while the providers have a bad day."""

    name = "orders-troubled"
    proves = "whatever providers fail to do or to say, each of them does once what our ledger says, or nothing"

    def draw(self, rng: Random) -> Troubles:
        behaviours = [
            Behaviour(kind=rng.choice(UNSURE), prefix="", actions=(action,), times=rng.randint(1, 3))
            for action in (*STEPS, Action.VOID, Action.REFUND, Action.CANCEL)
            if rng.random() < 0.5
        ]
        if rng.random() < 0.5:
            behaviours.append(Behaviour(kind=Trouble.REFUSE, prefix="", actions=(rng.choice(STEPS),)))
        return Troubles(on_hand=(5,), orders=((rng.randint(1, 5),),), behaviours=tuple(behaviours))

    def allowed(self, given: Troubles) -> frozenset[str]:
        return frozenset({given.refusal or "confirmed"})

    async def run(self, app: App, given: Troubles) -> None:
        outside, order = Outside(app.addresses["outside.url"]), app.iteration.id(_part(0))
        await outside.behave(*(replace(each, prefix=order) for each in given.behaviours))
        await super().run(app, given)
        # Not where it was given up: the order goes on, and its trouble with it.
        await outside.behave_well(order)


class Asked(Given, frozen=True, kw_only=True):
    """What the person says who is asked."""

    answer: str


class Approval(_Orders[Asked]):
    """An order is large enough for a person to be asked, who agrees, refuses, or says nothing."""

    name = "orders-approval"
    proves = "a large order waits for a person: approved it is delivered; rejected, or escalated in vain, it is undone"

    def draw(self, rng: Random) -> Asked:
        return Asked(on_hand=(5,), orders=((rng.randint(1, 5),),), answer=rng.choice(("approve", "reject", "silence")))

    def policy(self, given: Asked) -> Policy:
        seconds = 1.0 if given.answer == "silence" else 10.0
        return Policy(approval_above_cents=0, approval_seconds=seconds, escalation_seconds=seconds)

    def allowed(self, given: Asked) -> frozenset[str]:
        # Under faults an answer may come too late, or not at all.
        return frozenset({"rejected"} | ({"confirmed"} if given.answer == "approve" else set()))

    async def meanwhile(self, app: App, given: Asked, started: Started) -> None:
        if given.answer != "silence":
            signal = models.APPROVE if given.answer == "approve" else models.REJECT
            await app.signal(started, signal, Word(by="the manager", reason="as asked"))


class Contended(_Orders[Given]):
    """Several customers want the last of one thing at the same time."""

    name = "orders-contended"
    proves = "of many orders for the last items none is sold what is not there, and none is refused what is left"

    def draw(self, rng: Random) -> Given:
        orders = tuple((rng.randint(1, 3),) for _ in range(rng.randint(4, 8)))
        wanted = sum(quantity for (quantity,) in orders)
        return Given(on_hand=(rng.randint(1, wanted - 1),), orders=orders)

    def allowed(self, given: Given) -> frozenset[str]:
        return frozenset({"confirmed", "out_of_stock"})

    def check(self, given: Given, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        findings = list(super().check(given, operations, facts))
        left = next((fact.values["on_hand"] for fact in facts if fact.step == STOCK), None)
        for order in facts:
            if order.step == ORDER and "out_of_stock" in order.values and left is not None:
                wanted = order.values["amount_cents"] // given.price_cents
                if wanted <= left:
                    message = f"{wanted} were wanted and refused, and {left} are still there"
                    findings.append(Finding(problem="refused", message=message, workflow_id=order.workflow_id))
        return findings


def _sku(app: App, number: int) -> str:
    return app.iteration.id(f"sku-{number}")


def _part(number: int) -> str:
    return f"order-{number}"


ORDERS = (Count(), Place(), Cancel(), Troubled(), Approval(), Contended())
