"""The decisions of an order, and the laws they keep."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from system.orders import rules
from system.orders.models import InDoubt, Line, OrderRequest, Policy, Word

STATES = st.sampled_from(sorted(rules.TRANSITIONS))
PLACING = ["opening", "reserving", "authorising", "capturing", "shipping", "confirming"]


def order(cents: int = 100, **policy: object) -> OrderRequest:
    line = Line(sku="pen", quantity=1, price_cents=cents)
    return OrderRequest(customer="c", address="a", lines=(line,), policy=Policy.model_validate(policy))


@given(st.integers(0, len(rules.STEPS)))
def test_what_was_begun_is_undone_backwards_and_nothing_else(begun: int) -> None:
    """However far an order came, each step it began is undone once, and the last one first; of two runs, every step."""
    steps = rules.STEPS[:begun]
    assert rules.compensations(steps, earlier=False) == list(steps[::-1])
    assert rules.compensations(steps, earlier=True) == list(rules.STEPS[::-1])


def test_every_step_has_a_state_and_can_end_in_compensation() -> None:
    """Each step's state follows the one before, and from each the order may go back."""
    states = [rules.STATE_OF[step] for step in rules.STEPS]
    assert ["opening", *states] == PLACING
    for before, after in zip(PLACING, [*PLACING[1:], "confirmed"], strict=True):
        assert rules.may_follow(before, after)  # type: ignore[arg-type]  # drawn as text
        assert rules.may_follow(before, "compensating")  # type: ignore[arg-type]  # drawn as text


@given(STATES, STATES)
def test_nothing_follows_an_end(state: str, following: str) -> None:
    """A final state is final; and nobody is confirmed but from the last step, or by an earlier run."""
    if state in rules.FINAL:
        assert not rules.may_follow(state, following)  # type: ignore[arg-type]  # drawn as text
    if following == "confirmed" and rules.may_follow(state, "confirmed"):  # type: ignore[arg-type]  # drawn as text
        assert state in {"confirming", "opening", "compensating"}


def test_an_order_reaches_an_end_from_every_state() -> None:
    """No state is a dead end."""
    reached = set(rules.FINAL)
    for _ in rules.TRANSITIONS:
        reached |= {state for state, after in rules.TRANSITIONS.items() if after & reached}
    assert reached == set(rules.TRANSITIONS)


@given(STATES, st.booleans())
def test_a_customer_can_cancel_until_it_ends_and_once(state: str, asked: bool) -> None:
    """Refused are the ended, the ending and the second wish; each refusal says why."""
    refusal = rules.why_not_cancel(state, asked_before=asked)  # type: ignore[arg-type]  # drawn as text
    ended = state in rules.FINAL or state in {"compensating", "settling"}
    assert (refusal is not None) == (ended or asked)
    if refusal is not None and state in rules.FINAL:
        assert refusal == f"the order is {state}: it cannot be cancelled any more"
    elif refusal is not None:
        assert refusal == ("the order is being cancelled already, or is ending for another reason: ask for its status")
    assert not rules.too_late("capturing")
    assert rules.too_late("confirming")


@pytest.mark.parametrize(
    ("limit", "cents", "asked"), [(None, 10**9, False), (100, 100, False), (100, 101, True), (0, 1, True)]
)
def test_a_person_is_asked_above_the_limit(limit: int | None, cents: int, asked: bool) -> None:
    """Not at the limit, and never without one."""
    assert rules.needs_approval(order(cents, approval_above_cents=limit)) is asked


def test_a_decision_is_waited_for_only_before_anything_is_held() -> None:
    """A signal that comes early counts; one that comes late is told why not."""
    for state in rules.TRANSITIONS:
        if state in {"opening", "awaiting_approval", "escalated"}:
            assert rules.why_not_decide(state) is None
        else:
            assert rules.why_not_decide(state) == f"the order is {state}"


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9)),
)
def test_shortages_are_just_the_lines_that_cannot_be_had(ordered: dict[str, int], on_hand: dict[str, int]) -> None:
    """A sku nobody counted is not on hand at all."""
    lines = [Line(sku=sku, quantity=quantity, price_cents=1) for sku, quantity in ordered.items()]
    short = [sku for sku, quantity in ordered.items() if quantity > on_hand.get(sku, 0)]
    assert rules.shortages(lines, on_hand) == [
        f"{sku}: {ordered[sku]} ordered, {on_hand.get(sku, 0)} on hand" for sku in short
    ]


@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from(["authorized", "voided", "captured", "refunded"]))
def test_money_is_given_back_before_it_is_let_go_of(captured: int, refunded: int, status: str) -> None:
    """What was taken and not given back is refunded; what is merely held is voided; else nothing is left to do."""
    undoing = rules.undoing(status, captured, refunded)
    assert (undoing == "refund") == (captured > refunded)
    assert (undoing == "void") == (status == "authorized" and captured <= refunded)


@given(st.integers(1, 10**12), st.sampled_from(rules.STEPS))
def test_what_a_step_posts_balances(cents: int, step: str) -> None:
    """Debits and credits sum to zero, and what is deposited when it is paid is withdrawn when it is sold."""
    assert sum(rules.entries_of(step, cents).values()) == 0  # type: ignore[arg-type]  # drawn as text
    paid, sold = rules.entries_of("capture_payment", cents), rules.entries_of("confirm_order", cents)
    assert paid["customer_deposits"] + sold["customer_deposits"] == 0


def test_money_is_posted_to_the_accounts_it_moves_between() -> None:
    """From the provider to what customers have deposited, and from there to sales; other steps move none."""
    assert {step: rules.entries_of(step, 7) for step in rules.STEPS} == {
        "reserve_stock": {},
        "authorise_payment": {},
        "capture_payment": {"payment_provider": 7, "customer_deposits": -7},
        "arrange_shipment": {},
        "confirm_order": {"customer_deposits": 7, "sales": -7},
    }


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (12, 2_048), (13, 3_600), (31, 3_600), (10_000, 3_600)]
)
def test_each_wait_is_twice_the_one_before(failures: int, seconds: int) -> None:
    """From a second on, and an hour at most; no number of failures overflows."""
    assert rules.wait_before(failures) == timedelta(seconds=seconds)


@given(st.integers(1, 10_000))
def test_waiting_doubles_and_has_a_limit(failures: int) -> None:
    """The first wait is a second, each is at least as long as the one before, and none longer than an hour."""
    wait = rules.wait_before(failures)
    assert timedelta(seconds=1) <= wait <= timedelta(hours=1)
    assert wait <= rules.wait_before(failures + 1)


@given(st.floats(0.1, 10_000))
def test_a_provider_is_asked_soon_and_at_the_limit_itself(limit: float) -> None:
    """The first question comes within a second, one comes just at the limit, and there are few in between."""
    waited, asked = 0.0, 0
    while waited < limit:
        wait = rules.wait_to_ask(waited, limit)
        assert wait <= max(1.0, waited)
        waited, asked = waited + wait, asked + 1
    assert waited == pytest.approx(limit)
    assert asked <= 16
    assert rules.wait_to_ask(waited + 1, limit) == limit
    assert rules.wait_to_ask(limit, limit) == limit


@pytest.mark.parametrize("good", ["o", "run-1.orders-place.0.order-0", "A_b:c", "x" * 200])
def test_an_order_id_goes_to_providers(good: str) -> None:
    """Letters, digits and ._:- do."""
    assert rules.why_bad_id(good) is None


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "é", "x" * 201, "a\n"])
def test_an_id_that_no_provider_takes_is_refused(bad: str) -> None:
    """What would have to be escaped in a header or a path, and what is too long for a key."""
    assert rules.why_bad_id(bad) == (
        f"{bad[:50]!r} is no order id: expected 1 to 200 letters, digits or characters of ._:-"
    )


def test_an_order_is_something_that_costs_something() -> None:
    """Two lines with the same sku, and a total of nothing, say what was expected."""
    line = {"sku": "pen", "quantity": 1, "price_cents": 0}
    with pytest.raises(ValidationError, match="expected one line with the sum of both"):
        OrderRequest.model_validate({"customer": "c", "address": "a", "lines": [line, line]})
    with pytest.raises(ValidationError, match="expected a total of at least one cent"):
        OrderRequest.model_validate({"customer": "c", "address": "a", "lines": [line]})


def test_another_order_is_told_by_what_differs() -> None:
    """Of what is known of the first one; it names the id, and what to do."""
    placed = order(1).model_dump(mode="json")
    assert rules.why_not_same("o-1", placed, order(1)) is None
    assert rules.why_not_same("o-1", placed, order(2, settle_seconds=1)) == (
        "o-1 is another order already (lines, policy: not the same): place this one under a new id"
    )
    assert rules.why_not_same("o-1", {"customer": "c"}, order(2)) is None


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 1_001])
def test_what_no_database_stores_is_no_reason(text: str) -> None:
    """Nor a name; it is refused where it comes in, and says what is wrong."""
    wrong = r"cannot be stored|unable to parse raw data as a unicode string|at most \d+ characters"
    with pytest.raises(ValidationError, match=wrong):
        Word(by="ann", reason=text)
    with pytest.raises(ValidationError, match=wrong):
        Word(by=text)


@pytest.mark.parametrize("name", [name for name in Policy.model_fields if name.endswith("_seconds")])
@pytest.mark.parametrize("seconds", [0, 1e-9, 1e300, float("inf"), float("nan")])
def test_what_no_timer_can_wait_for_is_no_policy(name: str, seconds: float) -> None:
    """It is refused where it comes in: in a workflow it would overflow, in a command be refused, again and again."""
    with pytest.raises(ValidationError, match=name):
        Policy.model_validate({name: seconds})


def test_an_order_in_doubt_is_asked_about_at_least_daily() -> None:
    """From the first pause on."""
    longest = rules.LONGEST_PAUSE.total_seconds()
    assert InDoubt(order_id="an-order", pause_seconds=longest).pause_seconds == longest
    with pytest.raises(ValidationError, match="less than or equal to 86400"):
        InDoubt(order_id="an-order", pause_seconds=longest + 1)


@given(st.floats(0.1, 86_400))
def test_an_order_in_doubt_is_asked_about_ever_more_seldom(pause: float) -> None:
    """Each pause is twice the one before, until they are a day."""
    assert rules.longer_pause(pause) == min(2 * pause, 86_400)
