"""A running total says what its entries add up to."""

import pytest
from handwritten_records import GOOD, WORKFLOW, fact
from msgspec.structs import replace

from harness.checking.invariants import Records
from harness.checking.tally import Tally
from harness.records.effects import Fact
from harness.records.verdicts import Finding, Judgement, Verdict

STOCK = Tally(name="counted", entries="reserve", value="quantity", totals="stock", parts=("reserved", "shipped"))


def entry(quantity: int, iteration: int = 0) -> Fact:
    return replace(fact(), step="reserve", iteration=iteration, values={"quantity": quantity})


def total(iteration: int = 0, **values: int) -> Fact:
    return replace(fact("sku"), step="stock", iteration=iteration, values=values)


def records(*facts: Fact) -> Records:
    return replace(GOOD, facts=facts)


@pytest.mark.parametrize(
    "facts",
    [
        (total(reserved=2, shipped=3), entry(4), entry(1)),
        (total(reserved=2), total(shipped=3), entry(5)),
        (total(),),
        (total(), total(1, shipped=3), entry(3, 1)),
    ],
)
def test_a_total_of_all_entries_is_well(facts: tuple[Fact, ...]) -> None:
    """In each iteration, however many totals and entries it has; a value that is not there is 0."""
    judgement = STOCK(records(*facts))
    assert judgement is not None
    assert (judgement.verdict, judgement.findings) == (Verdict.VALID, ())


@pytest.mark.parametrize(
    ("counted", "problem", "why"),
    [
        (
            3,
            "lost",
            (
                "an update was lost: somebody wrote a number that was computed from what he had read, and another's "
                "came between; lock what is read before it is written, or add to it in the statement that writes"
            ),
        ),
        (
            6,
            "doubled",
            "an entry was counted more than once, or is gone: write it in the transaction that counts it",
        ),
    ],
)
def test_a_total_of_something_else_says_what_became_of_them(counted: int, problem: str, why: str) -> None:
    """Too little was lost; too much was counted twice."""
    found = Finding(
        problem=problem,
        message=f"reserved and shipped add up to {counted}, and the entries behind them to 5: {why}",
        workflow_id=WORKFLOW,
        step="stock",
        item="sku",
    )
    judgement = STOCK(records(total(reserved=counted), entry(5), total(1, reserved=1), entry(1, 1)))
    assert judgement == Judgement(invariant="counted", verdict=Verdict.INVALID, checked=2, findings=(found,))


def test_where_there_is_no_total_nothing_is_said() -> None:
    """A run of other scenarios."""
    assert STOCK(records(entry(5))) is None
