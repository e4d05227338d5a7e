"""Whether the sources are still those that something was measured of."""

import subprocess
from pathlib import Path

from harness.quality.ignores import python_files
from harness.quality.tool import Project


def changed_since(project: Project, when: float) -> str:
    """The source that was changed last, if that was after `when`, in seconds since the Unix epoch; else nothing."""
    changes = [(path.stat().st_mtime, path) for path in _sources(project) if path.exists()]
    last, path = max(changes, default=(when, project.directory))
    return path.relative_to(project.directory).as_posix() if last > when else ""


def _sources(project: Project) -> list[Path]:
    """The Python files git knows; without git, those of the sources."""
    try:
        asked = ["git", "ls-files", "-z", "--", "*.py"]
        answer = subprocess.run(asked, cwd=project.directory, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return [path for source in project.section.sources for path in python_files(project.directory / source)]
    return [project.directory / name for name in answer.stdout.split("\0") if name]
