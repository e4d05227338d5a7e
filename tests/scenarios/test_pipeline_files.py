"""JSON lines with planted faults, and files that arrive twice: driven on real servers, and judged as they should be."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from harness.driver import drive
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario
from harness.testbed import Testbed
from scenarios.dialects import BROKEN, PACKED, WRITTEN, csv_file, json_lines
from scenarios.flights import read
from scenarios.pipeline import LoadAgain, LoadCancelled, LoadLines

Seen = tuple[Any, Sequence[Operation], Sequence[Fact]]


async def driven(bed: Testbed, scenario: Scenario[Any], seed: int) -> Seen:
    """One iteration: what was drawn, what was called, and what the stores hold."""
    operations: list[Operation] = []
    iteration = Iteration(run=f"{bed.run.info.id}-{seed}", scenario=scenario.name, index=0, seed=seed, intended=0)
    assert await drive(scenario, bed.app(iteration, record=operations.append)) == []
    facts = await scenario.observe(bed.stores, [iteration])
    return scenario.draw(iteration.rng()), operations, facts[0]


def changed(facts: Sequence[Fact], step: str, **values: int) -> list[Fact]:
    """The facts, the first one of this step with other values."""
    place = next(index for index, fact in enumerate(facts) if fact.step == step)
    other = msgspec.structs.replace(facts[place], values=facts[place].values | values)
    return [*facts[:place], other, *facts[place + 1 :]]


def problems(findings: Sequence[Finding]) -> set[str]:
    return {finding.problem for finding in findings}


async def test_just_the_broken_lines_are_rejected(bed: Testbed) -> None:
    """Three files with up to 40 broken lines each: nothing to be found, unless the facts were others."""
    scenario = LoadLines()
    for seed in range(3):
        given, operations, facts = await driven(bed, scenario, seed)
        assert given.broken
        assert scenario.check(given, operations, facts) == []
        assert problems(scenario.check(given, operations, changed(facts, "load_chunk", rejected=0))) == {"misjudged"}
        [moved] = scenario.check(given, operations, changed(facts, "load_chunk", **{"sum of rejected row numbers": 1}))
        assert "adding up to 1, were" in moved.message


async def test_a_line_rejected_for_another_reason_is_found(bed: Testbed) -> None:
    """The count by reason is looked at, and not the total alone."""
    scenario = LoadLines()
    given, operations, facts = await driven(bed, scenario, 7)
    reason = BROKEN[next(iter(given.broken.values()))][1]
    [finding] = scenario.check(given, operations, changed(facts, "load_chunk", **{f"rejected: {reason}": 0}))
    assert reason in finding.message


async def test_what_arrives_again_is_skipped(bed: Testbed) -> None:
    """Three times several files: loaded once, skipped once; a file that was not skipped would be found."""
    scenario = LoadAgain()
    for seed in range(3):
        given, operations, facts = await driven(bed, scenario, seed)
        assert scenario.check(given, operations, facts) == []
        assert sum(fact.found for fact in facts) == sum(part.rows for part in given)
        second = [fact for fact in facts if fact.workflow_id.endswith("second")]
        assert [(fact.step, fact.values) for fact in second] == [
            ("reconcile", {"files": len(given), "skipped": len(given)})
        ]
        rest = [fact for fact in facts if fact not in second]
        assert problems(scenario.check(given, operations, [*rest, *changed(second, "reconcile", skipped=0)])) == {
            "doubled"
        }
        assert "lost" in problems(scenario.check(given, operations, [*facts, rest[0]]))


async def test_a_load_that_is_cancelled_leaves_nothing(bed: Testbed) -> None:
    """Cancelled early and late: one load has all the rows; rows that a cancelled one had left would be found."""
    scenario = LoadCancelled()
    for seed in range(3):
        given, operations, facts = await driven(bed, scenario, seed)
        assert scenario.check(given, operations, facts) == []
        first, second = (op for op in operations if op.kind is Kind.RESULT)
        assert second.status == "completed"
        left = [msgspec.structs.replace(fact, workflow_id=first.workflow_id) for fact in facts]
        cancelled = msgspec.structs.replace(first, status="canceled")
        assert problems(scenario.check(given, [cancelled, second], left)) == {"doubled", "lost"}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("packed", PACKED)
def test_every_dialect_holds_the_same_flights(written: str, packed: str) -> None:
    """The csv module reads the same rows from it, columns by name."""
    data = csv_file(100, 20, written, packed)
    if packed == "gzip":
        data = gzip.decompress(data)
    if packed == "zip":
        data = zipfile.ZipFile(io.BytesIO(data)).read("flights.csv")
    header = read().header.decode().split(",")
    expected = [dict(zip(header, row.decode().split(","), strict=True)) for row in read().rows[100:120]]
    assert list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))) == expected


def test_json_lines_are_the_flights_but_for_the_broken_ones() -> None:
    """A line each; those not broken are objects with the row's values, of their types."""
    lines = json_lines(0, 15, dict(enumerate(BROKEN))).splitlines()
    assert len(lines) == 15
    first = json.loads(json_lines(0, 1, {}))
    assert (first["year"], first["carrier"], first["dep_time"]) == (2013, "UA", 517)
    assert json.loads(lines[-1]).keys() == first.keys()
