"""The table of objectives for a terminal, or as plain text for a pipe."""

import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.checking.objectives import shown
from harness.records.effects import Fact
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, ObjectiveResult, ObjectiveVerdict, Verdict
from reports.canary import Proof
from reports.gate import GateResult, RunGate
from reports.plain import printable
from reports.reconciliation import rows_of
from reports.sentence import MARKS, RUN_MARKS, answer_of, judged, measured, notes, under

FINDINGS = 5
"""How many findings of an invariant are told before the rest is counted."""
UNKNOWN = ", which shuts the gate"
BOUNDLESS = 10_000
NARROW, SLIM = 110, 60
"""Columns of a terminal below which weight and run are left out; below which the mark alone tells the verdict."""
COLOURS = {Verdict.VALID: "bold green", Verdict.INVALID: "bold red", Verdict.UNKNOWN: "bold yellow"}


def text(result: GateResult, *, width: int | None = None, colour: bool = False) -> str:
    """One table of all objectives, the runs where there are several, and the verdict in words below them.

    `width` is that of the terminal; where there is none, no line is broken.
    """
    table = _table(result, width or BOUNDLESS) if result.objectives else "no objective applies to this kind of run"
    said = [Text(printable(note), style="yellow") for note in notes(result.objectives)]
    runs = [_runs(result)] if len(result.runs) != 1 or result.unreadable else []
    verdict = Text(printable(str(answer_of(result))), style=COLOURS[result.overall])
    return _drawn([Text(_head(result), style="bold"), "", table, "", *said, *runs, verdict], width, colour=colour)


def proofs_text(proofs: Sequence[Proof], *, width: int | None = None, colour: bool = False) -> str:
    """A line for each objective and kind of run: its bad value, and what the gate said of that."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in ("", "objective", "must be", "kind", "planted", "verdict"):
        table.add_column(heading, no_wrap=heading in {"", "must be", "kind"})
    for proof in proofs:
        mark, style = ("✗", "red") if proof.problems else ("✓", "green")
        told = "; ".join(proof.problems) or proof.verdict + UNKNOWN * (
            proof.verdict is ObjectiveVerdict.UNKNOWN
        ) + "".join(f", and with it: {title}" for title in proof.also)
        objective = proof.objective
        planted = shown(proof.planted, objective.unit)
        table.add_row(
            Text(mark, style), objective.title, objective.threshold, proof.kind, planted, Text(printable(told), style)
        )
    unproven = {proof.objective for proof in proofs if proof.problems}
    number = len({proof.objective for proof in proofs})
    if unproven:
        verdict = Text(f"{len(unproven)} of {number} objectives are not proven to fail.", style="bold red")
    else:
        verdict = Text(f"All {number} objectives fail where they must.", style="bold green")
    return _drawn([table, "", verdict], width, colour=colour)


def judgement_text(judgement: Judgement) -> str:
    """One line for an invariant, and one for each of its first findings."""
    head = f"{judgement.verdict:<8} {judgement.invariant} ({judgement.checked:,} looked at) {judgement.reason}"
    lines = [head.rstrip()]
    lines += [f"{'':9}{f.problem}: {f.workflow_id or ''} {f.message}" for f in judgement.findings[:FINDINGS]]
    if len(judgement.findings) > FINDINGS:
        lines.append(f"{'':9}and {len(judgement.findings) - FINDINGS:,} more, all in the report")
    return "\n".join(printable(line) for line in lines)


def rows_text(recorded: Recorded) -> str:
    """What the stores hold, scenario by scenario: rows expected and found, and why rows were rejected."""
    lines = []
    for rows in rows_of(recorded.frames(Fact)):
        counts = ", ".join(f"{name} {count:,}" for name, count in rows.values.items())
        lines.append(
            f"{rows.scenario}: {rows.expected:,} rows expected, {rows.found:,} found" + f" ({counts})" * bool(counts)
        )
        lines += [f"{count:>12,}  {reason}" for reason, count in rows.reasons.items()]
    return "\n".join(printable(line) for line in lines)


def _drawn(parts: Sequence[RenderableType], width: int | None, *, colour: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width or BOUNDLESS,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _head(result: GateResult) -> str:
    if len(result.runs) != 1:
        return f"{len(result.runs)} runs"
    (run,) = result.runs
    return printable(f"{run.title} · {run.run} · {under(run)}" + _partial(run))


def _partial(run: RunGate) -> str:
    return " · PARTIAL: cut off before its end" if run.partial else ""


def _table(result: GateResult, width: int) -> Table:
    wide, slim = width >= NARROW, width < SLIM
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("objective")
    table.add_column("measured")
    table.add_column("must be", no_wrap=True)
    if wide:
        table.add_column("weight", no_wrap=True)
    if not slim:
        table.add_column("verdict")
    several = wide and len(result.runs) != 1
    if several:
        table.add_column("run", no_wrap=True)
    for each in result.objectives:
        style = _colour(each)
        cells: list[str | Text] = [Text(MARKS[each.verdict], style), each.title, measured(each), each.threshold]
        cells += ["hard" if each.hard else "aim"] if wide else []
        cells += [] if slim else [Text(judged(each), style)]
        cells += [each.run] if several else []
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in cells))
    return table


def _runs(result: GateResult) -> Table:
    table = Table(box=None, show_header=False, show_edge=False, pad_edge=False)
    for run in result.runs:
        told = f"{run.run}: {run.title} · {under(run)}{_partial(run)}"
        table.add_row(Text(RUN_MARKS[run.verdict], COLOURS[run.verdict]), Text(printable(told)))
    for each in result.unreadable:
        unread = Text(printable(f"{each.directory}: NOT READ: {each.reason}"))
        table.add_row(Text(RUN_MARKS[Verdict.UNKNOWN], COLOURS[Verdict.UNKNOWN]), unread)
    table.add_row("")
    return table


def _colour(result: ObjectiveResult) -> str:
    if result.verdict is ObjectiveVerdict.HOLDS:
        return "green"
    return "red" if result.verdict is ObjectiveVerdict.FAILS and result.hard and not result.waived else "yellow"
