"""What goes over the wire: one frozen record in, one out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from system.records import Record, Request, Storable

ORDER = "orders.Order"
DOUBT = "orders.Doubt"
STOCKTAKE = "orders.Stocktake"

PLACE = "orders.place"
CANCEL = "orders.cancel"
APPROVE = "orders.approve"
REJECT = "orders.reject"
STATUS = "orders.status"
PLACED = "orders.placed"

OPEN_ORDER = "orders.open_order"
ESCALATE = "orders.escalate"
RESERVE_STOCK = "orders.reserve_stock"
AUTHORISE_PAYMENT = "orders.authorise_payment"
CAPTURE_PAYMENT = "orders.capture_payment"
ARRANGE_SHIPMENT = "orders.arrange_shipment"
CONFIRM_ORDER = "orders.confirm_order"
RELEASE_STOCK = "orders.release_stock"
VOID_PAYMENT = "orders.void_payment"
REFUND_PAYMENT = "orders.refund_payment"
CANCEL_SHIPMENT = "orders.cancel_shipment"
REVOKE_CONFIRMATION = "orders.revoke_confirmation"
FIND_ORDER = "orders.find_order"
SETTLE = "orders.settle"
ASK_AGAIN = "orders.ask_again"
BELIEVE = "orders.believe"
CLOSE_ORDER = "orders.close_order"
SET_STOCK = "orders.set_stock"


Text = Annotated[str, Field(min_length=1, max_length=255), Storable]
Reason = Annotated[str, Field(max_length=1_000), Storable]
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]
"""From a millisecond, which is the least that Temporal tells, to a day."""
DaysInSeconds = Annotated[float, Field(ge=0.001, le=30 * 86_400, allow_inf_nan=False)]
"""From a millisecond to thirty days."""

Step = Literal["reserve_stock", "authorise_payment", "capture_payment", "arrange_shipment", "confirm_order"]
Final = Literal["confirmed", "cancelled", "rejected", "declined", "out_of_stock", "undeliverable", "expired", "failed"]
State = Literal[
    "opening",
    "awaiting_approval",
    "escalated",
    "reserving",
    "authorising",
    "capturing",
    "shipping",
    "confirming",
    "compensating",
    "settling",
    "confirmed",
    "cancelled",
    "rejected",
    "declined",
    "out_of_stock",
    "undeliverable",
    "expired",
    "failed",
]


class Line(Record):
    """So many of one thing."""

    sku: Text
    quantity: int = Field(ge=1, le=1_000_000)
    price_cents: int = Field(ge=0, le=10**9)
    """Of one."""


class Policy(Record):
    """How long an order may take, and who must be asked; in seconds."""

    attempt_seconds: Seconds = 30.0
    """One attempt at a step; past it, the attempt has lost its right to call a provider."""
    step_seconds: DaysInSeconds = 600.0
    """All attempts at one step together; past it, the step has failed for good."""
    payment_seconds: DaysInSeconds = 900.0
    """From the moment the stock is held until the payment must be authorised."""
    settle_seconds: Seconds = 60.0
    """How long a call may be on its way that a provider does not know of: longer than an attempt, and than the slowest
    call. An order with such a call is not closed before."""
    approval_above_cents: int | None = Field(default=None, ge=0)
    """Orders above it wait for a person; None: none do."""
    approval_seconds: DaysInSeconds = 86_400.0
    """How long to wait for that person before it is escalated."""
    escalation_seconds: DaysInSeconds = 86_400.0
    """How long to wait after that before the order is rejected."""

    @property
    def attempt(self) -> timedelta:
        return timedelta(seconds=self.attempt_seconds)

    @property
    def step(self) -> timedelta:
        return timedelta(seconds=self.step_seconds)


class OrderRequest(Request):
    """What a customer orders; the order's id is the workflow's."""

    customer: Text
    address: Text
    lines: tuple[Line, ...] = Field(min_length=1, max_length=100)
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    policy: Policy = Policy()

    @property
    def amount_cents(self) -> int:
        return sum(line.quantity * line.price_cents for line in self.lines)

    @model_validator(mode="after")
    def _is_an_order(self) -> OrderRequest:
        if len({line.sku for line in self.lines}) < len(self.lines):
            raise ValueError("a sku is ordered in two lines; expected one line with the sum of both")
        if self.amount_cents < 1:
            raise ValueError("the order costs nothing; expected a total of at least one cent")
        return self


class StepResult(Record):
    """What a step came to; a refusal is a business outcome."""

    done: bool = True
    reason: str = ""
    """Why not, if it is not done."""


class Undone(Record):
    """A compensation is done."""

    in_doubt: bool = False
    """A call of the step may still be on its way to the provider."""


class Settled(Record):
    """What the providers say of an order that must not stand."""

    cleared: int
    """Payments and shipments that stood all the same, and do no longer; 0: we agree."""
    in_doubt: bool
    """A call may still be on its way, which the provider does not know of."""


class Ask(Record):
    """Ask the providers what stands of an order that must not."""

    last: bool
    """Whether nobody asks after this: a call that is in doubt even now is a failure for good."""


class InDoubt(Request):
    """An order that has ended, and whose provider does not know of a call that was sent for it."""

    order_id: str
    pause_seconds: Seconds
    """Until the providers are asked for the second time; each pause is twice as long as the one before, up to a day."""


class Opened(Record):
    """The order as the database has it."""

    state: Literal["open"] | Final
    reason: str = ""
    in_doubt: bool = False
    earlier: bool = False
    """Another run of its workflow has begun it: whatever that one did has to be taken back with it."""
    undoing: bool = False
    """An earlier run had begun to take it back: what it took back cannot be done any more."""
    taken: bool = False
    """What is written under the id is another order; this one is not written down, and ends as the state says."""


class Close(Record):
    """How an order ends."""

    order: OrderRequest
    state: Final
    reason: str
    in_doubt: bool = False


class OrderOutcome(Record):
    """How an order ended."""

    order_id: str
    state: Final
    reason: str = ""
    """Empty for one that is confirmed."""
    in_doubt: bool = False
    """A provider had not told by then what became of a call: a dead letter says which, and it is asked again."""
    amount_cents: int


class OrderStatus(Record):
    """Where an order stands."""

    order_id: str
    state: State
    amount_cents: int
    currency: str
    reason: str = ""
    """Why it ends or ended."""
    paused: bool = False
    taken: bool = False
    """This one was not placed: what is written under the id is another order."""


class Word(Record):
    """Who says so, and why."""

    by: Text
    reason: Reason = ""


class CancelResult(Record):
    """What became of a customer's wish to cancel."""

    cancelled: bool
    state: Final
    """What the order came to: where it was too late, something else than ``cancelled``."""


class StockCount(Request):
    """So many of a sku are on hand now."""

    sku: Text
    on_hand: int = Field(ge=0, le=10**12)


class Counted(Record):
    """The stock of a sku as the database has it after a count."""

    sku: str
    on_hand: int
    reserved: int
    shipped: int
