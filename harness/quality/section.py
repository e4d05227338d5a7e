"""What temper.toml says of how the sources are measured: [quality]."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from harness.templates import placeholders

EVERYWHERE = ("python", "target.directory")
OWN = {"tests": ("junit",), "coverage": ("coverage",), "dependencies": ("requirements",)}
"""What the commands of one measure alone can name: the file that is to be written, or to be read."""


class QualitySection(Struct, frozen=True, forbid_unknown_fields=True):
    """[quality]: what looks at the sources. Each is optional, and what is left out is not measured.

    Commands run beside temper.toml, and can name "{python}" and "{target.directory}".
    """

    sources: list[str] = []
    """Files and directories with Python code, in which what silences a tool must be explained."""
    types: list[str] = []
    """A type checker that writes a line with "error:" for each error, as mypy does."""
    tests: list[list[str]] = []
    """One after the other. Those that run tests write JUnit XML to "{junit}"."""
    coverage: list[list[str]] = []
    """Once the tests have run. The last one writes coverage.py's JSON report to "{coverage}"."""
    known_tests: str = ""
    """The file with the tests there were when `temper quality tests --record` wrote it: none of them may be gone."""
    flakes: str = ""
    """The record of the repetitions of all tests, in JSON."""
    mutation: str = ""
    """The record of how many mutants the tests noticed, in JSON."""
    requirements: str = ""
    """The dependencies, as pip reads them, each with its version."""
    dependencies: list[str] = []
    """pip-audit on "{requirements}", which writes JSON."""
    code: list[str] = []
    """bandit, which writes JSON."""
    secrets: list[str] = []
    """detect-secrets, which writes JSON."""

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(problem)

    def _problems(self) -> Iterator[str]:
        for key, commands in self._commands():
            for command in commands:
                if not command:
                    yield f"quality.{key} has an empty command; give it as a list of words, or leave it out"
                yield from _misnamed(key, command)
        for key, (needed,) in OWN.items():
            named = [placeholders(word) for _, commands in self._commands(key) for each in commands for word in each]
            if named and [needed] not in named:
                yield f"quality.{key} never names {{{needed}}}: what it says of it would not be known"
        if self.dependencies and not self.requirements:
            yield "quality.dependencies needs quality.requirements: the file with the dependencies"

    def _commands(self, only: str = "") -> Iterator[tuple[str, Sequence[Sequence[str]]]]:
        each: dict[str, Sequence[Sequence[str]]] = {
            "types": [self.types] if self.types else [],
            "tests": self.tests,
            "coverage": self.coverage,
            "dependencies": [self.dependencies] if self.dependencies else [],
            "code": [self.code] if self.code else [],
            "secrets": [self.secrets] if self.secrets else [],
        }
        yield from ((key, commands) for key, commands in each.items() if only in {"", key})


def _misnamed(key: str, command: Sequence[str]) -> Iterator[str]:
    usable = (*EVERYWHERE, *OWN.get(key, ()))
    for name in (each for word in command for each in placeholders(word)):
        if name not in usable:
            yield f"quality.{key} has {{{name}}}; it may have {', '.join(f'{{{each}}}' for each in usable)}"
