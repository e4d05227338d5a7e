"""What a scenario spends more or less time on than before: where a change of its response time comes from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from harness.checking.responses import cold_iterations
from harness.records.anatomy import Part
from harness.records.operations import Operation
from harness.records.run import Recorded
from harness.records.workflows import WorkflowRun
from reports.anatomy import WORDS
from reports.figures import duration

MOST_PARTS = 3
MATERIAL = 0.1
"""A part is told where it makes up this share of all that changed."""


class Spent(Struct, frozen=True, kw_only=True):
    """Seconds that an iteration spends on one part of its workflows' time, on average."""

    part: Part
    base: float
    other: float

    @property
    def more(self) -> float:
        return self.other - self.base


def spent_otherwise(base: Recorded, other: Recorded, scenarios: Iterable[str]) -> dict[str, tuple[Spent, ...]]:
    """For each of these scenarios the parts that changed, the most first; without any intervals. Raises NotARun."""
    wanted = frozenset(scenarios)
    if not wanted:
        return {}
    before, after = _means(base, wanted), _means(other, wanted)
    return {
        name: parts
        for name in sorted(wanted & before.keys() & after.keys())
        if (parts := _changed(before[name], after[name]))
    }


def parts_told(scenario: str, parts: Sequence[Spent]) -> str:
    """One sentence: "slice: 40 ms more waiting for a worker, 3 ms less executing activities"."""
    told = (
        f"{duration(abs(each.more))} {'more' if each.more > 0 else 'less'} {WORDS[each.part].spent}" for each in parts
    )
    return f"{scenario}: {', '.join(told)}, on average"


def _changed(before: Mapping[Part, float], after: Mapping[Part, float]) -> tuple[Spent, ...]:
    parts = [Spent(part=part, base=before.get(part, 0.0), other=after.get(part, 0.0)) for part in Part]
    whole = sum(abs(each.more) for each in parts)
    told = [each for each in parts if each.more and abs(each.more) >= MATERIAL * whole]
    return tuple(sorted(told, key=lambda each: -abs(each.more))[:MOST_PARTS])


def _means(recorded: Recorded, wanted: frozenset[str]) -> dict[str, dict[Part, float]]:
    """For each scenario, seconds of each part for each warm iteration of which every workflow run has closed."""
    cold = set(cold_iterations(recorded.frame(Operation)).iter_rows())
    runs: dict[tuple[str, int], list[WorkflowRun]] = defaultdict(list)
    for run in recorded.read(WorkflowRun):
        if run.scenario in wanted and (run.scenario, run.iteration) not in cold:
            runs[run.scenario, run.iteration].append(run)
    sums: dict[str, dict[Part, float]] = defaultdict(lambda: defaultdict(float))
    iterations: dict[str, int] = defaultdict(int)
    for (scenario, _), group in runs.items():
        if any(run.anatomy is None for run in group):
            continue
        iterations[scenario] += 1
        for run in group:
            for part, seconds in (run.anatomy.seconds if run.anatomy else {}).items():
                sums[scenario][part] += seconds
    return {name: {part: whole / iterations[name] for part, whole in parts.items()} for name, parts in sums.items()}
