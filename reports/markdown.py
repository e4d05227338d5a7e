"""The table of objectives as Markdown, for a job summary or a pull request."""

from collections.abc import Sequence

from harness.records.verdicts import ObjectiveResult
from reports.gate import GateResult, RunGate
from reports.sentence import QUESTION, RUN_MARKS, answer_of, judged, measured, notes, under

MARKS = {"holds": "✅", "fails": "❌", "unknown": "❔"}
WAIVED = "⚠️"


def markdown(result: GateResult) -> str:
    """The verdict, then the table of all objectives, then the runs they were measured in."""
    said = answer_of(result)
    several = len(result.runs) != 1
    lines = [f"## {QUESTION} {said.word}", "", _text(f"{said.reason} {said.aims}".strip())]
    lines += [line for run in result.runs if run.partial for line in ("", f"> **Partial run**: {_cut(run.run)}")]
    if not several:
        lines += ["", f"`{_text(result.runs[0].run)}`: {_told(result.runs[0])}"]
    if result.objectives:
        lines += ["", *_table(result.objectives, several=several)]
    if told := notes(result.objectives):
        lines += ["", *(f"- {_text(note)}" for note in told)]
    if several or result.unreadable:
        lines += ["", *(f"- {RUN_MARKS[run.verdict]} `{_text(run.run)}`: {_told(run)}" for run in result.runs)]
        lines += [f"- **not read**: `{_text(each.directory)}`: {_text(each.reason)}" for each in result.unreadable]
    return "\n".join(lines) + "\n"


def _told(run: RunGate) -> str:
    return _text(f"{run.title} · {under(run)}")


def _cut(run: str) -> str:
    return f"`{_text(run)}` was cut off before its end."


def _table(results: Sequence[ObjectiveResult], *, several: bool) -> list[str]:
    heads = ["Objective", "Measured", "Must be", "Weight", "Verdict"] + ["Run"] * several
    rules = ["---", "---:", "---", "---", "---"] + ["---"] * several
    rows = [
        [
            _text(each.title),
            _text(measured(each)),
            _text(each.threshold),
            "hard" if each.hard else "aim",
            f"{WAIVED if each.waived else MARKS[each.verdict]} {judged(each)}",
            *([_text(each.run)] * several),
        ]
        for each in results
    ]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows)]


def _text(words: str) -> str:
    """Words that stay words inside a Markdown table."""
    one_line = " ".join(words.split())
    for character, inert in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\\", "\\\\"), ("|", "\\|"), ("`", "\\`")):
        one_line = one_line.replace(character, inert)
    return one_line
