"""What processes use is counted to the service or worker they came from, and to nobody else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from harness.eventually import eventually
from harness.records.samples import CLIENT, CPU, FILES, MACHINE, MEMORY, MEMORY_PEAK, THREADS, Sample
from harness.usage import Usage

BUSY = "while :; do :; done"


@contextmanager
def shell(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A shell with this script, and what it starts, in a group of their own."""
    process = subprocess.Popen(["/bin/sh", "-c", script], process_group=0, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def value(samples: Iterable[Sample], source: str, name: str) -> float | None:
    return next((sample.value for sample in samples if (sample.source, sample.name) == (source, name)), None)


async def test_children_count_to_the_nearest_root() -> None:
    """A shell and its child are one source; another below it is a source of its own; neither is the client's."""
    usage = Usage()
    with shell("echo $$; sleep 60 & wait") as outer, shell("echo $$; sleep 60 & wait") as inner:
        for each in (outer, inner):
            assert each.stdout is not None
            each.stdout.readline()
        both = {"outer": outer.pid, "inner": inner.pid}
        await eventually(lambda: value(usage.look(both), "outer", THREADS) == 2)
        seen = usage.look(both)
        assert (value(seen, "outer", THREADS), value(seen, "inner", THREADS)) == (2, 2)
        assert (value(seen, "outer", MEMORY) or 0) > 0
        assert (value(seen, "outer", FILES) or 0) > 0
        alone, with_inner = value(seen, CLIENT, THREADS), value(usage.look({"outer": outer.pid}), CLIENT, THREADS)
        assert alone is not None
        assert with_inner == alone + 2, "what is no root's is the client's"


async def test_files_that_may_not_be_counted_are_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's may not; and the files of some of a source's processes would be taken for all of them.

    The refusal is played: root may look at everybody's.
    """
    usage, may = Usage(), psutil.Process.num_fds
    with shell("echo $$; sleep 60 & wait") as two:
        await eventually(lambda: value(usage.look({"two": two.pid}), "two", THREADS) == 2)

        def refused(process: psutil.Process) -> int:
            if process.pid == two.pid:
                raise psutil.AccessDenied(process.pid)
            return may(process)

        assert (value(usage.look({"two": two.pid}), "two", FILES) or 0) > 0
        monkeypatch.setattr(psutil.Process, "num_fds", refused)
        seen = usage.look({"two": two.pid})
    assert value(seen, "two", FILES) is None
    assert value(seen, "two", THREADS) == 2
    assert (value(seen, CLIENT, FILES) or 0) > 0


async def test_cpu_is_what_was_used_since_the_look_before() -> None:
    """The first look has none; a process born since, as one that came back, is counted from its birth."""
    usage = Usage()
    assert value(usage.look({}), CLIENT, CPU) is None
    with shell(BUSY) as busy:
        await eventually(lambda: (value(usage.look({"busy": busy.pid}), "busy", CPU) or 0) > 0)
    again = Usage()
    with shell(BUSY) as first:
        await eventually(lambda: (value(again.look({"busy": first.pid}), "busy", CPU) or 0) > 0)
    with shell(BUSY) as second:
        seen = await eventually(lambda: value(again.look({"busy": second.pid}), "busy", CPU))
        assert (seen or 0) > 0


def test_what_was_in_use_between_looks_is_told() -> None:
    """Once: a peak that has not grown since is none. Of what is freed, the memory of the moment says nothing."""
    freed = "x = b'x' * (64 << 20); del x; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", freed], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        usage = Usage()
        seen = usage.look({"freed": process.pid})
        assert (value(seen, "freed", MEMORY_PEAK) or 0) > (value(seen, "freed", MEMORY) or 0) + (48 << 20)
        assert value(usage.look({"freed": process.pid}), "freed", MEMORY_PEAK) is None
        process.communicate(b"\n")


async def test_a_source_that_is_gone_has_no_sample() -> None:
    """It uses nothing, and that is no zero."""
    with shell("exit") as gone:
        gone.wait()
    seen = Usage().look({"gone": gone.pid})
    assert {sample.source for sample in seen} == {CLIENT, MACHINE}
