"""Lines that stand in a file twice, where each record of its kind is written once."""

from pathlib import Path

from msgspec import Struct

from harness.records.calls import Call
from harness.records.checks import Check, FileCoverage, TestCase
from harness.records.effects import Fact
from harness.records.journal import Commit
from harness.records.lines import lines
from harness.records.operations import Iteration
from harness.records.replays import Replay
from harness.records.run import FILES, NotARun, Recorded
from harness.records.samples import Sample
from harness.records.steps import Step
from harness.records.verdicts import Judgement
from harness.records.workflows import WorkflowRun

UNIQUE: tuple[type[Struct], ...] = (
    Iteration, WorkflowRun, Fact, Call, Commit, Sample, Step, Replay, Judgement, Check, TestCase, FileCoverage,
)  # fmt: skip
"""Kinds of which no two records can be alike: each names what it is of, or its moment.

An effect that stands there twice may be in the ledger twice; a measurement may come out the same; operations and faults
are written again when more is known of them, and the last counts.
"""


def refuse_repeated(recorded: Recorded) -> None:
    """Raise NotARun where a run that was cut off has a line twice; of one that ended, lines are counted when read."""
    if not recorded.info.partial:
        return
    for kind in UNIQUE:
        path = recorded.directory / FILES[kind]
        try:
            _refuse_repeated(path)
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise NotARun(message) from error


def _refuse_repeated(path: Path) -> None:
    seen: dict[int, int] = {}
    for number, line in enumerate(lines(path), start=1):
        first = seen.setdefault(hash(line.strip()), number) if line.strip() else number
        if first != number:
            message = f"{path}, line {number}: it is line {first} again: it was changed afterwards"
            raise NotARun(message)
