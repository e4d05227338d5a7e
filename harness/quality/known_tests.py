"""The tests there were, in a file of the sources: none of them may be gone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from harness.errors import CannotRun
from harness.quality.tool import Project
from harness.records.checks import TestCase

WRITES = "`temper quality tests --record` writes the one that quality.known_tests names"


def counted(cases: Iterable[TestCase]) -> Counter[str]:
    """How many cases each test has: its name is that without parameters, which may differ from run to run."""
    return Counter(case.name.partition("[")[0] for case in cases)


def gone(known: Mapping[str, int], cases: Iterable[TestCase]) -> Counter[str]:
    """How many cases of each known test are gone; what is new is no matter."""
    return Counter(known) - counted(cases)


def read_known(project: Project) -> dict[str, int] | None:
    """The known tests, and how many cases each has; None where there is no such list. Raises CannotRun."""
    if not project.section.known_tests:
        return None
    path = _path(project)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        problem = f"{path} cannot be read: {error}."
        raise CannotRun(problem, remedy="Remove it: `temper quality tests --record` writes it anew.") from error


def write_known(project: Project, cases: Iterable[TestCase]) -> Path:
    """Write down which tests there are, a line each, and tell where. Raises CannotRun."""
    path = _path(project)
    content = msgspec.json.encode(dict(sorted(counted(cases).items())))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(content, indent=1) + b"\n")
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror}."
        raise CannotRun(problem, remedy="quality.known_tests names it.") from error
    return path


def _path(project: Project) -> Path:
    return project.directory / project.section.known_tests
