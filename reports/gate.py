"""May we ship? The objectives of one run or several, and the verdict over them all."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.checking.objectives import gate
from harness.records.run import Recorded
from harness.records.verdicts import ObjectiveResult, Verdict
from reports.objectives import results_of


class RunGate(Struct, frozen=True, kw_only=True):
    """One run at the gate."""

    run: str
    kind: str
    title: str
    partial: bool
    """It was cut off before its end: it can fail the gate, and never pass it."""
    verdict: Verdict
    objectives: tuple[ObjectiveResult, ...]


class GateResult(Struct, frozen=True, kw_only=True):
    """All runs at the gate. The worst wins; without a run it is unknown."""

    overall: Verdict
    strict: bool
    runs: tuple[RunGate, ...]


def gate_of(directories: Sequence[Path], strict: bool = False) -> GateResult:
    """Judge each run by the objectives for its kind. A strict gate wants every one of them measured, aims too.

    Raises NotARun if a directory holds no readable run.
    """
    runs = tuple(run_gate(Recorded(directory), strict=strict) for directory in directories)
    return GateResult(overall=Verdict.worst(run.verdict for run in runs), strict=strict, runs=runs)


def run_gate(recorded: Recorded, *, strict: bool = False) -> RunGate:
    """Judge one run."""
    results = results_of(recorded)
    verdict = gate(results, strict=strict)
    info = recorded.info
    return RunGate(
        run=info.id,
        kind=info.kind,
        title=info.title,
        partial=info.partial,
        verdict=Verdict.worst((verdict, Verdict.UNKNOWN)) if info.partial else verdict,
        objectives=tuple(results),
    )


def to_json(result: GateResult) -> str:
    """The result as indented JSON, for other programs."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
