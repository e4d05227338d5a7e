"""The table of objectives as Markdown, for a job summary or a pull request."""

from collections.abc import Sequence

from harness.records.verdicts import ObjectiveResult
from reports.gate import GateResult, RunGate
from reports.plain import inert
from reports.sentence import QUESTION, RUN_MARKS, answer_of, judged, measured, notes, under

MARKS = {"holds": "✅", "fails": "❌", "unknown": "❔"}
WAIVED = "⚠️"


def markdown(result: GateResult) -> str:
    """The verdict, then the table of all objectives, then the runs they were measured in."""
    said = answer_of(result)
    several = len(result.runs) != 1
    lines = [f"## {QUESTION} {said.word}", "", inert(f"{said.reason} {said.aims}".strip())]
    lines += [line for run in result.runs if run.partial for line in ("", f"> **Partial run**: {_cut(run.run)}")]
    if not several:
        lines += ["", f"`{inert(result.runs[0].run)}`: {_told(result.runs[0])}"]
    if result.objectives:
        lines += ["", *_table(result.objectives, several=several)]
    if told := notes(result.objectives):
        lines += ["", *(f"- {inert(note)}" for note in told)]
    if several or result.unreadable:
        lines += ["", *(f"- {RUN_MARKS[run.verdict]} `{inert(run.run)}`: {_told(run)}" for run in result.runs)]
        lines += [f"- **not read**: `{inert(each.directory)}`: {inert(each.reason)}" for each in result.unreadable]
    return "\n".join(lines) + "\n"


def _told(run: RunGate) -> str:
    return inert(f"{run.title} · {under(run)}")


def _cut(run: str) -> str:
    return f"`{inert(run)}` was cut off before its end."


def _table(results: Sequence[ObjectiveResult], *, several: bool) -> list[str]:
    heads = ["Objective", "Measured", "Must be", "Weight", "Verdict"] + ["Run"] * several
    rules = ["---", "---:", "---", "---", "---"] + ["---"] * several
    rows = [
        [
            inert(each.title),
            inert(measured(each)),
            inert(each.threshold),
            "hard" if each.hard else "aim",
            f"{WAIVED if each.waived else MARKS[each.verdict]} {judged(each)}",
            *([inert(each.run)] * several),
        ]
        for each in results
    ]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows)]
