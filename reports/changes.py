"""What changed since the last good run: the newest before it, of the same load on the same machine, that passed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from harness.records.fingerprint import Fingerprint
from harness.records.operations import Operation
from harness.records.run import FILES, NotARun, Recorded, RunInfo
from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict
from reports.comparable import Difference, differences, void
from reports.compare import BAD, CLEAR, GOOD, TOLERATED, Row, Told, rows_of
from reports.figures import things
from reports.gate import RunGate, run_gate
from reports.objectives import Policy

MOST_JUDGED = 10
"""So many earlier runs are put to the gate in search of a good one; that reads them whole."""
MOST_OPERATIONS = 200_000
"""Runs with more than this are not: a page should not wait for a second large run."""


class ObjectiveChange(Struct, frozen=True, kw_only=True):
    """An objective of which another verdict is told than before; None where it was not there."""

    before: ObjectiveResult | None
    now: ObjectiveResult


class Changes(Struct, frozen=True, kw_only=True):
    """A run beside the last good one."""

    base: RunInfo
    commits: tuple[str, str]
    """Before and now; empty where none was recorded."""
    versions: tuple[Difference, ...]
    objectives: tuple[ObjectiveChange, ...]
    rows: tuple[Row, ...]
    """Figures that changed, what got worse first."""
    clear: int
    """Figures of which anything can be told."""
    unclear: int
    untold: str
    """Why no figures were compared; empty where they were."""

    @property
    def log(self) -> str:
        """The command that shows the commits between; empty where there are none, or they are not known."""
        before, now = (commit.removesuffix("+") for commit in self.commits)
        return f"git log --oneline {before}..{now}" if before and now and before != now else ""

    @property
    def sentence(self) -> str:
        """What is different, in words."""
        said = [
            things(len([row for row in self.rows if row.told in kind]), f"figure got {word}", f"figures got {word}")
            for word, kind in (("worse", BAD), ("better", GOOD))
            if any(row.told in kind for row in self.rows)
        ]
        if self.objectives:
            said.insert(
                0, things(len(self.objectives), "objective has another verdict", "objectives have another verdict")
            )
        if said:
            return f"{', '.join(said)}."
        if self.untold or not self.clear:
            return "No objective has another verdict; nothing can be told of its figures."
        return "No objective has another verdict, and there is no evidence that any figure changed."


class NoGoodRun(Struct, frozen=True, kw_only=True):
    """There is no good run before this one."""

    reason: str


def changes(recorded: Recorded, judged: RunGate, by: Policy | None = None) -> Changes | NoGoodRun:
    """What changed since the last good run that lies beside this one. Raises NotARun if this one cannot be read."""
    earlier = _earlier(recorded)
    alike = [(run, apart) for run in earlier if _versions_alone(apart := _apart(recorded, run))]
    small = [(run, apart) for run, apart in alike if _operations(run) <= MOST_OPERATIONS]
    for run, apart in small[:MOST_JUDGED]:
        try:
            base = Recorded(run.directory)  # of its own: what is read of it goes with it
            before = run_gate(base, by=by)
            if before.verdict is Verdict.VALID:
                return _changes(base, before, recorded, judged, apart)
        except NotARun:
            continue
    if alike and not small:
        return NoGoodRun(reason=_too_large(alike[0][0].info, recorded.info))
    return NoGoodRun(reason=_reason(len(earlier), len(alike), min(len(small), MOST_JUDGED)))


def _earlier(recorded: Recorded) -> list[Recorded]:
    """Whole runs of the same kind, target and title in the same directory, that began before this one; newest first."""
    info = recorded.info
    found = [
        run
        for run in _beside(recorded.directory)
        if (run.info.kind, run.info.target, run.info.title) == (info.kind, info.target, info.title)
        and run.info.started < info.started
        and not run.info.partial
    ]
    return sorted(found, key=lambda run: run.info.started, reverse=True)


def _beside(directory: Path) -> Iterator[Recorded]:
    for path in directory.resolve().parent.glob("*/run.json"):
        try:
            yield Recorded(path.parent)
        except NotARun:
            continue


def _apart(recorded: Recorded, earlier: Recorded) -> list[Difference] | None:
    try:
        return differences(earlier, recorded)
    except NotARun:
        return None


def _versions_alone(apart: Sequence[Difference] | None) -> bool:
    return apart is not None and all(each.version for each in apart)


def _operations(recorded: Recorded) -> int:
    return recorded.info.records.get(FILES[Operation], 0)


def _too_large(before: RunInfo, now: RunInfo) -> str:
    return (
        f"runs of more than {MOST_OPERATIONS:,} operations are not judged beside another;"
        f" `temper compare {before.id} {now.id}` tells what changed since the one before it"
    )


def _reason(earlier: int, alike: int, judged: int) -> str:
    if not earlier:
        return "there is no whole run of the same kind and title before it in its directory"
    if not alike:
        return f"{things(earlier, 'run')} before it had another load, seed or machine"
    return f"of {things(earlier, 'run')} before it, {alike} under the same conditions, none of the last {judged} passed"


def _changes(
    base: Recorded, before: RunGate, recorded: Recorded, judged: RunGate, apart: Sequence[Difference] | None
) -> Changes:
    untold = _untold(recorded)
    rows = () if untold else rows_of(base, recorded, tolerated=TOLERATED)
    changed = [row for kind in (BAD, GOOD, {Told.MORE, Told.LESS}) for row in rows if row.told in kind]
    clear = sum(row.told in CLEAR for row in rows)
    return Changes(
        base=base.info,
        commits=(_commit(base.fingerprint()), _commit(recorded.fingerprint())),
        versions=tuple(apart or ()),
        objectives=tuple(_objectives(before, judged)),
        rows=tuple(changed),
        clear=clear,
        unclear=len(rows) - clear,
        untold=untold,
    )


def _untold(recorded: Recorded) -> str:
    if recorded.info.partial:
        return "this run was cut off before its end"
    return void(recorded)


def _objectives(before: RunGate, now: RunGate) -> Iterator[ObjectiveChange]:
    known = {(each.name, each.hard): each for each in before.objectives}  # of a kind of run there is one
    for each in now.objectives:
        earlier = known.get((each.name, each.hard))
        verdict = earlier.verdict if earlier else ObjectiveVerdict.HOLDS
        if verdict is not each.verdict:
            yield ObjectiveChange(before=earlier, now=each)


def _commit(fingerprint: Fingerprint | None) -> str:
    return fingerprint.commit if fingerprint else ""
