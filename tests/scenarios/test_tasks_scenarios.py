"""The scenarios of tasks: what their check finds on handwritten facts, and what they leave on real servers."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.driver import drive
from harness.observation import read_facts
from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Verdict
from harness.scenario import Scenario
from harness.testbed import Testbed
from scenarios.batched import OF_ANOTHER, OUT_OF_ORDER, RECONCILE, RUN, SETTLE
from scenarios.tasks import TASKS, Batch, Task

_, BATCH, DAG, CANCEL, CACHED = TASKS
GIVEN = Batch(
    (
        Task("good", "text.checksum", {}),
        Task("bad", "account.post", {}, fails="TaskRejected"),
        Task("behind", "text.checksum", {}, needs=("bad",)),
    ),
    2,
)


def fact(item: str, step: str = RUN, **values: int) -> Fact:
    """What the tables hold of one item."""
    values = {"cached": 0, **values}
    return Fact(scenario="s", iteration=0, workflow_id="w", step=step, item=item, expected=1, found=1, values=values)


def closed(disorder: int = 0) -> Fact:
    return msgspec.structs.replace(fact("", RECONCILE), values={OUT_OF_ORDER: disorder})


def operation(kind: Kind = Kind.RESULT, ack: Ack = Ack.OK, status: str | None = "completed") -> Operation:
    return Operation(
        scenario="s",
        iteration=0,
        kind=kind,
        name="",
        workflow_id="w",
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=ack,
        status=status,
    )


GOOD = fact("good", done=1)
BAD = fact("bad", SETTLE, failed=1, TaskRejected=1)
BEHIND = fact("behind", SETTLE, skipped=1)


def test_a_batch_that_is_as_it_should_be_has_no_finding() -> None:
    """Done what must be done, failed for its reason what must fail, skipped what needs it."""
    assert DAG.check(GIVEN, [operation()], [GOOD, BAD, BEHIND, closed()]) == []
    assert DAG.check(GIVEN, [operation(status="failed")], []) == []


@pytest.mark.parametrize(
    ("facts", "problem", "says"),
    [
        ([BAD, BEHIND, closed()], "lost", "good came to no end"),
        ([GOOD, BAD, BEHIND], "lost", "its batch is not closed"),
        ([GOOD, BAD, BEHIND, fact("stranger", done=1), closed()], "misjudged", "stranger ended as done"),
        ([GOOD, fact("bad", done=1), BEHIND, closed()], "misjudged", "bad ended as done; it must be TaskRejected"),
        ([GOOD, fact("bad", failed=1, Other=1), BEHIND, closed()], "misjudged", "bad ended as failed, Other"),
        ([GOOD, BAD, fact("behind", done=1), closed()], "misjudged", "behind ended as done; it must be skipped"),
        ([GOOD, BAD, BEHIND, closed(2)], "disorder", "2 times an item began before one it needs"),
    ],
)
def test_what_is_lost_misjudged_or_out_of_order_is_found(facts: list[Fact], problem: str, says: str) -> None:
    """Each is one finding."""
    (finding,) = BATCH.check(GIVEN, [operation()], facts)
    assert (finding.problem, says in finding.message) == (problem, True)


def test_what_an_operator_cancelled_may_have_ended_either_way() -> None:
    """The item and what needs it may; nothing else may, nor anything where the order was refused."""
    plain = Batch((Task("a", "h", {}), Task("b", "h", {}, needs=("a",)), Task("c", "h", {})), 2, cancel="a")
    order = operation(Kind.UPDATE, status=None)
    a, b, c = fact("a", SETTLE, cancelled=1), fact("b", SETTLE, skipped=1), fact("c", done=1)
    assert CANCEL.check(plain, [operation(), order], [a, b, c, closed()]) == []
    assert CANCEL.check(plain, [operation(), order], [fact("a", done=1), fact("b", done=1), c, closed()]) == []
    (other,) = CANCEL.check(plain, [operation(), order], [a, b, fact("c", SETTLE, cancelled=1), closed()])
    assert "c ended as cancelled; it must be done" in other.message
    refused = msgspec.structs.replace(order, ack=Ack.FAIL)
    assert len(CANCEL.check(plain, [operation(), refused], [a, b, c, closed()])) == 2
    everything = msgspec.structs.replace(plain, cancel="*")
    assert CANCEL.check(everything, [operation(), order], [a, b, fact("c", SETTLE, cancelled=1), closed()]) == []


def test_a_copy_that_was_computed_again_is_found() -> None:
    """Its result was there when it began."""
    alike = Batch((Task("first", "h", {}), Task("copy-0", "h", {}, needs=("first",))), 2)
    first = fact("first", done=1)
    assert CACHED.check(alike, [operation()], [first, fact("copy-0", done=1, cached=1), closed()]) == []
    (finding,) = CACHED.check(alike, [operation()], [first, fact("copy-0", done=1), closed()])
    assert finding.problem == "recomputed"


@given(seed=st.integers(), scenario=st.sampled_from(TASKS))
def test_what_is_drawn_can_be_taken_on(seed: int, scenario: Scenario[Any]) -> None:
    """Keys are unique, and what an item needs is there; the one that is cancelled is one of them."""
    drawn: Batch = scenario.draw(Iteration(run="r", scenario=scenario.name, index=0, seed=seed, intended=0).rng())
    keys = {task.key for task in drawn.tasks}
    assert len(keys) == len(drawn.tasks)
    assert all(keys.issuperset(task.needs) for task in drawn.tasks)
    assert drawn.cancel in {"", "*", *keys}


@pytest.mark.thorough
async def test_every_judgement_of_every_scenario_is_valid(bed: Testbed) -> None:
    """Each once, and whatever was cancelled twice: no row lost or doubled, each written with its effect, all closed."""
    for scenario in (*TASKS, CANCEL):
        await bed.once(bed.target.scenario(scenario.name))
    judgements = await bed.conclude()
    assert [(each.invariant, each.findings) for each in judgements if each.verdict is not Verdict.VALID] == []


async def test_rows_that_vanish_or_appear_are_found(bed: Testbed) -> None:
    """They are counted, and not remembered: an entry less, one more, one of nobody; an output that is another's."""
    batch = bed.target.scenario("tasks-batch")
    # No part of the run that the other tests judge.
    iteration = Iteration(run=f"{bed.run.info.id}-vanish", scenario=batch.name, index=0, seed=1, intended=0)
    assert await drive(batch, bed.app(iteration, record=lambda _: None)) == []
    postgres = bed.stores.postgres
    assert postgres is not None
    entry = await postgres.fetchrow("SELECT * FROM task_entries WHERE workflow_id = $1", iteration.id("main"))
    assert entry is not None

    async def counted(item: str) -> tuple[int, int]:
        (facts,) = (await read_facts(bed.target, bed.stores, [iteration])).values()
        (one,) = [fact for fact in facts if fact.item == item]
        return one.expected, one.found

    insert = "INSERT INTO task_entries (workflow_id, item, account, amount) VALUES ($1, $2, 'a', 1)"
    assert await counted(entry["item"]) == (2, 2)
    await postgres.execute(insert, entry["workflow_id"], entry["item"])
    assert await counted(entry["item"]) == (2, 3)
    await postgres.execute(
        "DELETE FROM task_entries WHERE workflow_id = $1 AND item = $2", entry["workflow_id"], entry["item"]
    )
    assert await counted(entry["item"]) == (2, 1)
    await postgres.execute(insert, entry["workflow_id"], "stranger")
    assert await counted("stranger") == (0, 1)

    async def of_another(handler: str) -> set[int]:
        (facts,) = (await read_facts(bed.target, bed.stores, [iteration])).values()
        query = "SELECT key FROM task_items JOIN task_batches ON id = batch_id WHERE workflow_id = $1 AND handler = $2"
        keys = {row["key"] for row in await postgres.fetch(query, iteration.id("main"), handler)}
        return {fact.values[OF_ANOTHER] for fact in facts if fact.item in keys and OF_ANOTHER in fact.values}

    for handler, field in (("text.checksum", "hexdigest"), ("dataset.summary", "dataset")):
        assert await of_another(handler) == {0}
        await postgres.execute(
            """
            UPDATE task_items SET output = jsonb_set(output::jsonb, ARRAY[$3], '"another"')::json FROM task_batches
            WHERE id = batch_id AND workflow_id = $1 AND handler = $2 AND task_items.state = 'done'
            """,
            iteration.id("main"),
            handler,
            field,
        )
        assert await of_another(handler) == {1}
    assert await of_another("account.post") == set()
