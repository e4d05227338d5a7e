"""The objectives of several runs as one table: each once, as the run has it in which it is worst."""

import msgspec

from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict
from reports.gate import GateResult, RunGate
from reports.sentence import Answer, answer

RANK = {ObjectiveVerdict.HOLDS: 0, ObjectiveVerdict.UNKNOWN: 1, ObjectiveVerdict.FAILS: 2}


def objectives_of(judged: GateResult) -> tuple[ObjectiveResult, ...]:
    """In the order in which the runs name them."""
    worst: dict[str, ObjectiveResult] = {}
    for run in judged.runs:
        for result in run.objectives:
            other = worst.get(result.name)
            if other is None or RANK[result.verdict] > RANK[other.verdict]:
                worst[result.name] = msgspec.structs.replace(result, run=run.run)
    return tuple(worst.values())


def answer_of(judged: GateResult) -> Answer:
    """The answer over all of them."""
    return answer(
        RunGate(
            run="",
            kind=" or a ".join(dict.fromkeys(run.kind for run in judged.runs)),
            title="",
            partial=any(run.partial for run in judged.runs),
            verdict=judged.overall,
            objectives=objectives_of(judged),
        )
    )
