"""Reads large files of a run in a process beside this one, while this one is busy with others."""

import ctypes
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from weakref import finalize

import polars as pl
from msgspec import Struct

from harness.records.columns import Frames, frames_of, scanned

LARGE = 50 * 2**20
"""Bytes, together: a process of its own costs as much as to read some of them."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """A file that is being read."""

    read: Future[None]
    columns: Mapping[type[Struct], IO[bytes]]
    """Files without a name, in which it leaves the columns of each kind."""

    def frames(self) -> Frames:
        """The columns, once they are there.

        Raises msgspec.DecodeError or UnicodeDecodeError if a line is none, OSError if the file cannot be read, and
        BrokenExecutor if the process has ended before.
        """
        self.read.result()
        return {kind: pl.read_ipc(file) for kind, file in self.columns.items()}


def begun(files: Mapping[type[Struct], Path]) -> dict[type[Struct], Ahead]:
    """Begin to read these files, one after the other; none of them where they are small, or where there is one core."""
    there = {kind: path for kind, path in files.items() if path.exists()}
    if len(os.sched_getaffinity(0)) < 2 or sum(path.stat().st_size for path in there.values()) < LARGE:
        return {}
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_ends_with, initargs=(os.getpid(),))
    ahead = {kind: _begun(pool, path, kind) for kind, path in there.items()}
    pool.shutdown(wait=False)  # it ends once they are read
    return ahead


def _begun(pool: ProcessPoolExecutor, path: Path, kind: type[Struct]) -> Ahead:
    columns = {each: TemporaryFile() for each in frames_of(kind, ())}  # noqa: SIM115  # closed with whoever has them
    places = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in columns.values()]
    ahead = Ahead(read=pool.submit(_read, path, kind, places), columns=columns)
    # Never while it is read: what is written by the number of a closed file goes where that number is used again.
    finalize(ahead, ahead.read.add_done_callback, partial(_close, tuple(columns.values())))
    return ahead


def _close(files: Iterable[IO[bytes]], _: Future[None]) -> None:
    for file in files:
        file.close()


def _read(path: Path, kind: type[Struct], places: Sequence[str]) -> None:
    for frame, place in zip(scanned(path, kind).values(), places, strict=True):
        with Path(place).open("wb") as file:
            frame.write_ipc(file)


def _ends_with(parent: int) -> None:
    """Nobody needs it once its parent is gone; a Ctrl-C is for that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
