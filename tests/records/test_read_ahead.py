"""What is read in a process beside this one is what this one would have read."""

import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path

import pytest
from msgspec import Struct

from benchmarks.large_run import write_large_run
from harness.eventually import eventually
from harness.records import ahead
from harness.records.effects import Effect, Fact
from harness.records.run import FILES, NotARun, Recorded
from harness.records.workflows import WorkflowRun

KINDS: tuple[type[Struct], ...] = (WorkflowRun, Effect, Fact)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose files count as large, on a machine with two cores."""
    monkeypatch.setattr(ahead, "LARGE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return write_large_run(tmp_path, 50)


def begun(directory: Path) -> Recorded:
    recorded = Recorded(directory)
    recorded.read_ahead(*KINDS)
    assert recorded._ahead.keys() == {*KINDS}
    return recorded


def test_columns_are_the_same(written: Path) -> None:
    """Of each kind, those that stand beside it included; types and texts of which there are few, too."""
    here, there = Recorded(written), begun(written)
    mine_of = {kind: here.frames(kind) for kind in KINDS}
    wait([each.read for each in there._ahead.values()])
    for kind, mine in mine_of.items():
        (written / FILES[kind]).write_text("")  # nobody reads it again
        found = there.frames(kind)
        assert found.keys() == mine.keys()
        assert all(found[each].equals(mine[each]) and found[each].schema == mine[each].schema for each in mine)
        assert found is there.frames(kind)


async def test_what_nobody_takes_is_closed_once_it_is_read(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not sooner: the process writes by the numbers of these files, which others would have by then."""
    monkeypatch.setattr(ahead, "_read", wait_until_told)
    recorded = begun(written)
    files = [file for each in recorded._ahead.values() for file in each.columns.values()]
    del recorded
    gc.collect()
    closed = [file.closed for file in files]
    (written / "go").touch()
    assert not any(closed)
    await eventually(lambda: all(file.closed for file in files), timeout=60)


def wait_until_told(path: Path, *_: object) -> None:
    while not (path.parent / "go").exists():
        time.sleep(0.01)


def test_a_line_that_cannot_be_read_is_told(written: Path) -> None:
    """By its number, as ever."""
    path = written / "effects.jsonl"
    path.write_text("\n".join([*path.read_text().splitlines()[:-1], "{}", ""]))
    with pytest.raises(NotARun, match=r"effects\.jsonl, line 50: Object missing required field"):
        begun(written).frames(Effect)


def test_where_its_process_is_gone_it_is_read_here(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was killed has left nothing, and the file is still there."""
    monkeypatch.setattr(ahead, "_read", leave)
    recorded = begun(written)
    wait([each.read for each in recorded._ahead.values()])
    assert recorded.frame(Effect).equals(Recorded(written).frame(Effect))


def leave(*_: object) -> None:
    os._exit(1)


@pytest.mark.parametrize(
    "small",
    [lambda patch: patch.setattr(ahead, "LARGE", 10**9), lambda patch: patch.setattr(os, "sched_getaffinity", one)],
)
def test_small_files_and_a_lone_core_need_no_other_process(
    written: Path, monkeypatch: pytest.MonkeyPatch, small: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """They are read when somebody asks for them."""
    small(monkeypatch)
    recorded = Recorded(written)
    recorded.read_ahead(*KINDS)
    assert recorded._ahead == {}
    assert not recorded.frame(Effect).is_empty()


def one(_: int) -> set[int]:
    return {0}
