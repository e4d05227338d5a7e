"""Projects whose tools are played by small programs, for tests of how what they say is read."""

import sys
from pathlib import Path

from harness.quality.section import QualitySection
from harness.quality.tool import Project


def project_of(directory: Path, section: QualitySection) -> Project:
    """A project in this directory, whose runs keep what tools say in `logs` there."""
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)
    return Project(section=section, directory=directory, logs=logs)


def saying(output: str, *, complaint: str = "", code: int = 0) -> list[str]:
    """A command that plays a tool: says this, complains so, and ends with this code."""
    program = f"import sys; print({output!r}); print({complaint!r}, file=sys.stderr); sys.exit({code})"
    return [sys.executable, "-c", program]
