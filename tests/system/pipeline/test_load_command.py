"""The ``load`` command with several files, directories, and files that were loaded before."""

import asyncio
import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from running_system import ROOT, App, environment

from system.settings import Settings

SCHEMA = 'dataset = "people"\nformat = "jsonl"\n[[fields]]\nname = "name"\n[[fields]]\nname = "age"\ntype = "integer"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with two files, one of them packed, a hidden one, and another directory."""
    directory = tmp_path / "files"
    (directory / "older").mkdir(parents=True)
    (directory / "a.jsonl").write_text('{"name": "ann", "age": 1}\n')
    (directory / "b.jsonl.gz").write_bytes(gzip.compress(b'{"name": "bob", "age": 2}\nx\n'))
    (directory / ".partial").write_text("none of it")
    (tmp_path / "people.toml").write_text(SCHEMA)
    return directory


async def load(settings: Settings, *arguments: object) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "system", "load", *map(str, arguments)],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_directory_is_loaded_and_then_skipped_and_then_loaded_again(app: App, files: Path) -> None:
    """Each file has its own counts, or why it was skipped; `--again` insists."""
    schema = ("--schema", files.parent / "people.toml")
    first = await load(app.settings, files, *schema)
    assert (first.returncode, first.stderr) == (0, "")
    assert "loading 2 files into datasets.people" in first.stdout
    assert f"{files / 'a.jsonl'}: 1 read, 1 loaded, 0 rejected" in first.stdout
    assert f"{files / 'b.jsonl.gz'}: 2 read, 1 loaded, 1 rejected" in first.stdout
    again = await load(app.settings, files / "b.jsonl.gz", *schema)
    assert again.returncode == 0
    assert f"skipped {files / 'b.jsonl.gz'}: already loaded as {files / 'b.jsonl.gz'} by workflow" in again.stdout
    assert again.stdout.splitlines()[-3:] == [f"{what:<10}{0:>12}" for what in ("read", "loaded", "rejected")]
    insisted = await load(app.settings, files / "a.jsonl", "--again", *schema)
    assert "skipped" not in insisted.stdout
    rows = await app.database.fetch("SELECT name FROM datasets.people ORDER BY 1")
    assert [row["name"] for row in rows] == ["ann", "ann", "bob"]


async def test_what_is_no_file_is_refused_by_its_name(settings: Settings, files: Path) -> None:
    """Before anything is started: exit 2, and one line that says what to do."""
    schema = ("--schema", files.parent / "people.toml")
    for arguments, message in (
        ((files / "older",), f"{files / 'older'} holds no files"),
        ((files / "a.jsonl", files / "none.jsonl"), f"cannot read {files / 'none.jsonl'}: No such file"),
    ):
        done = await load(settings, *arguments, *schema)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
