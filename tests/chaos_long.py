"""Runs every experiment with several seeds, and records what came of each: `nox -s chaos-long`.

Each is run as `temper chaos run NAME --seed N`, and what is recorded is read from the run directory that this leaves. A
recording that was interrupted goes on where it was, as long as the sources are the same; what failed is never tried
again until it passes.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from chaos_outcomes import HOLDS, Outcome, Totals, nothing_left, outcome_of, totals
from evidence import INTERRUPTED, ROOT, commit, machine, run, write

from chaos.experiment import Experiment, find, read, shipped
from harness.quality.flakes import digest
from harness.records.run import NotARun, Recorded

SOURCES = ("system", "harness", "scenarios", "loadtests", "chaos", "temper.toml", "requirements.txt")
"""What runs in an experiment, and what judges it; how that is shown may change."""
RESULTS = ROOT / "results"
PATIENCE = 1200.0
"""Seconds for one run, from its first server to its report, on a machine that does other things too."""
CANNOT_RUN = 2
SEEDS = 3
"""Fewer are no full record."""


class Record(msgspec.Struct, kw_only=True):
    """Every outcome with the same sources, whose digest is `sources`."""

    command: str = "nox -s chaos-long"
    date: str = ""
    commit: str
    sources: str
    machine: str
    total: Totals | None = None
    outcomes: list[Outcome] = []


def fresh() -> Record:
    return Record(commit=commit(*SOURCES), sources=digest(ROOT, SOURCES), machine=machine())


def kept(path: Path) -> Record:
    """What was recorded, if it was of these sources and on such a machine; nothing yet otherwise."""
    now = fresh()
    if not path.exists():
        return now
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Record)
    except msgspec.DecodeError as error:
        raise SystemExit(f"{path} is no record of experiments: {error}. Move it away to begin a new one.") from error
    return found if (found.sources, found.machine) == (now.sources, now.machine) else now


def attempt(experiment: Experiment, seed: int) -> Outcome | None:
    """Run it; None where it could not be run, which is said. Raises SystemExit where it was interrupted.

    One that failed before it left anything to read is an outcome too: it does not hold, and is not tried again.
    """
    before, began = {*RESULTS.glob("chaos-*")}, time.monotonic()
    words = ["temper", "chaos", "run", experiment.name, "--seed", str(seed)]
    with tempfile.TemporaryDirectory(prefix="temper-chaos-long-") as folder:
        output = Path(folder, "output.txt")
        code = run([sys.executable, "-m", *words], output, PATIENCE)
        seconds, said = time.monotonic() - began, output.read_text()
    if code in INTERRUPTED and seconds < PATIENCE:
        raise SystemExit(code)
    if code != HOLDS:
        print(said, flush=True)
    made = [path for path in {*RESULTS.glob("chaos-*")} - before if command_of(path) == " ".join(words)]
    if code == CANNOT_RUN:
        return None
    if not made:
        return nothing_left(experiment.name, seed, code, seconds)
    return outcome_of(made[0], experiment.name, seed, code, seconds)


def command_of(directory: Path) -> str:
    """What made a run; nothing where there is none yet."""
    try:
        return Recorded(directory).info.command
    except NotARun:
        return ""


def pair_of(outcome: Outcome) -> tuple[str, int]:
    return outcome.experiment, outcome.seed


def main() -> int:
    """Run what is not recorded yet; returns 1 if anything recorded does not hold, 2 if something could not be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, help="the file with what is recorded")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="experiments; all that are shipped where none is named"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, from 1 on")
    arguments = parser.parse_args()
    every = [read(path) for path in shipped().values()]
    chosen = [find(name) for name in arguments.names] or every
    planned = {(each.name, seed) for each in every for seed in range(1, max(SEEDS, arguments.seeds) + 1)}
    record, missing = kept(arguments.record), 0
    done = {pair_of(outcome) for outcome in record.outcomes}
    for experiment, seed in [(each, seed) for each in chosen for seed in range(1, arguments.seeds + 1)]:
        if (experiment.name, seed) in done:
            continue
        outcome = attempt(experiment, seed)
        if outcome is None:
            missing += 1
            print(f"{experiment.name}, seed {seed}: COULD NOT BE RUN; the reason is above", flush=True)
            continue
        record.outcomes.append(outcome)
        record.date = outcome.ended
        record.total = totals([each for each in record.outcomes if pair_of(each) in planned], len(planned))
        write(arguments.record, record)
        print(outcome, flush=True)
    failed = [outcome for outcome in record.outcomes if not outcome.holds]
    print(f"{len(record.outcomes) - len(failed)} of {len(record.outcomes)} hold; {missing} could not be run")
    return 2 if missing else int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
