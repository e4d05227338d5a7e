"""What is moved about adds up, fact by fact."""

import pytest
from handwritten_records import GOOD, WORKFLOW, fact
from msgspec.structs import replace

from harness.checking.conserved import Conserved
from harness.checking.invariants import Records
from harness.records.verdicts import Finding, Judgement, Verdict

STOCK = Conserved(name="stock", step="load", parts=("on_hand", "reserved"), total="counted")
LEDGER = Conserved(name="sums", step="load", parts=("debit", "credit"))


def counted(**values: int) -> Records:
    return replace(GOOD, facts=[replace(fact(), values=values)])


@pytest.mark.parametrize(
    ("invariant", "values"),
    [
        (STOCK, {"on_hand": 3, "reserved": 2, "counted": 5, "price": 7}),
        (STOCK, {"on_hand": 5, "counted": 5}),
        (LEDGER, {"debit": 7, "credit": -7}),
        (LEDGER, {}),
    ],
)
def test_what_adds_up_is_well(invariant: Conserved, values: dict[str, int]) -> None:
    """A value that is not there is 0."""
    assert invariant(counted(**values)) == Judgement(invariant=invariant.name, verdict=Verdict.VALID, checked=1)


@pytest.mark.parametrize(
    ("invariant", "values", "message"),
    [
        (
            STOCK,
            {"on_hand": 3, "reserved": 1, "counted": 5},
            "on_hand 3, reserved 1 add up to 4, and must be counted 5",
        ),
        (
            STOCK,
            {"on_hand": 4, "reserved": 2, "counted": 5},
            "on_hand 4, reserved 2 add up to 6, and must be counted 5",
        ),
        (STOCK, {"reserved": 2, "counted": 5}, "on_hand 0, reserved 2 add up to 2, and must be counted 5"),
        (LEDGER, {"debit": 7, "credit": -6}, "debit 7, credit -6 add up to 1, and must be 0"),
    ],
)
def test_what_was_made_or_lost_is_found(invariant: Conserved, values: dict[str, int], message: str) -> None:
    """The finding has the figures."""
    wrong = Finding(problem="not_conserved", message=message, workflow_id=WORKFLOW, step="load", item="0")
    assert invariant(counted(**values)) == Judgement(
        invariant=invariant.name, verdict=Verdict.INVALID, checked=1, findings=(wrong,)
    )


def test_each_fact_adds_up_by_itself() -> None:
    """Too much of one thing never makes up for another."""
    much, little = ({"on_hand": n, "counted": 5} for n in (6, 4))
    facts = [replace(fact("0"), values=much), replace(fact("1"), values=little)]
    judgement = STOCK(replace(GOOD, facts=facts))
    assert judgement is not None
    assert (judgement.checked, [finding.item for finding in judgement.findings]) == (2, ["0", "1"])


def test_a_run_without_such_facts_is_not_judged() -> None:
    """It is not unknown for that."""
    assert STOCK(replace(GOOD, facts=[replace(fact(), step="check")])) is None
