"""How many of the mutants the tests noticed: from the record that a run of mutants leaves."""

import subprocess
from datetime import datetime

import msgspec
from msgspec import Struct

from harness.quality.tool import Project, kept
from harness.records.checks import Check

METRIC = "mutation_score"


class Score(Struct):
    """Of all mutants, or of a module's."""

    score: float
    """Percent that were noticed."""
    mutants: int


class Record(Struct):
    """As much of the record as is read."""

    command: str
    date: str
    """In ISO 8601."""
    commit: str
    total: Score
    modules: dict[str, Score]
    """By their paths."""


async def mutation_score(project: Project) -> list[Check]:
    """The score of the record, and how many of its modules have changed since; the worst modules first."""
    name = project.section.mutation
    try:
        record = msgspec.json.decode((project.directory / name).read_bytes(), type=Record)
        measured = datetime.fromisoformat(record.date).timestamp()
    except FileNotFoundError:
        return [kept(METRIC, name, reason="nothing was mutated: there is no such record")]
    except (OSError, ValueError) as error:  # no JSON of this kind, or no date
        return [kept(METRIC, name, reason=f"the record cannot be used: {error}")]
    if not record.total.mutants:
        return [kept(METRIC, name, reason="the record is of no mutant at all", command=record.command)]
    worst = sorted(record.modules.items(), key=lambda module: module[1].score)
    check = kept(
        METRIC,
        name,
        value=record.total.score,
        detail=f"of {record.total.mutants:,} mutants, {_changed(project, record)}",
        findings=tuple(f"{path}: {told.score:g} % of {told.mutants:,}" for path, told in worst),
        command=record.command,
        measured=measured,
    )
    return [check]


def _changed(project: Project, record: Record) -> str:
    """How many of the modules are others now than those that were mutated, as far as git can tell."""
    asked = ["git", "diff", "--name-only", "--relative", record.commit, "--", *record.modules]
    try:
        answer = subprocess.run(asked, cwd=project.directory, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return f"at {record.commit[:12]}, which git does not know here: what has changed since cannot be told"
    changed = answer.stdout.split()
    return f"at {record.commit[:12]}; {len(changed)} of {len(record.modules)} modules have changed since"
