"""What processes use of the machine, each counted to the service, worker or client that it came from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.clock import now
from harness.records.samples import CLIENT, CPU, FILES, MACHINE, MEMORY, MEMORY_PEAK, THREADS, Sample

PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
Identity = tuple[int, float]
"""Pid and moment of birth: a pid is given out again."""


@dataclass
class _Tally:
    cpu: float = 0.0
    private: int = 0
    shared: int = 0
    peak: int = 0
    """Of what is private."""
    files: int | None = 0
    """None where those of one of its processes may not be counted: the others' would be told as all."""
    threads: int = 0

    def samples(self, time: float, source: str, since: float | None) -> Iterator[Sample]:
        """What was added up, as samples; of the CPU only where there was a look before."""
        if since is not None:
            share = 100 * self.cpu / (time - since)
            yield Sample(time=time, source=source, name=CPU, value=share, unit="%")
        yield Sample(time=time, source=source, name=MEMORY, value=self.private + self.shared, unit="bytes")
        if self.files is not None:
            yield Sample(time=time, source=source, name=FILES, value=self.files)
        yield Sample(time=time, source=source, name=THREADS, value=self.threads)


@dataclass
class Usage:
    """Looks at processes again and again; CPU is what was used since the last look."""

    _spent: dict[Identity, float] = field(default_factory=dict)
    _peaks: dict[str, int] = field(default_factory=dict)
    _machine: tuple[float, float] = (0.0, 0.0)
    _since: float | None = None

    def look(self, roots: Mapping[str, int]) -> list[Sample]:
        """One round of samples: of each source by the pid of its first process, of the client and of the machine.

        A process counts to the nearest of its ancestors that is a root, and to the client where that is this process.
        Of a source whose processes are all gone there is no sample, and none of files that may not be counted.
        """
        time, tallies = now(), {name: _Tally() for name in (CLIENT, *roots)}
        spent: dict[Identity, float] = {}
        for source, process in _owned({**{pid: name for name, pid in roots.items()}, os.getpid(): CLIENT}):
            try:
                self._add(process, tallies[source], spent)
            except psutil.Error:
                continue  # it has just ended
        since, self._since, self._spent = self._since, time, spent
        seen = {name: tally for name, tally in tallies.items() if tally.threads}
        found = [sample for name, tally in seen.items() for sample in tally.samples(time, name, since)]
        return [*found, *self._grown(time, seen), *self._of_machine(time, since)]

    def _add(self, process: psutil.Process, tally: _Tally, spent: dict[Identity, float]) -> None:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
            identity, used = (process.pid, process.create_time()), times.user + times.system
            tally.threads += process.num_threads()
        spent[identity] = used
        # What was not there at the last look was born since, and all that it used was used since.
        tally.cpu += used - self._spent.get(identity, 0.0)
        tally.private += memory.rss - memory.shared
        tally.shared = max(tally.shared, memory.shared)
        tally.peak += max(memory.rss, _peak(process.pid)) - memory.shared
        try:
            files = process.num_fds()
        except psutil.AccessDenied:  # another user's: PostgreSQL's, where we are not root
            tally.files = None
        else:
            tally.files = None if tally.files is None else tally.files + files

    def _grown(self, time: float, tallies: Mapping[str, _Tally]) -> Iterator[Sample]:
        for source, tally in tallies.items():
            peak = tally.peak + tally.shared
            if peak > self._peaks.get(source, 0):
                self._peaks[source] = peak
                yield Sample(time=time, source=source, name=MEMORY_PEAK, value=peak, unit="bytes")

    def _of_machine(self, time: float, since: float | None) -> Iterator[Sample]:
        times = psutil.cpu_times()
        whole = sum(times) - times.guest - times.guest_nice  # which are in user and nice too
        busy = whole - times.idle - times.iowait
        (busy_before, whole_before), self._machine = self._machine, (busy, whole)
        if since is not None and whole > whole_before:
            share = 100 * (busy - busy_before) / (whole - whole_before)
            yield Sample(time=time, source=MACHINE, name=CPU, value=share, unit="%")
        memory = psutil.virtual_memory()
        yield Sample(time=time, source=MACHINE, name=MEMORY, value=memory.total - memory.available, unit="bytes")


def _peak(pid: int) -> int:
    """The most bytes that were resident of it since it began; 0 where the system does not tell: Linux does."""
    try:
        told = PEAK.search(Path("/proc", str(pid), "status").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return 0
    return int(told[1]) * 1024 if told else 0


def _owned(roots: Mapping[int, str]) -> Iterator[tuple[str, psutil.Process]]:
    """Every process that came from one of the roots, with the name of the nearest."""
    processes = {process.pid: process for process in psutil.process_iter(["ppid"])}
    for pid, process in processes.items():
        ancestor = pid
        while ancestor in processes and ancestor not in roots:
            ancestor = processes[ancestor].info["ppid"]
        if ancestor in roots:
            yield roots[ancestor], process
