"""The pages that teach are carried out: files are written, commands are run, what they print is compared."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parent.parent
PATIENCE = 100


class Reader:
    """Does what a reader of the page would do, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
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
        """A block of shell is a command; installing is done already."""
        command = str(example.parsed).strip()
        if command.startswith("pip install"):
            return
        # Who tests the page keeps the machine busy: how late the generator was proves nothing then.
        command = command.replace("temper load ", "temper load --lag-budget 60000 ")
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
        done = subprocess.run(
            ["sh", "-c", command], cwd=self._directory, env={**os.environ, "PATH": path}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        )  # fmt: skip
        self._printed = done.stdout
        self.ran.append(command)

    def compare(self, example: Example) -> None:
        """A block of text is what the command before it prints, with anything in place of each ellipsis."""
        lines = str(example.parsed).strip().splitlines()
        pattern = ".*".join(re.escape(line.strip()).replace("…", ".*") for line in lines)
        assert re.search(pattern, self._printed, re.DOTALL), f"expected:\n{example.parsed}\nprinted:\n{self._printed}"


@pytest.mark.parametrize("page", ["testing.md", pytest.param("your-own-system.md", marks=pytest.mark.thorough)])
@pytest.mark.timeout(5 * PATIENCE)
def test_the_page_holds(page: str, tmp_path: Path) -> None:
    """Someone who copies every block into a project gets what the page says."""
    reader = Reader(tmp_path)
    blocks = {"python": reader.write, "toml": reader.write, "sh": reader.run, "text": reader.compare}
    sybil = Sybil([CodeBlockParser(language=language, evaluator=act) for language, act in blocks.items()])
    document: Document = sybil.parse(ROOT / "docs" / page)
    for example in document.examples():
        example.evaluate()
    assert reader.wrote
    assert reader.ran
