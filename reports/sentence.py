"""The verdict in words a newcomer understands."""

from collections.abc import Sequence

from msgspec import Struct

from harness.checking.objectives import NOT_MEASURED
from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict
from reports.figures import things
from reports.gate import GateResult, RunGate

QUESTION = "May we ship?"
WORDS = {Verdict.VALID: "Yes", Verdict.INVALID: "No", Verdict.UNKNOWN: "Not known"}
MARKS = {
    ObjectiveVerdict.HOLDS: "✓",
    ObjectiveVerdict.FAILS: "✗",
    ObjectiveVerdict.UNKNOWN: "?",
}
RUN_MARKS = {
    Verdict.VALID: MARKS[ObjectiveVerdict.HOLDS],
    Verdict.INVALID: MARKS[ObjectiveVerdict.FAILS],
    Verdict.UNKNOWN: MARKS[ObjectiveVerdict.UNKNOWN],
}
MOST_NAMED = 8
"""How many objectives a sentence names before it counts the rest."""


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to "May we ship?"."""

    verdict: Verdict
    word: str
    reason: str
    """One sentence, or some: which hard objective fails or is not known, or that all hold."""
    aims: str
    """What is to be said of the aims, which never decide; empty where there are none."""

    def __str__(self) -> str:
        return " ".join(part for part in (QUESTION, f"{self.word}:", self.reason, self.aims) if part)


def answer(run: RunGate) -> Answer:
    """What one run's objectives say, beginning with what is worst."""
    aside = ["The run was cut off before its end, so it proves nothing good."] if run.partial else []
    return _answer(run.verdict, run.objectives, f"a {run.kind} run", aside)


def answer_of(result: GateResult) -> Answer:
    """What the objectives of all runs together say, beginning with what is worst."""
    if len(result.runs) == 1 and not result.complete and not result.unreadable:
        return answer(result.runs[0])
    aside = []
    if cut := [run for run in result.runs if run.partial]:
        aside.append(f"{_of(cut, result.runs, 'run')} cut off before the end, which proves nothing good.")
    if idle := [run.kind for run in result.runs if not _hard(run.objectives)]:
        aside.append(f"No hard objective applies to a {idle[0]} run.")
    if result.unreadable:
        aside.append(f"{things(len(result.unreadable), 'directory', 'directories')} held no run that can be read.")
    return _answer(result.overall, result.objectives, "these runs", aside)


def measured(result: ObjectiveResult) -> str:
    """What was measured, and where nothing was, what does it; why it is not known is in the sentence."""
    if result.verdict is not ObjectiveVerdict.UNKNOWN:
        return result.measured
    told = _figure(result)
    return f"{told}: {result.command}" if told == NOT_MEASURED and result.command else told


def judged(result: ObjectiveResult) -> str:
    """Its verdict, and whether that is waived."""
    return f"{result.verdict}, waived" if result.waived else result.verdict.value


def under(run: RunGate) -> str:
    """Of which commit and on what machine it was measured, as far as that was recorded."""
    told = run.fingerprint
    if told is None:
        return "conditions not recorded"
    commit = f"commit {told.commit}" if told.commit else "no commit"
    return f"{commit}, {things(told.cores, 'core')}, {told.machine}"


def notes(results: Sequence[ObjectiveResult]) -> list[str]:
    """What is to be said of waivers, a line each."""
    waived = [f"{result.title}: waived {result.waived}" for result in results if result.waived]
    return waived + [f"{result.title}: {result.note}" for result in results if result.note]


def _answer(verdict: Verdict, results: Sequence[ObjectiveResult], whose: str, aside: Sequence[str]) -> Answer:
    reason = " ".join([*_reasons(verdict, results, whose, told=bool(aside)), *aside])
    return Answer(verdict=verdict, word=WORDS[verdict], reason=reason, aims=_aims(results))


def _reasons(verdict: Verdict, results: Sequence[ObjectiveResult], whose: str, *, told: bool) -> list[str]:
    """`told`: why it is not known is said behind these."""
    hard = _hard(results)
    failing, unknown = _with(hard, ObjectiveVerdict.FAILS), _with(hard, ObjectiveVerdict.UNKNOWN)
    waived = [result for result in results if result.waived]
    held = len(hard) - len(_hard(waived))
    said = []
    if failing:
        said.append(f"{_of(failing, hard, 'hard objective')} failed: {_told(failing)}.")
    if unknown:
        said.append(f"{_of(unknown, hard, 'hard objective')} could not be judged: {_names(unknown)}.")
    if not hard:
        said.append(f"no hard objective applies to {whose}.")
    elif not said and verdict is Verdict.UNKNOWN and not told:
        aims = [result for result in results if not result.hard]
        said.append(f"a strict gate wants the aims measured too: {_names(_with(aims, ObjectiveVerdict.UNKNOWN))}.")
    elif not said:
        said.append(_all_hold(held, others=held < len(hard)))
    if waived:
        said.append(f"{'One is' if len(waived) == 1 else f'{len(waived)} are'} waived: {_waivers(waived)}.")
    return said


def _all_hold(number: int, *, others: bool) -> str:
    if not number:
        return "no hard objective holds, and all are waived."
    if others:
        return f"{things(number, 'hard objective')} {'holds' if number == 1 else 'hold'}, and the rest are waived."
    return "the one hard objective holds." if number == 1 else f"all {number} hard objectives hold."


def _aims(results: Sequence[ObjectiveResult]) -> str:
    aims = [result for result in results if not result.hard]
    if not aims:
        return ""
    missed = _with(aims, ObjectiveVerdict.FAILS)
    if missed:
        return f"{_of(missed, aims, 'aim')} missed, which does not decide: {_told(missed)}."
    held = [aim for aim in aims if aim.verdict is ObjectiveVerdict.HOLDS]
    if len(held) < len(aims):
        rest = "were not measured" if _with(aims, ObjectiveVerdict.UNKNOWN) else "are waived"
        return f"{_of(held, aims, 'aim')} reached; the rest {rest}."
    return "The aim is reached." if len(aims) == 1 else f"All {len(aims)} aims are reached."


def _hard(results: Sequence[ObjectiveResult]) -> list[ObjectiveResult]:
    return [result for result in results if result.hard]


def _with(results: Sequence[ObjectiveResult], verdict: ObjectiveVerdict) -> list[ObjectiveResult]:
    """Those with this verdict that are not waived."""
    return [result for result in results if result.verdict is verdict and not result.waived]


def _of(some: Sequence[object], whole: Sequence[object], noun: str) -> str:
    return f"{len(some)} of {things(len(whole), noun)}"


def _told(results: Sequence[ObjectiveResult]) -> str:
    return _listed([f"{r.title} ({_figure(r)}, must be {r.threshold.removeprefix('= ')}{_note(r)})" for r in results])


def _waivers(results: Sequence[ObjectiveResult]) -> str:
    return _listed([f"{result.title} ({result.verdict}; {result.waived})" for result in results])


def _note(result: ObjectiveResult) -> str:
    return f"; {result.note}" if result.note else ""


def _figure(result: ObjectiveResult) -> str:
    """What was measured without what stands behind it: the table has both."""
    return result.measured.partition(" (")[0]


def _names(results: Sequence[ObjectiveResult]) -> str:
    return _listed([result.title + _why(result) for result in results])


def _why(result: ObjectiveResult) -> str:
    """Why it is not known, where that is told, and what measures it where it was not measured."""
    figure, _, why = result.measured.partition(" (")
    if figure != NOT_MEASURED and why:
        return f" ({why.removesuffix(')')}{_note(result)})"
    return f" ({result.note})" if result.note else ""


def _listed(told: Sequence[str]) -> str:
    rest = len(told) - MOST_NAMED
    return "; ".join(told[:MOST_NAMED]) + (f"; and {rest:,} more" if rest > 0 else "")
