"""The decisions of an order, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Literal, get_args

from system.orders.models import Final, Line, OrderRequest, State, Step

STEPS: tuple[Step, ...] = get_args(Step)
FINAL: frozenset[str] = frozenset(get_args(Final))

STATE_OF: Mapping[Step, State] = {
    "reserve_stock": "reserving",
    "authorise_payment": "authorising",
    "capture_payment": "capturing",
    "arrange_shipment": "shipping",
    "confirm_order": "confirming",
}
REFUSAL_OF: Mapping[Step, Final] = {
    "reserve_stock": "out_of_stock",
    "authorise_payment": "declined",
    "capture_payment": "declined",
    "arrange_shipment": "undeliverable",
}
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "opening": frozenset({"awaiting_approval", "reserving", "compensating", *get_args(Final)}),
    "awaiting_approval": frozenset({"escalated", "reserving", "compensating"}),
    "escalated": frozenset({"reserving", "compensating"}),
    "reserving": frozenset({"authorising", "compensating"}),
    "authorising": frozenset({"capturing", "compensating"}),
    "capturing": frozenset({"shipping", "compensating"}),
    "shipping": frozenset({"confirming", "compensating"}),
    "confirming": frozenset({"confirmed", "compensating"}),
    "compensating": frozenset({"settling", *get_args(Final)}),
    "settling": frozenset(get_args(Final)) - {"confirmed"},
    **{final: frozenset[State]() for final in get_args(Final)},
}
"""An order that is opening, or is cancelled while it is, may turn out to have ended before, in another run."""

LONGEST_ID = 200
"""Characters of an order's id: with what is added to it, it must do as a provider's idempotency key."""
GOOD_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{LONGEST_ID}}}")
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=1)


def why_bad_id(order_id: str) -> str | None:
    """Why an id will not do for an order, which goes to the providers by it; None if it does."""
    if GOOD_ID.fullmatch(order_id):
        return None
    return f"{order_id[:50]!r} is no order id: expected 1 to {LONGEST_ID} letters, digits or characters of ._:-"


def compensations(begun: Collection[Step], *, earlier: bool) -> list[Step]:
    """The steps to undo, and in which order: every one that was begun, the last one first.

    How far an earlier run of the order came nobody knows for sure (an attempt of it may be late): all are undone then.
    """
    return [step for step in reversed(STEPS) if earlier or step in begun]


def may_follow(state: State, following: State) -> bool:
    """Whether an order in this state may go to that one."""
    return following in TRANSITIONS[state]


def needs_approval(order: OrderRequest) -> bool:
    """Whether a person must agree."""
    limit = order.policy.approval_above_cents
    return limit is not None and order.amount_cents > limit


def why_not_cancel(state: State, *, asked_before: bool) -> str | None:
    """Why a customer can no longer cancel an order in this state; None if they can."""
    if state in FINAL:
        return f"the order is {state}: it cannot be cancelled any more"
    if asked_before or state in {"compensating", "settling"}:
        return "the order is being cancelled already, or is ending for another reason: ask for its status"
    return None


def too_late(state: State) -> bool:
    """Whether an order in this state is confirmed unless that fails."""
    return state == "confirming"


def why_not_decide(state: State) -> str | None:
    """Why nobody's approval is waited for in this state; None if it is."""
    return None if state in {"opening", "awaiting_approval", "escalated"} else f"the order is {state}"


def why_not_same(order_id: str, placed: Mapping[str, object], again: OrderRequest) -> str | None:
    """Why an order placed under an id that exists is another one; None if it is the same.

    Args:
        order_id: of both.
        placed: what is known of the one that exists, by field, as JSON has it.
        again: the one that is placed now.

    """
    asked = again.model_dump(mode="json")
    differs = [name for name in asked if name in placed and placed[name] != asked[name]]
    if not differs:
        return None
    return f"{order_id} is another order already ({', '.join(differs)}: not the same): place this one under a new id"


def wait_before(failures: int) -> timedelta:
    """How long to wait before a compensation is tried again that would have failed for good; counted from 1."""
    doublings = min(failures - 1, 30)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def longer_pause(seconds: float) -> float:
    """How many seconds to wait until an order in doubt is asked about again, after a pause of so many."""
    return min(2 * seconds, LONGEST_PAUSE.total_seconds())


def wait_to_ask(waited: float, limit: float) -> float:
    """How many seconds to wait before a provider is asked again about a call in doubt, after so many in all.

    Soon at first, since most calls are on their way for milliseconds; and once at the limit itself.
    """
    left = limit - waited
    return min(max(1.0, waited), left) if left > 0 else limit


def shortages(lines: Sequence[Line], on_hand: Mapping[str, int]) -> list[str]:
    """The lines that cannot be had, each with how many there are."""
    return [
        f"{line.sku}: {line.quantity} ordered, {on_hand.get(line.sku, 0)} on hand"
        for line in lines
        if on_hand.get(line.sku, 0) < line.quantity
    ]


def undoing(status: str, captured_cents: int, refunded_cents: int) -> Literal["refund", "void"] | None:
    """What a payment at the provider still needs so that no money is held nor kept."""
    if captured_cents > refunded_cents:
        return "refund"
    return "void" if status == "authorized" else None


def entries_of(step: Step, amount_cents: int) -> dict[str, int]:
    """What a step posts, by account: debits are positive, credits negative; their sum is zero."""
    if step == "capture_payment":
        return {"payment_provider": amount_cents, "customer_deposits": -amount_cents}
    if step == "confirm_order":
        return {"customer_deposits": amount_cents, "sales": -amount_cents}
    return {}
