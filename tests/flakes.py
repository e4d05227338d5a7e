"""Repeats the tests in shuffled orders, and records each repetition: `nox -s flakes`.

    python tests/flakes.py --record FILE -n 4    every test of `nox -s test`; it goes on where it was interrupted
    python tests/flakes.py OPTION…               what pytest makes of these options; nothing is recorded

It goes on as long as the sources are the same. Until the last repetition the record is kept aside: the tests compare
the pages with what is in its place.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from evidence import ROOT, machine, run, write

from harness.quality.flakes import ENOUGH, Record, Repetition, digest
from harness.quality.junit import read_junit
from harness.records.checks import Outcome

UNFINISHED = ROOT / ".flakes.json"


def begun(path: Path | None, options: Sequence[str]) -> Record:
    """What was recorded, or begun, if it was of these sources, so many at once, on such a machine; else nothing yet."""
    command = " ".join(["pytest", "-p randomly", *options])
    new = Record(command=command, sources=digest(ROOT), machine=machine(), repetitions=[])
    for place in (UNFINISHED, path) if path else ():
        if place.exists():
            found = msgspec.json.decode(place.read_bytes(), type=Record)
            if (found.command, found.sources, found.machine) == (new.command, new.sources, new.machine):
                return found
    return new


def repeat(seed: int, options: Sequence[str]) -> Repetition:
    """Run the tests once, in the order of this seed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="temper-flakes-") as folder:
        result, output = Path(folder, "result.xml"), Path(folder, "output.txt")
        command = [sys.executable, "-m", "pytest", "-p", "randomly", f"--randomly-seed={seed}", *options]
        code = run([*command, f"--junitxml={result}"], output)
        cases = read_junit(result) if result.exists() else []
        failed = sorted({case.name for case in cases if case.outcome is Outcome.FAILED})
        if code or failed:
            print(output.read_text(), flush=True)
        if bool(code) != bool(failed):
            raise SystemExit(f"pytest ended with {code}, and {len(failed)} tests failed: this is no repetition.")
    return Repetition(
        seed=seed,
        ended=f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}",
        seconds=round(time.monotonic() - began, 1),
        passed=sum(case.outcome is Outcome.PASSED for case in cases),
        failed=failed,
    )


def main(argv: Sequence[str]) -> int:
    """Repeat until there are enough; returns 1 if anything ever failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, help="the file with what is recorded")
    parser.add_argument("--repetitions", type=int, default=ENOUGH)
    parser.add_argument("-n", default="0", help="how many processes")
    parser.add_argument("--dist", default="load", help="how the tests are spread over them")
    arguments, others = parser.parse_known_args(argv)
    if arguments.record and others:
        parser.error(f"only repetitions of every test are recorded; leave out --record, or {' '.join(others)}")
    options = ("-n", arguments.n, "--dist", arguments.dist, *others)
    record = begun(arguments.record, options)
    for seed in range(len(record.repetitions) + 1, arguments.repetitions + 1):
        done = repeat(seed, options)
        record.repetitions.append(done)
        if arguments.record:
            write(UNFINISHED, record)
        told = f"{done.passed} passed in {done.seconds:.0f} s, failed: {', '.join(done.failed) or 'none'}"
        print(f"{seed}/{arguments.repetitions}: {told}", flush=True)
    if arguments.record:
        write(arguments.record, record)
        UNFINISHED.unlink(missing_ok=True)
    flakes = sorted({name for each in record.repetitions for name in each.failed})
    print(f"{len(record.repetitions)} repetitions, in which failed: {', '.join(flakes) or 'none'}")
    return bool(flakes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
