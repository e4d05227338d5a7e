"""Replays golden histories in processes of their own, each with another hash seed, cold and warm.

Sets and dictionaries of strings come in another order with another seed: code that lets it reach its commands replays
under the seed it was recorded with, and fails under another. Warm is the second time in one process: code that keeps
something between workflows differs then.

    python -m harness.replay.seeds TARGET FOLDER FD     one process's part: a line of JSON a history and time, to FD
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
from msgspec import Struct
from temporalio.client import WorkflowHistory

from harness.errors import CannotRun
from harness.replay import golden

Time = Literal["cold", "warm"]
LONGEST_LINE = 2**24
SEEDS = (0, 1, 2)
"""0 turns the randomness off; the others order sets differently from it and from each other."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one history, one time."""

    path: str
    """In the folder."""
    time: Time
    compared: int
    """Commands compared."""
    differs: list[str]
    """Why it is not the same, as lines; none where it is."""
    seed: int = 0


async def check(target: Path, folder: Path, seeds: Sequence[int] = SEEDS) -> AsyncIterator[Outcome]:
    """Replay every history under every seed, one seed after the other. Raises CannotRun where that is impossible."""
    for _ in golden.read(folder):
        pass  # what is wrong with the folder is said once, here
    for seed in seeds:
        # A pipe of its own: the SDK's core logs to standard output, and workflows may print.
        reading, writing = os.pipe()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.replay.seeds", str(target), str(folder), str(writing)),
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            pass_fds=[writing],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(writing)
        assert child.stderr is not None
        errors = asyncio.create_task(child.stderr.read())
        try:
            with os.fdopen(reading, "rb") as told:
                lines = asyncio.StreamReader(limit=LONGEST_LINE)
                await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), told)  # noqa: B023 - it is called at once
                async for line in lines:
                    yield msgspec.structs.replace(msgspec.json.decode(line, type=Outcome), seed=seed)
            if await child.wait():
                raise CannotRun(f"Replaying with hash seed {seed} ended early: {(await errors).decode().strip()}")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
            await errors


def seed_dependent(outcomes: Iterable[Outcome]) -> list[str]:
    """Tell the histories that replay otherwise under another hash seed."""
    seen: dict[tuple[str, Time], set[tuple[str, ...]]] = {}
    for outcome in outcomes:
        seen.setdefault((outcome.path, outcome.time), set()).add(tuple(outcome.differs))
    paths = dict.fromkeys(path for (path, _), told in seen.items() if len(told) > 1)
    return [
        f"{path}: what is commanded depends on the hash seed: the order of a set, or of what was made from one, "
        "reaches the commands; sort it"
        for path in paths
    ]


async def _replay_twice(target: Path, folder: Path, told_to: BinaryIO) -> None:
    from harness.replay.told import told  # noqa: PLC0415 they import the SDK
    from harness.target import Target  # noqa: PLC0415 - so does this

    replayer = Target.read(target).replayer()
    histories = dict(golden.read(folder))

    async def one_by_one() -> AsyncIterator[WorkflowHistory]:
        for history in histories.values():
            yield history

    times: tuple[Time, Time] = ("cold", "warm")
    for time in times:
        paths = iter(histories)
        async for replayed in replayer.replay_each(one_by_one()):
            outcome = Outcome(
                path=str(next(paths)), time=time, compared=replayed.compared, differs=list(told(replayed))
            )
            told_to.write(msgspec.json.encode(outcome) + b"\n")
            told_to.flush()


def main() -> int:
    """Replay in this process; what goes wrong with it is said on standard error."""
    try:
        with os.fdopen(int(sys.argv[3]), "wb") as told_to:
            asyncio.run(_replay_twice(Path(sys.argv[1]), Path(sys.argv[2]), told_to))
    except CannotRun as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    code = main()
    # The interpreter's own exit aborts now and then once the Temporal client was used.
    os._exit(code)
