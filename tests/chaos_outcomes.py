"""What came of experiments that were run with several seeds: each outcome, and all together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.checking.percentiles import percentile
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, Verdict
from reports.aftermath import aftermath_of

HOLDS = 0


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, and how it was recovered from."""

    name: str
    on: str
    bit: bool
    recovered: float | None
    """Seconds from heal to steady; None where that is not known, or never came."""
    untold: str = ""
    """Why it is not known; empty where it is."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one experiment with one seed."""

    experiment: str
    seed: int
    run: str
    ended: str
    seconds: float
    """From the first server to the report."""
    holds: bool
    """Whether the command said so: all that was demanded of the run was there."""
    verdict: Verdict
    """The worst of what the invariants say; unknown at best of a run that was cut off."""
    problems: list[str]
    lost: int | None
    """None where that is not known."""
    doubled: int | None
    within: float | None
    """Seconds from heal to steady that the experiment allows; None where it was cut off before its first fault."""
    faults: list[Broken]

    def __str__(self) -> str:
        times = [f"{fault.recovered:g} s" if fault.recovered is not None else fault.untold for fault in self.faults]
        told = "holds" if self.holds else f"DOES NOT HOLD: {'; '.join(self.problems)}"
        bit = sum(fault.bit for fault in self.faults)
        return (
            f"{self.experiment}, seed {self.seed}: {told}; {bit} of {len(self.faults)} faults bit; "
            f"steady again after: {', '.join(times) or '—'} ({self.seconds:.0f} s, {self.run})"
        )


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """How long faults of one kind were recovered from, in seconds."""

    faults: int
    told: int
    p95: float | None
    max: float | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All outcomes together."""

    planned: int
    runs: int
    hold: int
    lost: int | None
    """None where one of the runs does not know."""
    doubled: int | None
    faults: int
    bit: int
    recovery: dict[str, Recovered]
    """By the name of the fault."""


def outcome_of(directory: Path, name: str, seed: int, code: int, seconds: float) -> Outcome:
    """Read it from a run directory. Raises NotARun."""
    recorded = Recorded(directory)
    experiment, judgements = recorded.experiment(), recorded.read(Judgement)
    problems = [problem_of(judgement) for judgement in judgements if judgement.verdict is not Verdict.VALID]
    if recorded.info.partial:
        problems.insert(0, "the run was cut off")
    verdict = Verdict.worst(judgement.verdict for judgement in judgements)
    return Outcome(
        experiment=name,
        seed=seed,
        run=recorded.info.id,
        ended=_now(),
        seconds=round(seconds, 1),
        holds=code == HOLDS,
        verdict=Verdict.worst([verdict, Verdict.UNKNOWN]) if recorded.info.partial else verdict,
        problems=problems or ([] if code == HOLDS else [f"the command ended with {code}"]),
        lost=findings(judgements, "nothing lost"),
        doubled=findings(judgements, "nothing doubled"),
        within=experiment.recovery.within if experiment else None,
        faults=[
            Broken(
                name=each.window.name,
                on=each.window.on,
                bit=each.window.bit,
                recovered=None if each.seconds is None else round(each.seconds, 2),
                untold=each.untold or "",
            )
            for each in aftermath_of(recorded).recovered
        ],
    )


def nothing_left(name: str, seed: int, code: int, seconds: float) -> Outcome:
    """Of a command that failed without a run to read."""
    return Outcome(
        experiment=name,
        seed=seed,
        run="no run",
        ended=_now(),
        seconds=round(seconds, 1),
        holds=False,
        verdict=Verdict.UNKNOWN,
        problems=[f"the command ended with {code}, and left no run"],
        lost=None,
        doubled=None,
        within=None,
        faults=[],
    )


def _now() -> str:
    return f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def problem_of(judgement: Judgement) -> str:
    first = judgement.findings[0].message if judgement.findings else judgement.reason
    return f"{judgement.invariant}: {judgement.verdict}: {first}"


def findings(judgements: Iterable[Judgement], invariant: str) -> int | None:
    """How many things this invariant found; None where it does not know, or was not asked."""
    told = [judgement for judgement in judgements if judgement.invariant == invariant]
    if not told or any(judgement.verdict is Verdict.UNKNOWN for judgement in told):
        return None
    return sum(len(judgement.findings) for judgement in told)


def totals(outcomes: Sequence[Outcome], planned: int) -> Totals:
    """Add up outcomes, of which there should be `planned`."""
    faults: dict[str, list[Broken]] = defaultdict(list)
    for fault in (fault for outcome in outcomes for fault in outcome.faults):
        faults[fault.name].append(fault)
    return Totals(
        planned=planned,
        runs=len(outcomes),
        hold=sum(outcome.holds for outcome in outcomes),
        lost=added_up([outcome.lost for outcome in outcomes]),
        doubled=added_up([outcome.doubled for outcome in outcomes]),
        faults=sum(len(each) for each in faults.values()),
        bit=sum(fault.bit for each in faults.values() for fault in each),
        recovery={name: recovered(each) for name, each in sorted(faults.items())},
    )


def added_up(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def recovered(faults: Sequence[Broken]) -> Recovered:
    told = [fault.recovered for fault in faults if fault.recovered is not None]
    return Recovered(faults=len(faults), told=len(told), p95=percentile(told, 95), max=percentile(told, 100))
