"""The orders' scenarios judge facts as they are: whatever disagrees is found."""

from typing import Any

import msgspec
import pytest

from harness.records.effects import Fact
from harness.records.operations import Ack, Kind, Operation
from scenarios.orders import Contended, Count, Given, Place, Troubled, Troubles
from scenarios.outside.wire import Action, Behaviour
from scenarios.outside.wire import Kind as Trouble

GIVEN = Given(on_hand=(5,), orders=((2,),), price_cents=100)


def fact(step: str, part: str = "order-0", **values: int) -> Fact:
    return Fact(
        scenario="orders-place",
        iteration=0,
        workflow_id=f"r.orders-place.0.{part}",
        step=step,
        item="",
        expected=1,
        found=1,
        values=values,
    )


def order(state: str = "confirmed", part: str = "order-0", **wrong: int) -> Fact:
    sold = 200 if state == "confirmed" else 0
    values = {
        state: 1,
        "amount_cents": 200,
        "received_cents": sold,
        "sales_cents": sold,
        "deposits_cents": 0,
        "net_cents": sold,
        "authorized_cents": 0,
        "shipments": 1 if sold else 0,
    }
    return fact("open_order", part, **{**values, **wrong})


def taken(quantity: int = 2) -> Fact:
    return fact("reserve_stock", quantity=quantity)


def stock(shipped: int = 2, reserved: int = 0, on_hand: int | None = None) -> Fact:
    left = 5 - shipped - reserved if on_hand is None else on_hand
    return fact("set_stock", "stock-0", counted=5, on_hand=left, shipped=shipped, reserved=reserved)


def ended(status: str = "completed") -> Operation:
    return Operation(
        scenario="orders-place",
        iteration=0,
        kind=Kind.RESULT,
        name="",
        workflow_id="r.orders-place.0.order-0",
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=Ack.OK,
        status=status,
    )


def found(scenario: Any, given: Any, *facts: Fact) -> list[str]:
    return [finding.message for finding in scenario.check(given, [ended()], facts)]


def test_an_order_that_is_as_it_should_be_has_no_finding() -> None:
    """Confirmed, with its money and its goods where they belong; and so is one that came to nothing."""
    assert found(Place(), GIVEN, order(), taken(), stock()) == []
    left_one = Given(on_hand=(1,), orders=((2,),), price_cents=100)
    one = fact("set_stock", "stock-0", counted=1, on_hand=1, shipped=0, reserved=0)
    assert found(Contended(), left_one, order("out_of_stock"), taken(0), one) == []


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ([order(net_cents=400), taken(), stock()], "confirmed: net_cents is 400, must be 200"),
        ([order(received_cents=0), taken(), stock()], "confirmed: received_cents is 0, must be 200"),
        ([order(shipments=2), taken(), stock()], "confirmed: shipments is 2, must be 1"),
        ([order(authorized_cents=200), taken(), stock()], "confirmed: authorized_cents is 200, must be 0"),
        ([order(), taken(), stock(shipped=3)], "orders hold 2, the stock says that 3"),
        ([order(), taken(), stock(on_hand=4)], "and 1 have left it"),
        ([order("failed"), taken(0), stock(shipped=0)], "the order ended failed; allowed: confirmed"),
        ([order("open"), taken(), stock(shipped=0, reserved=2)], "the workflow ended, and its order did not"),
    ],
)
def test_what_disagrees_is_found(facts: list[Fact], says: str) -> None:
    """Money at the provider, in the ledger, goods, stock, and how it ended."""
    assert any(says in message for message in found(Place(), GIVEN, *facts))


def test_nobody_is_refused_what_is_still_there() -> None:
    """Two were wanted, and two are left: it was no shortage."""
    message = "2 were wanted and refused, and 2 are still there"
    assert message in found(Contended(), GIVEN, order("out_of_stock"), taken(0), stock(shipped=3))


def test_a_refusal_decides_how_a_troubled_order_ends() -> None:
    """The provider that refuses first; without one it is confirmed, whatever else the providers fail to do."""

    def refused(*actions: Action) -> Troubles:
        behaviours = [Behaviour(kind=Trouble.REFUSE, prefix="", actions=(action,)) for action in actions]
        lost = Behaviour(kind=Trouble.DROP_AFTER, prefix="", actions=(Action.SHIP,))
        return Troubles(on_hand=(5,), orders=((2,),), behaviours=(*behaviours, lost))

    assert Troubled().allowed(refused()) == {"confirmed"}
    assert Troubled().allowed(refused(Action.SHIP)) == {"undeliverable"}
    assert Troubled().allowed(refused(Action.SHIP, Action.CAPTURE)) == {"declined"}


@pytest.mark.parametrize(
    ("facts", "messages"),
    [
        ([stock(shipped=0)], []),
        ([stock(shipped=0), stock(shipped=0)], ["[5] were counted, and [5, 5] are written down"]),
        ([], ["[5] were counted, and [] are written down"]),
    ],
)
def test_what_was_counted_stands_there_once(facts: list[Fact], messages: list[str]) -> None:
    """Of a count that completed."""
    given = Given(on_hand=(5,), orders=())
    counted = msgspec.structs.replace(ended(), workflow_id="r.orders-count.0.stock-0")
    assert [finding.message for finding in Count().check(given, [counted], facts)] == messages
    assert Count().check(given, [], facts) == []
