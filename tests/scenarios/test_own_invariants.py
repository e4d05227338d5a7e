"""What must hold of every run of the system, on handwritten facts; and that the stores tell when it does not."""

from typing import Any

import pytest

from harness.checking.invariants import Records
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.verdicts import Judgement, Verdict
from harness.records.workflows import WorkflowRun
from harness.testbed import Testbed
from scenarios.batched import OF_ANOTHER, RUN
from scenarios.invariants import INVARIANTS
from scenarios.ordered import CONFIRM, ORDER, RESERVE, STOCK, UNBALANCED, UNBALANCED_CENTS

WELL = WorkflowRun(
    scenario="s",
    iteration=0,
    workflow_id="w",
    run_id="r",
    type="T",
    status="completed",
    started=0.0,
    closed=1.0,
    events=5,
)


def fact(step: str, **values: int) -> Fact:
    return Fact(scenario="s", iteration=0, workflow_id="w", step=step, item="i", expected=1, found=1, values=values)


def effect(step: str, kind: EffectKind = EffectKind.FORWARD) -> Effect:
    return Effect(
        workflow_id="w",
        step=step,
        item="",
        kind=kind,
        run_id="r",
        attempt=1,
        transaction=1,
        committed_at=0.5,
        source=Source.LEDGER,
    )


def judged(*facts: Fact, effects: tuple[Effect, ...] = ()) -> dict[str, Judgement]:
    """The judgements beside that of dead letters, by their names."""
    records = Records(operations=[], workflows=[WELL], effects=effects, facts=facts)
    told = [judgement for invariant in INVARIANTS if (judgement := invariant(records))]
    return {each.invariant: each for each in told if each.invariant != "nothing silently lost"}


COUNTS = "stock counts every order"
TAKEN_BACK = (effect(RESERVE), effect(CONFIRM), effect(CONFIRM, EffectKind.COMPENSATION))


@pytest.mark.parametrize(
    ("name", "good", "bad", "problem"),
    [
        ("ledger sums to zero", {UNBALANCED_CENTS: 0}, {UNBALANCED_CENTS: 2}, "not_conserved"),
        (
            "stock is constant",
            {"counted": 6, "on_hand": 3, "reserved": 2, "shipped": 1},
            {"counted": 6, "on_hand": 3, "reserved": 2, "shipped": 0},
            "not_conserved",
        ),
        ("nobody is served another's value", {OF_ANOTHER: 0}, {OF_ANOTHER: 1}, "of_another"),
    ],
)
def test_what_the_facts_say(name: str, good: dict[str, int], bad: dict[str, int], problem: str) -> None:
    """Each is judged by the facts it is about, and by no others."""
    step = {"ledger sums to zero": ORDER, "stock is constant": STOCK}.get(name, RUN)
    told = judged(fact(step, **good), fact("something else"))
    assert set(told) - {name} <= {COUNTS}  # which looks at the same stock
    assert (told[name].verdict, told[name].checked) == (Verdict.VALID, 1)
    wrong = judged(fact(step, **good), fact(step, **bad))[name]
    assert (wrong.verdict, wrong.checked) == (Verdict.INVALID, 2)
    assert [(each.problem, each.workflow_id, each.step, each.item) for each in wrong.findings] == [
        (problem, "w", step, "i")
    ]


@pytest.mark.parametrize(("held", "problems"), [(3, []), (4, ["lost"]), (2, ["doubled"])])
def test_the_stock_counts_what_orders_hold(held: int, problems: list[str]) -> None:
    """Reserved or shipped, of whatever order."""
    told = judged(fact(STOCK, reserved=2, shipped=1), fact(RESERVE, quantity=1), fact(RESERVE, quantity=held - 1))
    assert [each.problem for each in told[COUNTS].findings] == problems


def test_an_order_is_taken_back_whole_and_in_reverse() -> None:
    """By what the ledger says of its steps."""
    name = "orders are taken back in reverse"
    assert [each.problem for each in judged(effects=TAKEN_BACK)[name].findings] == ["uncompensated"]
    whole = (*TAKEN_BACK, effect(RESERVE, EffectKind.COMPENSATION))
    assert judged(effects=whole)[name].verdict is Verdict.VALID


def test_a_run_without_orders_and_tasks_is_not_asked() -> None:
    """It is not unknown for that."""
    assert judged(fact("load_chunk", rejected=0), effects=(effect("load_chunk"),)) == {}


async def test_a_posting_that_does_not_sum_to_zero_is_told(bed: Testbed) -> None:
    """Though another one of the same order misses zero by as much, the other way."""
    assert bed.stores.postgres is not None
    async with bed.stores.postgres.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            # Within the transaction: at its end the database refuses them.
            await connection.execute(
                "INSERT INTO orders (workflow_id, customer, amount_cents, currency, lines) "
                "VALUES ('unbalanced.w', 'c', 1, 'EUR', '[]')"
            )
            accounts = ("payment_provider", "sales")
            for step, cents in (("a", (5, -3)), ("b", (3, -5)), ("c", (4, -4))):
                journal = await connection.fetchval(
                    "INSERT INTO journal (workflow_id, step) VALUES ('unbalanced.w', $1) RETURNING id", step
                )
                entries: list[Any] = [(journal, *entry) for entry in zip(accounts, cents, strict=True)]
                await connection.executemany("INSERT INTO entries VALUES ($1, $2, $3)", entries)
            (row,) = await connection.fetch(UNBALANCED, "unbalanced.")
        finally:
            await transaction.rollback()
    assert dict(row) == {"workflow_id": "unbalanced.w", "cents": 4}
