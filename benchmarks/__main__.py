"""Runs the benchmarks, all or those named; when all were run, records them and writes docs/benchmarks.md of that."""

import argparse
import asyncio
import importlib
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.result import Record, Result
from harness.records.fingerprint import Fingerprint
from loadtests.loop import new_event_loop

NAMES = ("recording", "starting", "hosted", "overhead", "throughput", "memory", "report")
RECORD = Path("docs/evidence/benchmarks.json")
PAGE = Path("docs/benchmarks.md")
HEAD = """# Benchmarks

Each figure is a ratio to a peer, or the cost beyond one, taken in one run on one machine, where ours and the peer took
turns. They are aims, measured by hand and not gated: `nox -s bench` takes them anew and writes this page.

{machine}, {date}, commit {commit}.

| what | measured | aim | |
|---|---|---|---|
"""


async def run(names: Sequence[str]) -> list[Result]:
    """Run the benchmarks of these names, telling each figure as it is there."""
    results = []
    for name in names:
        async for result in importlib.import_module(f"benchmarks.{name}").measure():
            print(_line(result), file=sys.stderr, flush=True)
            results.append(result)
    return results


def record(results: Sequence[Result]) -> Record:
    """The results, with what they were measured on."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return Record(
        date=f"{datetime.now(tz=UTC):%Y-%m-%d}",
        commit=Fingerprint.of_machine().commit,
        machine=machine,
        results={result.name: result for result in results},
    )


def page(record: Record) -> str:
    """A record as Markdown."""
    head = HEAD.format(machine=record.machine, date=record.date, commit=record.commit)
    rows = (
        f"| **{result.name}**: {result.what} | {_measured(result)} | {result.limit} | {'✓' if result.holds else '✗'} |"
        for result in record.results.values()
    )
    return head + "\n".join(rows) + "\n"


def _measured(result: Result) -> str:
    return f"{result.value:.3g} {result.unit}".strip() + (f" ({result.behind})" if result.behind else "")


def _line(result: Result) -> str:
    return f"{'✓' if result.holds else '✗'} {result.name}: {_measured(result)}, aim {result.limit}"


def main() -> None:
    """Run what was named; record and page are written only where nothing was left out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", epilog="Example: python -m benchmarks starting")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="all of them where none is named")
    names = parser.parse_args().names or NAMES
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        results = runner.run(run(names))
    if tuple(names) == NAMES:
        found = record(results)
        RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
