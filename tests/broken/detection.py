"""What finds each planted bug with default settings, and how long that takes: recorded, and written as a page.

python tests/broken/detection.py [BUG…]             seek them, or all; and see that experiments find nothing else
python tests/broken/detection.py --shrunk BUG RUN   record what `temper chaos shrink RUN` has left of its faults

A bug that an experiment finds is run as any broken target is, on worker processes; every other one by its search.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import msgspec
from broken_target import derived
from bugs import BUGS, Bug
from chaos_long import SOURCES as RUN

from chaos.experiment import Experiment, find, parsed, read
from chaos.once import Outcome, run_once
from harness.quality.flakes import digest
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, Verdict
from harness.target import Target

ResultT = TypeVar("ResultT")

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RECORD = ROOT / "docs" / "evidence" / "detection.json"
PAGE = ROOT / "docs" / "detection.md"
RESULTS = ROOT / "results" / "detection"
"""Apart from other runs: these must fail, and are put to no gate."""
OWN = HERE / "experiments"
SEED = 1
"""With which each bug is sought."""
SEEDS = 3
"""With how many, from 1 on, the system as it is must be found sound."""
SOURCES = (*RUN, "tests/broken")

EXPERIMENTS: Mapping[str, str] = {
    "compensation-dropped": "slow-shipment.toml",
    "compensation-late": "reserved-unheard.toml",
    "no-idempotency-key": "outside-silent",
    "attempt-in-key": "outside-failing.toml",
    "no-fencing": "late-reservations.toml",
    "retry-inside-retry": "outside-silent",
    "dead-letter-lost": "missing-files.toml",
    "cancellation-swallowed": "cancelled-loads.toml",
    "ledger-torn": "postgres-cut",
    "ledger-apart": "cut-at-the-ledger.toml",
    "lost-update": "slow-stock.toml",
    "start-under-new-id": "start-not-answered.toml",
    "heartbeat-ignored": "cut-at-the-ledger.toml",
    "capture-kept": "slow-shipment.toml",
}
"""The experiment that finds a bug: one that ships, or one of those beside this module."""
CHECK, NOT_FOUND = "check", "not found"
HEAD = """\
# What finds the planted bugs, and how long it takes

Written by `nox -s detection`, not by hand. Each of the {bugs} [planted bugs](broken.md) was sought once, with default
settings, on a machine of two cores that did other things too. {by_experiment} were found by an experiment: a load on
worker processes, faults, and what every run is judged by; found is what is classed as it should be. Names that end in
`.toml` are files in `tests/broken/experiments/`, the others ship. The others need no load: histories, heartbeats, a
signal, a cache are asked one at a time, and a thousand more would be the same question again; and how connections are
left is judged only where nothing was broken on purpose.

*Class* is what the reconciliation calls what the bug did; there is none where nothing can be counted of it, such as a
call too many. *Seconds* are from the start of the first server to the verdict; of a check, those of its test.

| bug | found by | what was broken, or what failed | class | seconds |
|---|---|---|---|---|
"""
SOUND = """
The same experiments on the system without a bug, with {seeds} seed{s} each; the worst verdict counts:

| experiment | verdict |
|---|---|
"""
SHRUNK = """
Found by faults that a seed drew, and shrunk by `temper chaos shrink`:

| bug | experiment and seed | drawn | left |
|---|---|---|---|
"""


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """How one bug was found."""

    bug: str
    by: str
    """The experiment; CHECK where there was none, NOT_FOUND where nothing was."""
    checks: tuple[str, ...]
    """The invariants that were broken, or the check that failed."""
    classes: tuple[str, ...]
    """What the reconciliation calls what it did."""
    seconds: float
    message: str
    """The first thing that was said of it by the check that the catalogue names."""


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A failure that faults brought about which a seed drew, and the fewest of them that still do."""

    bug: str
    experiment: str
    seed: int
    drawn: tuple[str, ...]
    left: tuple[str, ...]


class Record(msgspec.Struct, kw_only=True):
    """What was found in the same sources, whose digest is `sources`; what was shrunk once stays."""

    command: str = "nox -s detection"
    date: str = ""
    """When any of it was last sought."""
    sources: str = ""
    seeds: int = 1
    """With how many each experiment was run on the system as it is."""
    found: list[Detection] = []
    sound: dict[str, str] = {}
    """The worst verdict on each experiment with the system as it is."""
    shrunk: list[Shrunk] = []


async def ran(bug: str, name: str, seed: int = SEED) -> Outcome:
    """Run this experiment on the system with that bug; on the system as it is without a name."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "temper.toml")
        path.write_text(derived(bug), encoding="utf-8")
        outcome = await run_once(
            Target.read(path), experiment_of(name), seed=seed, results=RESULTS, command="nox -s detection"
        )
    sys.stdout.write(f"{bug or 'no bug'}, {name}, seed {seed}: {outcome}\n")
    return outcome


def experiment_of(name: str) -> Experiment:
    """The experiment of this name: a file beside this module, or one that ships."""
    return read(OWN / name) if name.endswith(".toml") else find(name)


def apart(work: Callable[..., ResultT], *given: object) -> ResultT:
    """Do this in a process of its own: where histories are replayed, the bug is planted for good."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *given).result()


def sound(name: str) -> str:
    """The worst verdict on this experiment with the system as it is."""
    verdicts = [asyncio.run(ran("", name, seed)).verdict for seed in range(1, SEEDS + 1)]
    return Verdict.worst(verdicts).value


def detected(bug: Bug) -> Detection:
    """Have its experiment run; found is a bug whose check says so, and that is classed as it should be."""
    began = time.monotonic()
    outcome = asyncio.run(ran(bug.name, EXPERIMENTS[bug.name]))
    seconds = time.monotonic() - began
    run = Recorded(outcome.directory)
    judgements = [each for each in run.read(Judgement) if each.verdict is Verdict.INVALID]
    kinds = {each.kind.value for each in run.read(Discrepancy) if each.kind is not DiscrepancyKind.UNACKNOWLEDGED}
    said = [found.message for each in judgements for found in each.findings if each.invariant == bug.check]
    return Detection(
        bug=bug.name,
        by=EXPERIMENTS[bug.name] if said and is_classed(bug, kinds) else NOT_FOUND,
        checks=tuple(each.invariant for each in judgements),
        classes=tuple(sorted(kinds)),
        seconds=round(seconds, 1),
        message=said[0].replace(run.info.id, "RUN") if said else "",
    )


def is_classed(bug: Bug, classes: Collection[str]) -> bool:
    """Whether what it did is among these; always where nothing can be counted of it."""
    return bug.kind is None or bug.kind.value in classes


def checked(bugs: Sequence[Bug]) -> list[Detection]:
    """Have the searches of these bugs run, by pytest; what passes there was found."""
    names = {f"test_a_planted_bug_is_found_and_named[{bug.name}]": bug for bug in bugs}
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.xml")
        tests = [f"{HERE / 'test_bugs.py'}::{name}" for name in names]
        told = ("-q", "-p", "no:randomly", "--show-capture=no", f"--junitxml={report}")
        subprocess.run([sys.executable, "-m", "pytest", *told, *tests], cwd=ROOT, check=False)
        cases = list(ET.parse(report).getroot().iter("testcase"))
    took = {case.get("name", ""): float(case.get("time", 0)) for case in cases if not len(case)}
    return [
        Detection(
            bug=bug.name,
            by=CHECK if name in took else NOT_FOUND,
            checks=(bug.check,),
            classes=(),
            seconds=round(took.get(name, 0.0), 1),
            message=bug.said,
        )
        for name, bug in names.items()
    ]


def of_shrunk(bug: str, run: Path) -> Shrunk:
    """What is known of a run whose faults were shrunk, from what was written beside it."""
    recorded = Recorded(run)
    info = recorded.experiment()
    assert info is not None, f"{run} is no experiment"
    left = read(next(run.glob("*-shrunk.toml")))
    return Shrunk(
        bug=bug,
        experiment=info.name,
        seed=recorded.info.seed,
        drawn=tuple(str(fault) for fault in parsed(info.toml).fault),
        left=tuple(str(fault) for fault in left.fault),
    )


def page(record: Record) -> str:
    """The page that is made of the record."""
    by_experiment = sum(each.by not in {CHECK, NOT_FOUND} for each in record.found)
    return "".join(
        [
            HEAD.format(bugs=len(record.found), by_experiment=by_experiment),
            *_rows(
                (f"`{each.bug}`", each.by, ", ".join(each.checks), ", ".join(each.classes) or "—", f"{each.seconds:g}")
                for each in record.found
            ),
            SOUND.format(seeds=record.seeds, s="s" * (record.seeds > 1)),
            *_rows(record.sound.items()),
            SHRUNK,
            *_rows(
                (f"`{each.bug}`", f"{each.experiment}, {each.seed}", "; ".join(each.drawn), "; ".join(each.left))
                for each in record.shrunk
            ),
        ]
    )


def _rows(cells: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |\n" for row in cells]


def main(names: Sequence[str]) -> int:
    """Seek the bugs that are named, or all, and run what finds them on the system as it is; 1 where one is not found.

    What was recorded of others in the same sources stays; record and page are written as soon as anything is known.
    """
    record = kept()
    if names[:1] == ("--shrunk",):
        _, name, run = names
        record.shrunk = [*(each for each in record.shrunk if each.bug != name), of_shrunk(name, Path(run))]
        write(record)
        return 0
    sought = [bug for bug in BUGS if not names or bug.name in names]
    found = {each.bug: each for each in record.found}

    def note(*detections: Detection) -> None:
        found.update({each.bug: each for each in detections})
        record.found = [found[bug.name] for bug in BUGS if bug.name in found]
        write(record)

    for each in sought:
        if each.name in EXPERIMENTS:
            note(apart(detected, each))
    if by_check := [bug for bug in sought if bug.name not in EXPERIMENTS]:
        note(*checked(by_check))
    own = {EXPERIMENTS[bug.name] for bug in sought if bug.name in EXPERIMENTS}
    for name in sorted(own):
        record.sound[name] = apart(sound, name)
        write(record)
    missed = [bug.name for bug in sought if found[bug.name].by == NOT_FOUND]
    return int(bool(missed) or any(record.sound[name] != Verdict.VALID for name in own))


def kept() -> Record:
    """What was found in these sources; of others, no more than what was shrunk."""
    record, sources = recorded(), digest(ROOT, SOURCES)
    return record if record.sources == sources else Record(sources=sources, seeds=SEEDS, shrunk=record.shrunk)


def recorded() -> Record:
    """What was found when it was last sought; nothing before."""
    return msgspec.json.decode(RECORD.read_bytes(), type=Record) if RECORD.exists() else Record()


def write(record: Record) -> None:
    """Write the record, and the page that is made of it."""
    record.sound = dict(sorted(record.sound.items()))
    record.date = f"{datetime.now(tz=UTC):%Y-%m-%d}"
    RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    PAGE.write_text(page(record), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
