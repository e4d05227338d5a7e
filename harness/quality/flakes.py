"""Which tests ever failed when all were repeated in shuffled orders: from the record that the repetitions leave."""

import hashlib
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.quality.tool import Project, kept
from harness.records.checks import Check

ENOUGH = 20
"""Repetitions; after fewer, that none failed says little."""
SOURCES = ("*.py", "*.toml", "*.txt", "tests/data")
"""What the outcome of a test may depend on, as git's patterns."""


class Repetition(Struct, frozen=True, kw_only=True):
    """How all tests went, once. `failed` are their ids; `seconds` include the start of the servers."""

    seed: int
    ended: str
    """In ISO 8601."""
    seconds: float
    passed: int
    failed: list[str]


class Record(Struct, kw_only=True):
    """Every repetition of the same sources, whose digest is `sources`."""

    command: str
    sources: str
    machine: str
    repetitions: list[Repetition]


def digest(directory: Path, sources: Sequence[str] = SOURCES) -> str:
    """Tell sources apart: of every file git knows that is one of them, and of what was changed since.

    Raises subprocess.CalledProcessError outside a repository.
    """
    known = _git(directory, "ls-files", "-s", "--", *sources)
    changed = _git(directory, "diff", "HEAD", "--", *sources)
    return hashlib.sha256(known + changed).hexdigest()[:16]


async def flakes(project: Project) -> list[Check]:
    """How many tests failed in one repetition or more; unknown of other sources, or after too few repetitions."""
    path = project.directory / project.section.flakes
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
        measured = max((datetime.fromisoformat(each.ended).timestamp() for each in record.repetitions), default=0.0)
        own = digest(project.directory)
    except FileNotFoundError:
        return [kept("flakes", project.section.flakes, reason="the tests were not repeated: there is no such record")]
    except (OSError, ValueError, subprocess.SubprocessError) as error:  # no JSON of this kind, no date, no repository
        return [kept("flakes", project.section.flakes, reason=f"the record cannot be used: {error}")]
    times = len(record.repetitions)
    reason = ""
    if not times:
        reason = "the record has no repetition"
    elif record.sources != own:
        reason = "the record is of other sources than these"
    elif times < ENOUGH:
        reason = f"the tests were repeated {times} times, and {ENOUGH} are wanted"
    if not times:
        return [kept("flakes", project.section.flakes, reason=reason, command=record.command)]
    failed = sorted({name for each in record.repetitions for name in each.failed})
    check = kept(
        "flakes",
        project.section.flakes,
        value=None if reason else len(failed),
        reason=reason,
        detail=f"in {times} repetitions of {record.repetitions[-1].passed:,} tests on {record.machine}",
        findings=tuple(failed),
        command=record.command,
        measured=measured,
    )
    return [check]


def _git(directory: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=directory, capture_output=True, check=True).stdout
