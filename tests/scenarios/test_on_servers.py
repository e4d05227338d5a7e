"""The scenarios on real servers: what they leave in the stores is counted and judged."""

import pytest

from harness.driver import drive
from harness.measurements import workflow_overhead
from harness.observation import read_facts
from harness.records.effects import Effect, Fact
from harness.records.operations import Iteration
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.scenario import Stores
from harness.testbed import Testbed
from scenarios import throughput
from scenarios.flights import dangling


async def test_a_few_flights_are_loaded_and_every_judgement_is_valid(bed: Testbed) -> None:
    """One iteration, observed: every row is there once or rejected, effect and rows in one transaction, all closed."""
    few = bed.target.scenario("pipeline-few")
    await bed.prepare(few)
    await bed.once(few)
    judgements = await bed.conclude()
    assert [(each.invariant, each.findings) for each in judgements if each.verdict is not Verdict.VALID] == []
    recorded = Recorded(bed.run.directory)
    told = [fact for fact in recorded.read(Fact) if fact.scenario == "pipeline-few"]
    facts = [fact for fact in told if fact.step == "load_chunk"]
    assert [(fact.expected, fact.found) for fact in told if fact.step == "reconcile"] == [(0, 0)]
    effects = [effect for effect in recorded.read(Effect) if ".pipeline-few." in effect.workflow_id]
    drawn = few.draw(bed.iterations[-1].rng())
    assert sum(fact.found for fact in facts) == 100
    assert sum(fact.values["rejected"] for fact in facts) == dangling(drawn.first, drawn.rows)
    assert {effect.step for effect in effects} == {"load_chunk", "reconcile"}
    assert {effect.attempt for effect in effects} == {1}
    loads = {effect.key: effect.transaction for effect in effects if effect.step == "load_chunk"}
    assert {fact.key: fact.transactions for fact in facts} == {key: (number,) for key, number in loads.items()}


async def test_rows_that_vanish_are_found(bed: Testbed) -> None:
    """A row deleted behind the system's back is missing from the facts: they are counted, and not remembered."""
    few = bed.target.scenario("pipeline-few")
    iteration = Iteration(run=f"{bed.run.info.id}-vanish", scenario=few.name, index=0, seed=3, intended=0)
    assert await drive(few, bed.app(iteration, record=lambda _: None)) == []
    before = await _facts(bed, iteration)
    assert before.found == before.expected == 100
    assert bed.stores.postgres is not None
    (chunk,) = await bed.stores.postgres.fetch(
        "SELECT chunks.id FROM chunks JOIN loads ON loads.id = load_id WHERE workflow_id = $1", before.workflow_id
    )
    await bed.stores.postgres.execute(
        "DELETE FROM datasets.flights WHERE ctid = (SELECT min(ctid) FROM datasets.flights WHERE _chunk = $1)",
        chunk["id"],
    )
    after = await _facts(bed, iteration)
    assert (after.expected, after.found) == (100, 99)
    await bed.stores.postgres.execute("DELETE FROM datasets.flights WHERE _chunk = $1", chunk["id"])
    load = await bed.stores.postgres.fetchval(
        "DELETE FROM loads WHERE workflow_id = $1 RETURNING id", before.workflow_id
    )
    await bed.stores.postgres.execute("DELETE FROM rejects WHERE load_id = $1", load)


async def _facts(bed: Testbed, iteration: Iteration) -> Fact:
    (facts,) = (await read_facts(bed.target, bed.stores, [iteration])).values()
    (fact,) = [fact for fact in facts if fact.step == "load_chunk"]
    return fact


async def test_rejects_of_no_chunk_are_found(bed: Testbed) -> None:
    """Rejects under a chunk that the load never had are rows nobody expected."""
    assert bed.stores.postgres is not None
    iteration = Iteration(run="nobody", scenario="pipeline-few", index=0, seed=1, intended=0)
    insert = "INSERT INTO rejects (load_id, chunk, file, row_number, reason, raw) VALUES (999999, 7, 'f', 1, 'r', '')"
    await bed.stores.postgres.execute(insert)
    try:
        (facts,) = (await read_facts(bed.target, bed.stores, [iteration])).values()
    finally:
        await bed.stores.postgres.execute("DELETE FROM rejects WHERE load_id = 999999")
    strays = [(fact.item, fact.expected, fact.found) for fact in facts]
    assert ("rejects of load 999999, chunk 7", 0, 1) in strays


async def test_nothing_is_observed_of_no_iterations(bed: Testbed) -> None:
    """Without iterations there is nothing to ask the stores."""
    assert await bed.target.scenario("pipeline-few").observe(Stores(postgres=bed.stores.postgres), []) == {}


@pytest.mark.thorough
async def test_throughput_is_measured_beside_a_plain_copy(bed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole file, by the pipeline and by COPY in turn: rows a second of both, and the table is gone again."""
    monkeypatch.setattr(throughput, "ROUNDS", 1)
    told: list[str] = []
    ours, plain = await throughput.measure(bed, told.append)
    assert (ours.name, plain.name, ours.unit) == ("pipeline_throughput", "copy_throughput", "rows/s")
    assert len(ours.samples) == len(plain.samples) == 1
    assert ours.samples[0] > 1_000
    assert plain.samples[0] > 1_000
    assert "rows/s (1/1)" in told[0]
    assert bed.stores.postgres is not None
    assert await bed.stores.postgres.fetchval("SELECT to_regclass('copied')") is None


@pytest.mark.thorough
async def test_overhead_is_measured_beside_the_bare_sdk(bed: Testbed) -> None:
    """The system's own baseline runs the same workflows with nothing but the SDK around them."""
    own, platform = await workflow_overhead(bed, bed.target.scenario("pipeline-few"), 1, lambda _: None)
    assert len(own.samples) == len(platform.samples) == 1
    assert own.samples[0] > 0
