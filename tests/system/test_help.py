"""The help says what can be set, and each command has an example."""

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from system.__main__ import EPILOG, GROUPS

ROOT = Path(__file__).parents[2]


def test_the_help_names_every_variable_that_is_read() -> None:
    """Whatever the settings read is in the epilogue, and nothing else."""
    source = (ROOT / "system" / "settings.py").read_text()
    read = {line.partition('("')[2].partition('"')[0] for line in source.splitlines() if "reader.read" in line}
    named = {word.strip(" ,.()") for word in EPILOG.split() if word.strip(" ,.()").isupper()}
    assert named == read


@pytest.mark.parametrize("name", GROUPS)
def test_every_command_of_a_group_has_an_example(name: str) -> None:
    """Whoever asks for help sees how it is called."""
    group = argparse.ArgumentParser()
    import_module(GROUPS[name][0]).add(group, argparse.ArgumentParser(add_help=False))
    [commands] = [action for action in group._actions if isinstance(action, argparse._SubParsersAction)]
    assert [which for which, parser in commands.choices.items() if "example" not in (parser.epilog or "")] == []


def test_an_unknown_command_is_refused() -> None:
    """It says which there are, and exits with 2."""
    done = subprocess.run(
        [sys.executable, "-m", "system", "fly"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, "dead-letters" in done.stderr) == (2, True)
