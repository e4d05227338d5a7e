"""How many of the mutants the tests noticed: from the record that a run of mutants leaves."""

import fnmatch
import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.quality.tool import Project, kept
from harness.records.checks import Check

METRIC = "mutation_score"
SETTINGS = "pyproject.toml"


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
    """By their paths: those that have something to mutate."""
    covers: dict[str, str] = {}
    """Every file that was to be mutated, by its path, with its digest as it was."""


async def mutation_score(project: Project) -> list[Check]:
    """The score of the record, the worst modules first; unknown where what is mutated now is not what was."""
    name = project.section.mutation
    try:
        record = msgspec.json.decode((project.directory / name).read_bytes(), type=Record)
        measured = datetime.fromisoformat(record.date).timestamp()
        others = _others(record.covers, mutated(project.directory) or _digests(project.directory, record.covers))
    except FileNotFoundError:
        return [kept(METRIC, name, reason="nothing was mutated: there is no such record")]
    except (OSError, ValueError) as error:  # no JSON or TOML of this kind, or no date
        return [kept(METRIC, name, reason=f"the record cannot be used: {error}")]
    if not record.total.mutants:
        return [kept(METRIC, name, reason="the record is of no mutant at all", command=record.command)]
    worst = sorted(record.modules.items(), key=lambda module: module[1].score)
    found = f"at {record.commit[:12]}, {record.total.score:g} % of {record.total.mutants:,} mutants were noticed"
    check = kept(
        METRIC,
        name,
        value=None if others else record.total.score,
        reason=f"{others}; {found}" if others else "",
        detail=f"of {record.total.mutants:,} mutants in {len(record.covers)} files, at {record.commit[:12]}",
        findings=tuple(f"{path}: {told.score:g} % of {told.mutants:,}" for path, told in worst),
        command=record.command,
        measured=measured,
    )
    return [check]


def mutated(directory: Path) -> dict[str, str]:
    """Every file that the settings of mutmut choose, by its path, with its digest; none where it has no settings.

    Raises OSError where one cannot be read, and ValueError where the settings cannot.
    """
    settings = directory / SETTINGS
    config = tomllib.loads(settings.read_text(encoding="utf-8")) if settings.exists() else {}
    return _digests(directory, _chosen(directory, config.get("tool", {}).get("mutmut", {})))


def _chosen(directory: Path, config: Mapping[str, list[str]]) -> Iterator[str]:
    # As mutmut has it: a star matches a slash too.
    only, never = config.get("only_mutate") or ["*"], config.get("do_not_mutate", [])
    for source in config.get("source_paths", []):
        for path in sorted((directory / source).rglob("*.py")):
            name = path.relative_to(directory).as_posix()
            if _matches(name, only) and not _matches(name, never):
                yield name


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _digests(directory: Path, names: Iterable[str]) -> dict[str, str]:
    paths = {name: directory / name for name in names}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in paths.items() if path.exists()}


def _others(covers: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What is not mutated as it is now; nothing where all is."""
    if not covers:
        return "the record does not tell which files were mutated"
    others = sorted(name for name in {**covers, **now} if covers.get(name) != now.get(name))
    if not others:
        return ""
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return f"not mutated as they are now: {', '.join(others[:3])}{more}"
