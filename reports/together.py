"""One table of objectives over several runs: each once, with the measurement that is worst."""

from collections.abc import Sequence

from harness.checking.objectives import Objective, result_of
from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict

RANK = {ObjectiveVerdict.HOLDS: 0, ObjectiveVerdict.UNKNOWN: 1, ObjectiveVerdict.FAILS: 2}


def together(
    objectives: Sequence[Objective], runs: Sequence[tuple[str, Sequence[ObjectiveResult]]], *, complete: bool = False
) -> list[ObjectiveResult]:
    """Each objective once, in their order; of each run there are its kind and its results.

    What fails counts more than what is unknown, and that more than what holds; what is waived counts less than what is
    not; among equals the worst value counts. Of an objective that is measured once, runs that measured it silence those
    that did not. One that no run is of a kind for is left out, or where all are wanted, unknown.
    """
    tables = [(kind, iter(results)) for kind, results in runs]
    found = []
    for objective in objectives:
        results = [next(table) for kind, table in tables if kind in objective.kinds]
        if results:
            found.append(_worst(objective, results))
        elif complete:
            found.append(result_of(objective, None))
    return found


def _worst(objective: Objective, results: Sequence[ObjectiveResult]) -> ObjectiveResult:
    measured = [result for result in results if result.value is not None]
    return max(measured if objective.once and measured else results, key=lambda each: _badness(objective, each))


def _badness(objective: Objective, result: ObjectiveResult) -> tuple[bool, int, float]:
    counts = result.verdict is not ObjectiveVerdict.HOLDS and not result.waived
    return counts, RANK[result.verdict], objective.badness(result.value) if result.value is not None else 0.0
