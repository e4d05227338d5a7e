"""A copy of an example, in a directory that stands for the repository's root, on the session's servers."""

import asyncio
import os
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.records.run import Recorded
from harness.services.postgres import create_database, drop_database
from harness.stack import Stack

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOT_COPIED = shutil.ignore_patterns("__pycache__", "results", "hello-go")
RATE_CAP = "20"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the run that it left, if it left one."""

    code: int
    told: str
    run: Recorded | None


@dataclass(frozen=True, kw_only=True)
class Example:
    """Somebody's clone of the repository that holds one example, and the addresses of the servers it is run on."""

    root: Path
    name: str
    temporal: str
    postgres: str
    path: str

    @property
    def directory(self) -> Path:
        return self.root / "examples" / self.name

    def through(self, temporal: str) -> "Example":
        """The same, but for the address of the Temporal server."""
        return replace(self, temporal=temporal)

    def change(self, file: str, *changes: tuple[str, str]) -> None:
        """Put something else in place of text that is in this file once or more."""
        path = self.directory / file
        text = path.read_text()
        for old, new in changes:
            assert old in text, f"{file} does not have {old}"
            text = text.replace(old, new)
        path.write_text(text)

    def commands(self) -> Iterator[list[str]]:
        """What its README says can be done with `temper`, in words."""
        for block in FENCED.findall((self.directory / "README.md").read_text()):
            for line in block.splitlines():
                if line.startswith("temper "):
                    yield shlex.split(line)[1:]

    async def temper(self, *words: str) -> Ended:
        """Run the command where it belongs: at the root where it names a target, else in the example's directory."""
        directory = self.root if "--target" in words else self.directory
        ran = "list" not in words
        before = set(directory.glob("results/*"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "temper", *words, *(self._servers(words) if ran else ()),
            cwd=directory, env={**os.environ, "PATH": self.path},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await process.communicate()
        left = [Recorded(each) for each in set(directory.glob("results/*")) - before]
        return Ended(process.returncode or 0, told.decode(), left[0] if left else None)

    def _servers(self, words: Sequence[str]) -> Iterator[str]:
        yield from ("--external", f"temporal={self.temporal}", "--external", f"postgres={self.postgres}", "--yes")
        if "load" in words:
            # Somebody else keeps this machine busy: how late the generator was proves nothing here.
            yield from ("--rate-cap", RATE_CAP, "--lag-budget", "60000")


@asynccontextmanager
async def copied(name: str, root: Path, stack: Stack, *, path: str) -> AsyncIterator[Example]:
    """A copy under `root`, on a task queue and a database that no other test shares."""
    shutil.copytree(EXAMPLES / name, root / "examples" / name, ignore=NOT_COPIED)
    database = f"example_{secrets.token_hex(6)}"
    postgres = await create_database(stack["postgres"].url, database)
    example = Example(root=root, name=name, temporal=stack["temporal"].address, postgres=postgres, path=path)
    description = example.directory / "temper.toml"
    queue = f'task_queue = "{database}"'
    described, count = re.subn(r'^task_queue = ".*"$', queue, description.read_text(), flags=re.MULTILINE)
    assert count == 1
    description.write_text(described)
    try:
        yield example
    finally:
        await drop_database(stack["postgres"].url, database)
