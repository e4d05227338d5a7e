"""Breaks the pure code in small ways, by mutmut, and records how often the tests notice.

    python tests/mutation.py              all of them, going on where an interrupted run stopped; the score is recorded
    python tests/mutation.py PATTERN…     those of such names anew, say 'system.orders.rules.*'; nothing is recorded

What is broken, and by which tests it should be noticed, is in pyproject.toml. A mutant that makes a test run for ever
is noticed too. One that no test reaches is not: it counts as one that survived.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import platform
import resource
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mutmut.stats import status_by_exit_code

from harness.quality.mutation import mutated

ENOUGH = 80.0
"""Percent of the mutants that must be noticed: of all, and of each module's."""
NOTICED = ("killed", "timeout")
COLUMNS = (*NOTICED, "survived", "no tests")
UNDECIDED = ("not checked", "check was interrupted by user")
ROOT = Path(__file__).parent.parent
MUTANTS = ROOT / "mutants"
STAMP = MUTANTS / "measured.json"
RECORD = ROOT / "docs" / "evidence" / "mutation.json"
COMMAND = "nox -s mutation"


def main(patterns: list[str]) -> int:
    """Run mutmut and tell the score; 0 where it is high enough, 1 where it is not, 2 where it is not known."""
    if not patterns:
        begin()
    spent = cpu_seconds()
    ran = subprocess.run([Path(sys.executable).parent / "mutmut", "run", *patterns], cwd=ROOT, check=False)
    stamp = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    stamp["cpu_seconds"] = stamp.get("cpu_seconds", 0) + cpu_seconds() - spent
    if MUTANTS.is_dir():
        STAMP.write_text(json.dumps(stamp))
    modules = {module: counts for module, counts in read(patterns) if counts}
    total = sum(modules.values(), Counter[str]())
    tell(modules, total)
    if ran.returncode or not total or any(total[status] for status in UNDECIDED):
        print("mutmut did not come to its end; run it again, and it goes on from there")
        return 2
    if not patterns:
        record(modules, total, stamp)
    low = [module for module, counts in [*modules.items(), ("all", total)] if score(counts) < ENOUGH]
    if low:
        print(f"fewer than {ENOUGH:g} % were noticed: {', '.join(low)}; `.venv/bin/mutmut browse` shows them")
    return 1 if low else 0


def begin() -> None:
    """Forget what is known of other code: mutmut itself does not see that a test has changed."""
    now = digest()
    if STAMP.exists() and json.loads(STAMP.read_text()).get("digest") == now:
        return
    shutil.rmtree(MUTANTS, ignore_errors=True)
    MUTANTS.mkdir()
    STAMP.write_text(json.dumps({"digest": now, "covers": mutated(ROOT), "cpu_seconds": 0}))


def digest() -> str:
    """One for the code that is mutated and all it uses, the tests, and the settings of both."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    folders = [*config["mutmut"]["source_paths"], "tests"]
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    content = hashlib.sha256(json.dumps([config["mutmut"], config["pytest"], version("mutmut")]).encode())
    for path in paths:
        content.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return content.hexdigest()


def cpu_seconds() -> float:
    """What this process's children have used, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read(patterns: list[str]) -> Iterator[tuple[str, Counter[str]]]:
    """What became of each module's mutants, of those named where some are."""
    for path in sorted(MUTANTS.rglob("*.meta")):
        codes: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        named = {name for name in codes if not patterns or any(fnmatch.fnmatch(name, one) for one in patterns)}
        module = str(path.relative_to(MUTANTS)).removesuffix(".meta")
        yield module, Counter(status_by_exit_code[codes[name]] for name in named)


def score(counts: Counter[str]) -> float:
    """Percent of the mutants that were noticed."""
    return 100 * sum(counts[status] for status in NOTICED) / counts.total()


def tell(modules: Mapping[str, Counter[str]], total: Counter[str]) -> None:
    """Print a table."""
    print(f"\n{'':40} {'score':>7}", *(f"{column:>9}" for column in COLUMNS), f"{'other':>7}")
    for module, counts in [*modules.items(), ("all", total)]:
        if counts:
            figures = [f"{counts[column]:>9}" for column in COLUMNS]
            print(f"{module:40} {score(counts):>5.1f} %", *figures, f"{_other(counts):>7}")


def record(modules: Mapping[str, Counter[str]], total: Counter[str], stamp: Mapping[str, Any]) -> None:
    """Write the score down, to be committed."""
    told = {
        "command": COMMAND,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": [line[3:] for line in _git("status", "--porcelain").splitlines()],
        "digest": stamp["digest"],
        "mutmut": version("mutmut"),
        "python": platform.python_version(),
        "cpu_seconds": round(stamp["cpu_seconds"]),
        "enough": ENOUGH,
        "total": _figures(total),
        "modules": {module: _figures(counts) for module, counts in modules.items()},
        "covers": stamp["covers"],
    }
    RECORD.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"recorded in {RECORD.relative_to(ROOT)}")


def _figures(counts: Counter[str]) -> dict[str, float]:
    named = {column.replace(" ", "_"): counts[column] for column in COLUMNS}
    return {"score": round(score(counts), 1), "mutants": counts.total(), **named, "other": _other(counts)}


def _other(counts: Counter[str]) -> int:
    return counts.total() - sum(counts[column] for column in COLUMNS)


def _git(*arguments: str) -> str:
    """What git says, or nothing where this is no repository."""
    said = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
