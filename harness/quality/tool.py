"""Runs a tool on the sources, as a child process, to its end."""

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from shlex import join
from typing import Any

from harness.quality.section import QualitySection
from harness.records.checks import Check
from harness.services.process import Process, describe_exit
from harness.templates import fill_each

PATIENCE_SECONDS = 60.0
"""How long a tool that is interrupted may take to stop what it has started."""
APART = ("/bin/sh", "-c", 'output=$1; shift; exec "$@" >"$output"', "sh")
"""What it says is kept apart from what it complains of, which goes to its log."""
LISTS_NO_RUN = {"TEMPER_RUNS": ""}
"""Whoever called asked for the runs that it makes by itself; tests make runs too, and no gate is to judge those."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """The sources that are measured, and where what is said of them is kept."""

    section: QualitySection
    directory: Path
    """Of temper.toml."""
    logs: Path = Path()
    """Of the run; only what runs a tool needs it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A tool that has ended."""

    code: int
    output: str
    complaint: str
    """The last line of its log; empty where there is none."""

    def why(self) -> str:
        """Why what it said cannot be used, as far as it tells."""
        return f"ended with {describe_exit(self.code)}" + (f": {self.complaint}" if self.complaint else "")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A command of temper.toml, and how what it measures is told."""

    name: str
    command: Sequence[str]
    """As temper.toml has it."""
    known: dict[str, str] = field(default_factory=dict)
    """What its placeholders stand for, beside those that every command can name."""

    async def run(self, project: Project) -> Ended:
        """Run it to its end, whatever that is; interrupted, it is given the time to stop what it has started."""
        surroundings = {"python": sys.executable, "target.directory": str(project.directory)}
        argv = fill_each(self.command, {**surroundings, **self.known})
        output = project.logs / f"{self.name}.out"
        process = Process(
            self.name,
            [*APART, str(output), *argv],
            log_path=project.logs / f"{self.name}.log",
            env=LISTS_NO_RUN,
            cwd=project.directory,
        )
        try:
            process.start()
            code = await process.wait()
        finally:
            await process.terminate(PATIENCE_SECONDS, number=signal.SIGINT)
        said = output.read_text(errors="replace") if output.exists() else ""
        return Ended(code=code, output=said, complaint=next(filter(None, reversed(process.last_lines())), ""))

    def check(self, metric: str, value: float | None, **told: Any) -> Check:
        """What it measured just now; `told` are other fields of a Check."""
        command, name = shown(self.command, self.known), version(self.command)
        return Check(metric=metric, value=value, command=command, tool=name, **{"measured": time.time(), **told})


def shown(command: Sequence[str], known: dict[str, str]) -> str:
    """A command as a person would type it beside temper.toml: without the directories of the run."""
    short = {name: Path(value).name for name, value in known.items()}
    return join(fill_each(command, {**short, "python": "python", "target.directory": "."}))


def version(command: Sequence[str]) -> str:
    """The tool of a command, with its version where it is a Python module that is installed here."""
    module = list(command[:2]) == ["{python}", "-m"]
    name = command[2] if module and len(command) > 2 else Path(command[0]).name
    try:
        return f"{name.replace('_', '-')} {metadata.version(name.replace('_', '-'))}"
    except metadata.PackageNotFoundError:
        return name


def kept(metric: str, artefact: str, value: float | None = None, **told: Any) -> Check:
    """What a record says that is kept with the sources; `told` are other fields of a Check."""
    given = {"measured": time.time(), "tool": "a kept record", **told}
    return Check(metric=metric, value=value, artefact=artefact, **given)
