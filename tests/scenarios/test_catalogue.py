"""The catalogue: every scenario is well formed, draws the same input again, and judges facts as they are."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from scenarios import SCENARIOS
from scenarios.flights import ROWS, dangling
from scenarios.pipeline import LoadFlights, LoadReference, Slice

FEW = LoadFlights("pipeline-few", "", rows=(100, 100))
REFERENCE = LoadReference()
INPUT = Slice(1000, 100)


def operation(status: str | None = "completed", part: str = "main") -> Operation:
    """The result of a load, as the driver records it."""
    return Operation(
        scenario="pipeline-few",
        iteration=0,
        kind=Kind.RESULT,
        name="",
        workflow_id=f"r.pipeline-few.0.{part}",
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=Ack.OK if status else Ack.INFO,
        status=status,
    )


def fact(read: int, rejected: int, item: str = "0", part: str = "main") -> Fact:
    """What the tables hold of one chunk."""
    return Fact(
        scenario="pipeline-few",
        iteration=0,
        workflow_id=f"r.pipeline-few.0.{part}",
        step="load_chunk",
        item=item,
        expected=read,
        found=read,
        values={"rejected": rejected},
    )


def test_names_are_unique_and_say_their_domain() -> None:
    """Every scenario has a name of its own, "domain-what", and says what it proves."""
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
    for scenario in SCENARIOS:
        assert scenario.name.startswith(scenario.domain + "-")
        assert "." not in scenario.name
        assert scenario.proves


@given(seed=st.integers(), index=st.integers(min_value=0, max_value=10_000), chosen=st.sampled_from(SCENARIOS))
def test_the_same_seed_draws_the_same_input(seed: int, index: int, chosen: Any) -> None:
    """Run, time and order do not change what an iteration draws, and its input can be written down."""

    def drawn(run: str, intended: float) -> Any:
        return chosen.draw(Iteration(run=run, scenario=chosen.name, index=index, seed=seed, intended=intended).rng())

    assert drawn("a", 0) == drawn("b", 99)
    assert msgspec.json.encode(drawn("a", 0))


@given(seed=st.integers(), least=st.integers(1, 500), more=st.integers(0, 500))
def test_a_drawn_slice_lies_within_the_file(seed: int, least: int, more: int) -> None:
    """As many rows as the scenario says, all of them rows of the file."""
    scenario = LoadFlights("x-y", "", rows=(least, least + more))
    given_ = scenario.draw(Iteration(run="r", scenario="x-y", index=0, seed=seed, intended=0).rng())
    assert least <= given_.rows <= least + more
    assert 0 <= given_.first <= ROWS - given_.rows
    assert not given_.whole


def test_the_whole_is_the_archive() -> None:
    """pipeline-whole has nothing to choose: every row, from the first."""
    (whole,) = [scenario for scenario in SCENARIOS if scenario.name == "pipeline-whole"]
    drawn = whole.draw(Iteration(run="r", scenario=whole.name, index=0, seed=1, intended=0).rng())
    assert drawn == Slice(0, ROWS)
    assert drawn.whole


def test_a_load_that_is_as_it_should_be_has_no_finding() -> None:
    """Every row read, in however many chunks, and just those rejected that dangle."""
    rejected = dangling(INPUT.first, INPUT.rows)
    assert rejected > 0
    assert FEW.check(INPUT, [operation()], [fact(100, rejected), reconciled()]) == []
    assert FEW.check(INPUT, [operation()], [fact(60, rejected), fact(40, 0, item="1"), reconciled()]) == []


def test_a_load_that_does_not_say_that_it_is_reconciled_is_found() -> None:
    """The workflow completed: then its load must be closed as reconciled, whatever its rows say."""
    (finding,) = FEW.check(INPUT, [operation()], [fact(100, dangling(INPUT.first, INPUT.rows))])
    assert (finding.problem, finding.message) == ("lost", "the workflow completed, and its load is not reconciled")


def reconciled(part: str = "main") -> Fact:
    return msgspec.structs.replace(fact(0, 0, part=part), step="reconcile", item="", values={})


@pytest.mark.parametrize(
    ("facts", "problem", "says"),
    [
        ([fact(99, 0)], "lost", "the file has 100 rows, 99 were read"),
        ([], "lost", "the file has 100 rows, 0 were read"),
        ([fact(100, 0), fact(100, 0, item="1")], "lost", "200 were read"),
        ([fact(100, 0)], "misjudged", "rows refer to something that does not exist, 0 were rejected"),
        ([fact(100, 100)], "misjudged", "100 were rejected"),
    ],
)
def test_lost_rows_and_misjudged_rejects_are_found(facts: list[Fact], problem: str, says: str) -> None:
    """A row too few or too many, a reject too few or too many: each is a finding that names the workflow."""
    found = {finding.problem: finding for finding in FEW.check(INPUT, [operation()], [*facts, reconciled()])}
    assert says in found[problem].message
    assert found[problem].workflow_id == "r.pipeline-few.0.main"


@pytest.mark.parametrize("status", ["failed", "canceled", None])
def test_a_load_that_did_not_complete_may_have_left_less(status: str | None) -> None:
    """Rows of a load that failed, or whose end is not known, are not counted against the file."""
    assert FEW.check(INPUT, [operation(status)], [fact(40, 0)]) == []


PARTS = ("airlines", "airports", "planes")


def test_reference_data_must_all_be_there() -> None:
    """Three data sets, none of their rows rejected; one that left no row is named."""
    operations = [operation(part=part) for part in PARTS]
    closed = [reconciled(part) for part in PARTS]
    facts = [fact(10, 0, part=part) for part in PARTS]
    assert REFERENCE.check(PARTS, operations, [*facts, *closed]) == []
    (lost,) = REFERENCE.check(PARTS, operations, [*facts[:2], *closed])
    assert (lost.problem, lost.message) == ("lost", "planes left no row")
    (misjudged,) = REFERENCE.check(PARTS, operations, [*facts[:2], fact(10, 3, part="planes"), *closed])
    assert (misjudged.problem, misjudged.message) == ("misjudged", "3 good rows were rejected")
