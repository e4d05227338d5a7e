"""The table of objectives as plain text, for a terminal or a pipe."""

from collections.abc import Sequence

from harness.records.effects import Fact
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, ObjectiveResult, ObjectiveVerdict
from reports.gate import GateResult, RunGate
from reports.reconciliation import books
from reports.sentence import MARKS, answer

FINDINGS = 5
"""How many findings of an invariant are told before the rest is counted."""
HEADINGS = ("", "objective", "measured", "must be", "weight", "verdict")


def text(result: GateResult) -> str:
    """One aligned table a run, each with its verdict below it; the overall verdict at the end of several."""
    parts = [_run(run) for run in result.runs]
    if len(result.runs) != 1:
        parts.append(f"{len(result.runs)} runs, overall: {result.overall}")
    return "\n\n".join(parts) + "\n"


def judgement_text(judgement: Judgement) -> str:
    """One line for an invariant, and one for each of its first findings."""
    head = f"{judgement.verdict:<8} {judgement.invariant} ({judgement.checked:,} looked at) {judgement.reason}"
    lines = [head.rstrip()]
    lines += [f"{'':9}{f.problem}: {f.workflow_id or ''} {f.message}" for f in judgement.findings[:FINDINGS]]
    if len(judgement.findings) > FINDINGS:
        lines.append(f"{'':9}and {len(judgement.findings) - FINDINGS:,} more, all in the report")
    return "\n".join(_printable(line) for line in lines)


def rows_text(recorded: Recorded) -> str:
    """What the stores hold, scenario by scenario: rows expected and found, and why rows were rejected."""
    lines = []
    for rows in books((), (), (), recorded.read(Fact)).rows:
        counts = ", ".join(f"{name} {count:,}" for name, count in rows.values.items())
        lines.append(
            f"{rows.scenario}: {rows.expected:,} rows expected, {rows.found:,} found" + f" ({counts})" * bool(counts)
        )
        lines += [f"{count:>12,}  {reason}" for reason, count in rows.reasons.items()]
    return "\n".join(_printable(line) for line in lines)


def _run(run: RunGate) -> str:
    head = f"{run.title} · {run.run}" + (" · PARTIAL: cut off before its end" if run.partial else "")
    rows = [
        (
            MARKS[result.verdict],
            result.title,
            _short(result),
            result.threshold,
            "hard" if result.hard else "aim",
            result.verdict.value,
        )
        for result in run.objectives
    ]
    table = _aligned([HEADINGS, *rows]) if rows else ["no objective applies to this kind of run"]
    return "\n".join(_printable(line) for line in (head, "", *table, "", str(answer(run))))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]


def _printable(line: str) -> str:
    """What was recorded must not steer the terminal it is shown on."""
    return "".join(character if character.isprintable() else "?" for character in line)


def _short(result: ObjectiveResult) -> str:
    """What was measured; why it is not known is in the sentence below the table."""
    unknown = result.verdict is ObjectiveVerdict.UNKNOWN
    return result.measured.partition(" (")[0] if unknown else result.measured
