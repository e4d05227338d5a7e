"""The pages that teach are carried out: files are written, commands are run, what they print is compared."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parent.parent
PATIENCE = 100
INSTALLING = 600


class Reader:
    """Does what a reader of the page would do, in a directory of its own."""

    def __init__(self, directory: Path, scripts: Path, wheel: Path | None = None) -> None:
        self._directory = directory
        self._path = os.pathsep.join([str(scripts), os.environ["PATH"]])
        self._wheel = wheel
        self._printed = ""
        self.wrote: list[str] = []
        self.ran: list[str] = []

    def write(self, example: Example) -> None:
        """A block of Python, or of TOML, is a file; its first line is its name."""
        text = str(example.parsed)
        name = re.match(r"# (\w+\.(?:py|toml))\n", text)
        assert name, f"the block at line {example.line} does not say which file it is"
        (self._directory / name[1]).write_text(text)
        self.wrote.append(name[1])

    def run(self, example: Example) -> None:
        """A block of shell is a command; where there is no wheel, installing is done already."""
        command = str(example.parsed).strip()
        if command.startswith("pip install"):
            self._install(command)
            return
        # Who tests the page keeps the machine busy: how late the generator was proves nothing then.
        command = command.replace("temper load ", "temper load --lag-budget 60000 ")
        self._printed = self._shell(command, PATIENCE).stdout
        self.ran.append(command)

    def _install(self, command: str) -> None:
        if self._wheel is not None:
            done = self._shell(command.replace("temper-harness", str(self._wheel)), INSTALLING)
            assert done.returncode == 0, done.stdout

    def _shell(self, command: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command], cwd=self._directory, env={**os.environ, "PATH": self._path}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
        )  # fmt: skip

    def compare(self, example: Example) -> None:
        """A block of text is what the command before it prints, with anything in place of each ellipsis."""
        lines = str(example.parsed).strip().splitlines()
        pattern = ".*".join(re.escape(line.strip()).replace("…", ".*") for line in lines)
        assert re.search(pattern, self._printed, re.DOTALL), f"expected:\n{example.parsed}\nprinted:\n{self._printed}"


@pytest.mark.parametrize("page", ["testing.md", pytest.param("your-own-system.md", marks=pytest.mark.thorough)])
@pytest.mark.timeout(5 * PATIENCE)
def test_the_page_holds(page: str, tmp_path: Path) -> None:
    """Someone who copies every block into a project gets what the page says."""
    carry_out(page, Reader(tmp_path, Path(sysconfig.get_path("scripts"))))


@pytest.mark.thorough
@pytest.mark.timeout(INSTALLING + 5 * PATIENCE)
def test_the_page_on_testing_needs_nothing_but_what_it_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own command installs the wheel that these sources build, in an environment where nothing else is."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, timeout=PATIENCE)
    [wheel] = (tmp_path / "dist").iterdir()
    venv.create(tmp_path / "venv", with_pip=True)
    project = tmp_path / "project"
    project.mkdir()
    carry_out("testing.md", Reader(project, tmp_path / "venv" / "bin", wheel))


def carry_out(page: str, reader: Reader) -> None:
    """Do what every block of the page says, in its order."""
    blocks = {"python": reader.write, "toml": reader.write, "sh": reader.run, "text": reader.compare}
    sybil = Sybil([CodeBlockParser(language=language, evaluator=act) for language, act in blocks.items()])
    document: Document = sybil.parse(ROOT / "docs" / page)
    for example in document.examples():
        example.evaluate()
    assert reader.wrote
    assert reader.ran
