"""The table of objectives as Markdown, for a job summary or a pull request."""

from reports.gate import GateResult, RunGate
from reports.sentence import QUESTION, answer

MARKS = {"holds": "✅ holds", "fails": "❌ fails", "unknown": "❔ unknown"}


def markdown(result: GateResult) -> str:
    """One section a run: its verdict, then the table of its objectives."""
    parts = [_run(run) for run in result.runs]
    if len(result.runs) != 1:
        parts.append(f"**{len(result.runs)} runs, overall: {result.overall}**")
    return "\n\n".join(parts) + "\n"


def _run(run: RunGate) -> str:
    said = answer(run)
    lines = [f"## {QUESTION} {said.word}", "", _text(f"{said.reason} {said.aims}".strip())]
    if run.partial:
        lines += ["", "> **Partial run**: it was cut off before its end."]
    lines += ["", f"{_text(run.title)} · `{_text(run.run)}`", ""]
    if run.objectives:
        lines += ["| Objective | Measured | Must be | Weight | Verdict |", "| --- | ---: | --- | --- | --- |"]
    lines += [
        f"| {_text(r.title)} | {_text(r.measured)} | {_text(r.threshold)} | {'hard' if r.hard else 'aim'} "
        f"| {MARKS[r.verdict]} |"
        for r in run.objectives
    ]
    return "\n".join(lines).rstrip()


def _text(words: str) -> str:
    """Words that stay words inside a Markdown table."""
    one_line = " ".join(words.split())
    for character, inert in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\\", "\\\\"), ("|", "\\|"), ("`", "\\`")):
        one_line = one_line.replace(character, inert)
    return one_line
