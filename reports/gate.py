"""May we ship? The objectives of one run or several, and the verdict over them all."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.checking.objectives import gate
from harness.checking.waivers import not_needed, waive
from harness.records.fingerprint import Fingerprint
from harness.records.run import NotARun, Recorded
from harness.records.verdicts import ObjectiveResult, Verdict
from reports.objectives import Policy, policy, results_of
from reports.together import together


class RunGate(Struct, frozen=True, kw_only=True):
    """One run at the gate."""

    run: str
    kind: str
    title: str
    partial: bool
    """It was cut off before its end: it can fail the gate, and never pass it."""
    verdict: Verdict
    objectives: tuple[ObjectiveResult, ...]
    command: str = ""
    """How to do it again."""
    started: float = 0.0
    """Seconds since the Unix epoch."""
    ended: float | None = None
    fingerprint: Fingerprint | None = None
    """Under what conditions it took place; None where that was not recorded."""


class Unreadable(Struct, frozen=True, kw_only=True):
    """A directory that was put to the gate and holds no run that can be read."""

    directory: str
    reason: str


class GateResult(Struct, frozen=True, kw_only=True):
    """All runs at the gate. The worst wins; without a run it is unknown."""

    overall: Verdict
    strict: bool
    runs: tuple[RunGate, ...]
    complete: bool = False
    """Every objective there is was asked for, whether these runs are of a kind that measures it or not."""
    objectives: tuple[ObjectiveResult, ...] = ()
    """Each objective once, as the run has it in which it is worst."""
    unreadable: tuple[Unreadable, ...] = ()


def gate_of(
    directories: Sequence[Path],
    strict: bool = False,
    *,
    complete: bool = False,
    by: Policy | None = None,
    today: date | None = None,
    read: Callable[[Path], Recorded] = Recorded,
    seen: Callable[[Recorded, RunGate], None] = lambda _run, _came_to: None,
) -> GateResult:
    """Judge runs by the objectives for their kinds, or by all there are.

    A strict gate wants every one of them measured, aims too. By default those of objectives.toml count, and its
    waivers as of today, in UTC. `seen` is told of each run once it is judged, while what was read of it is at hand.
    Raises BadObjectives, and NotARun if no directory holds a readable run.
    """
    by, today = by or policy(), today or datetime.now(tz=UTC).date()
    runs, raw, unreadable = [], [], list[Unreadable]()
    for directory in directories:
        try:
            recorded = read(directory)
            results = waive(results_of(recorded, by.objectives), by.waivers, today)
            run = _run_gate(recorded, results, by, strict=strict)
            seen(recorded, run)
            runs.append(run)
        except NotARun as error:
            unreadable.append(Unreadable(directory=str(directory), reason=str(error)))
            continue
        raw.append((recorded.info.kind, results))
    if unreadable and not runs:
        raise NotARun("\n".join(each.reason for each in unreadable))
    objectives = not_needed(waive(together(by.objectives, raw, complete=complete), by.waivers, today), by.waivers)
    unproven = unreadable or any(run.partial or not _hard(run.objectives) for run in runs)
    verdict = gate(objectives, strict=strict)
    return GateResult(
        overall=Verdict.worst((verdict, Verdict.UNKNOWN)) if unproven else verdict,
        strict=strict,
        complete=complete,
        runs=tuple(runs),
        objectives=tuple(objectives),
        unreadable=tuple(unreadable),
    )


def run_gate(recorded: Recorded, *, strict: bool = False, by: Policy | None = None) -> RunGate:
    """Judge one run. Raises BadObjectives, and NotARun if it cannot be read."""
    by = by or policy()
    results = waive(results_of(recorded, by.objectives), by.waivers, datetime.now(tz=UTC).date())
    return _run_gate(recorded, results, by, strict=strict)


def to_json(result: GateResult) -> str:
    """The result as indented JSON, for other programs; docs/schema/gate.schema.json describes it."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def _run_gate(recorded: Recorded, results: Sequence[ObjectiveResult], by: Policy, *, strict: bool) -> RunGate:
    verdict = gate(results, strict=strict)
    info = recorded.info
    return RunGate(
        run=info.id,
        kind=info.kind,
        title=info.title,
        partial=info.partial,
        verdict=Verdict.worst((verdict, Verdict.UNKNOWN)) if info.partial else verdict,
        objectives=tuple(not_needed(results, by.waivers)),
        command=info.command,
        started=info.started,
        ended=info.ended,
        fingerprint=recorded.fingerprint(),
    )


def _hard(results: Sequence[ObjectiveResult]) -> bool:
    return any(result.hard for result in results)
