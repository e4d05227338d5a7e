"""The verdict in words a newcomer understands."""

from collections.abc import Sequence

from msgspec import Struct

from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict
from reports.figures import things
from reports.gate import RunGate

QUESTION = "May we ship?"
WORDS = {Verdict.VALID: "Yes", Verdict.INVALID: "No", Verdict.UNKNOWN: "Not known"}
MARKS = {
    ObjectiveVerdict.HOLDS: "✓",
    ObjectiveVerdict.FAILS: "✗",
    ObjectiveVerdict.UNKNOWN: "?",
}


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to "May we ship?"."""

    verdict: Verdict
    word: str
    reason: str
    """One sentence, or two: which hard objective fails or is not known, or that all hold."""
    aims: str
    """What is to be said of the aims, which never decide; empty where there are none."""

    def __str__(self) -> str:
        return " ".join(part for part in (QUESTION, f"{self.word}:", self.reason, self.aims) if part)


def answer(run: RunGate) -> Answer:
    """What this run's objectives say, beginning with what is worst."""
    hard = [result for result in run.objectives if result.hard]
    aims = [result for result in run.objectives if not result.hard]
    return Answer(verdict=run.verdict, word=WORDS[run.verdict], reason=_reason(run, hard, aims), aims=_aims(aims))


def _reason(run: RunGate, hard: Sequence[ObjectiveResult], aims: Sequence[ObjectiveResult]) -> str:
    failing, unknown = _with(hard, ObjectiveVerdict.FAILS), _with(hard, ObjectiveVerdict.UNKNOWN)
    said = []
    if failing:
        said.append(f"{_of(failing, hard, 'hard objective')} failed: {_told(failing)}.")
    if unknown:
        said.append(f"{_of(unknown, hard, 'hard objective')} could not be judged: {_names(unknown)}.")
    if not hard:
        said.append(f"no hard objective applies to a {run.kind} run.")
    elif not said and run.verdict is Verdict.UNKNOWN and not run.partial:
        said.append(f"a strict gate wants the aims measured too: {_names(_with(aims, ObjectiveVerdict.UNKNOWN))}.")
    elif not said:
        said.append("the one hard objective holds." if len(hard) == 1 else f"all {len(hard)} hard objectives hold.")
    if run.partial:
        said.append("The run was cut off before its end, so it proves nothing good.")
    return " ".join(said)


def _aims(aims: Sequence[ObjectiveResult]) -> str:
    if not aims:
        return ""
    missed = _with(aims, ObjectiveVerdict.FAILS)
    if missed:
        return f"{_of(missed, aims, 'aim')} missed, which does not decide: {_told(missed)}."
    if _with(aims, ObjectiveVerdict.UNKNOWN):
        return f"{_of(_with(aims, ObjectiveVerdict.HOLDS), aims, 'aim')} reached; the rest were not measured."
    return "The aim is reached." if len(aims) == 1 else f"All {len(aims)} aims are reached."


def _with(results: Sequence[ObjectiveResult], verdict: ObjectiveVerdict) -> list[ObjectiveResult]:
    return [result for result in results if result.verdict is verdict]


def _of(some: Sequence[ObjectiveResult], whole: Sequence[ObjectiveResult], noun: str) -> str:
    return f"{len(some)} of {things(len(whole), noun)}"


def _told(results: Sequence[ObjectiveResult]) -> str:
    return "; ".join(f"{r.title} ({_figure(r)}, must be {r.threshold.removeprefix('= ')})" for r in results)


def _figure(result: ObjectiveResult) -> str:
    """What was measured without what stands behind it: the table has both."""
    return result.measured.partition(" (")[0]


def _names(results: Sequence[ObjectiveResult]) -> str:
    return "; ".join(result.title + _why(result) for result in results)


def _why(result: ObjectiveResult) -> str:
    """Why it is not known, where that is told."""
    figure, _, why = result.measured.partition(" (")
    return f" ({why}" if figure == "not known" else ""
