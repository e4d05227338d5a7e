"""Runs compared with the first of them: what got worse, what better, and of what there is no evidence."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from harness.checking.compare import ALARMS, Change, Unclear, change
from harness.records.run import Recorded
from reports.comparable import Difference, differences, void
from reports.compare_anatomy import Spent, spent_otherwise
from reports.compare_figures import MEAN, SECONDS, Better, Figure, figures
from reports.plain import printable

TOLERATED = 0.05
"""A guess at what two runs of the same thing differ by on a quiet machine, which no two runs can tell from a change."""
Title = tuple[str, str, str]
"""Subject, name and unit of a figure."""


class Told(StrEnum):
    """What is told of a figure."""

    WORSE = "worse"
    BETTER = "better"
    SLOWER = "slower"
    FASTER = "faster"
    MORE = "more"
    LESS = "less"
    """More or less of what is neither good nor bad."""
    SAME = "no relevant change"
    """The interval lies within what is tolerated."""
    NO_EVIDENCE = "no evidence of change"
    UNCLEAR = "not told"


BAD, GOOD = frozenset({Told.WORSE, Told.SLOWER}), frozenset({Told.BETTER, Told.FASTER})
CLEAR = frozenset(Told) - {Told.UNCLEAR}
MARKS = {Told.SAME: "=", Told.NO_EVIDENCE: "·", Told.UNCLEAR: "?"}
TIMES = frozenset({"s", "ms"})


class Row(Struct, frozen=True, kw_only=True):
    """One figure of two runs."""

    subject: str
    name: str
    unit: str
    change: Change
    told: Told

    @property
    def title(self) -> str:
        return f"{self.subject}: {self.name}"

    @property
    def mark(self) -> str:
        """One character for what is told."""
        return "✗" if self.told in BAD else "✓" if self.told in GOOD else MARKS.get(self.told, "!")


class Pair(Struct, frozen=True, kw_only=True):
    """One run beside the base."""

    run: str
    commit: str
    differences: tuple[Difference, ...]
    """What should have been the same; empty unless they were compared all the same."""
    rows: tuple[Row, ...]
    spent: Mapping[str, tuple[Spent, ...]]
    """For each scenario whose mean response time changed, on what more or less time is spent."""
    alone: tuple[str, ...]
    """What only one of the two runs has: subjects, or figures."""

    def told(self, *words: Told) -> list[Row]:
        """The rows of which one of these is told."""
        return [row for row in self.rows if row.told in words]


class Comparison(Struct, frozen=True, kw_only=True):
    """Runs beside the base."""

    base: str
    commit: str
    tolerated: float
    """By what share of the base's figure another may differ."""
    compared: int
    """Figures that were compared, in all pairs together: so many times narrower is the chance of a false alarm."""
    pairs: tuple[Pair, ...]

    @property
    def worse(self) -> bool:
        """Whether anything got worse."""
        return any(row.told in BAD for pair in self.pairs for row in pair.rows)


class NotComparable(Exception):
    """These runs must not be compared; the message tells each difference."""


def compare(runs: Sequence[Recorded], *, tolerated: float = TOLERATED, anyway: bool = False) -> Comparison:
    """Compare each run with the first; raises NotARun, and NotComparable where it would not be fair.

    That is where conditions or loads differ or a run was cut off, unless `anyway`; and in any case where a load was
    void, a run is named twice, or nothing was measured in both.
    """
    base, *others = runs
    _refuse(runs, anyway=anyway)
    apart = [differences(base, other) for other in others]
    if any(apart) and not anyway:
        raise NotComparable(_side_by_side(base, others, apart))
    mine, beside = _by_title(base), [_by_title(other) for other in others]
    couples = [[(mine[title], theirs[title]) for title in mine if title in theirs] for theirs in beside]
    if not any(couples):
        message = f"Nothing that can be compared was measured both in {base.info.id} and in another of these runs."
        raise NotComparable(message)
    compared = sum(map(_compared, couples))
    pairs = []
    for other, found, theirs, couple in zip(others, apart, beside, couples, strict=True):
        told = _rows(couple, found, tolerated, compared)
        changed = [row.subject for row in told if row.name == MEAN and row.told in BAD | GOOD]
        pairs.append(
            Pair(
                run=other.info.id,
                commit=_commit(other),
                differences=tuple(found),
                rows=told,
                spent=spent_otherwise(base, other, changed),
                alone=_alone(mine, theirs),
            )
        )
    return Comparison(
        base=base.info.id, commit=_commit(base), tolerated=tolerated, compared=compared, pairs=tuple(pairs)
    )


def rows_of(base: Recorded, other: Recorded, *, tolerated: float = TOLERATED) -> tuple[Row, ...]:
    """Each figure that two runs of the same load have. Raises NotARun."""
    mine, theirs = _by_title(base), _by_title(other)
    couples = [(mine[title], theirs[title]) for title in mine if title in theirs]
    return _rows(couples, (), tolerated, _compared(couples))


def _rows(
    couples: Sequence[tuple[Figure, Figure]], found: Sequence[Difference], tolerated: float, compared: int
) -> tuple[Row, ...]:
    """Each figure of two runs, as one of so many that are compared; `found` is in what the runs differ."""
    same_load = not any(each.what == "seed" or each.what.startswith("load") for each in found)
    alarms = ALARMS / max(1, compared)
    told = [_row(one, two, alarms, tolerated, paired=one.paired and same_load) for one, two in couples]
    unsteady = {row.subject for row in told if row.name == MEAN and row.change.unclear is Unclear.TOO_SHORT}
    return tuple(_too_short(row) if row.subject in unsteady and row.unit == SECONDS else row for row in told)


def _compared(couples: Sequence[tuple[Figure, Figure]]) -> int:
    return sum(one.quantity.enough and two.quantity.enough for one, two in couples)


def _refuse(runs: Sequence[Recorded], *, anyway: bool) -> None:
    for number, run in enumerate(runs):
        if any(run.info.id == before.info.id for before in runs[:number]):
            message = f"{run.info.id} is named twice: a run is compared with others."
            raise NotComparable(message)
        if reason := void(run):
            message = f"{run.info.id} means nothing: {reason}."
            raise NotComparable(message)
        if run.info.partial and not anyway:
            message = f"{run.info.id} was cut off before its end. Compare it --anyway, if what it recorded will do."
            raise NotComparable(message)


def _side_by_side(base: Recorded, others: Sequence[Recorded], apart: Sequence[Sequence[Difference]]) -> str:
    lines = []
    for other, found in zip(others, apart, strict=True):
        if found:
            lines.append(f"{other.info.id} cannot be compared with {base.info.id}: they differ in")
            table = [("", base.info.id, other.info.id), *((each.what, each.base, each.other) for each in found)]
            first, second = (max(len(row[place]) for row in table) for place in (0, 1))
            lines += [printable(f"  {what:<{first}}  {one:<{second}}  {two}".rstrip()) for what, one, two in table]
    return "\n".join(
        [*lines, "What these figures differ by may come of that. Compare them --anyway, if you know better."]
    )


def _by_title(run: Recorded) -> dict[Title, Figure]:
    return {(each.subject, each.name, each.unit): each for each in figures(run)}


def _alone(mine: Mapping[Title, Figure], theirs: Mapping[Title, Figure]) -> tuple[str, ...]:
    """What only one of two runs has: a subject, or of one that both have, a figure."""
    both = {subject for subject, *_ in mine.keys() & theirs.keys()}
    apart = sorted(mine.keys() ^ theirs.keys())
    return tuple(dict.fromkeys(f"{subject}: {name}" if subject in both else subject for subject, name, _ in apart))


def _commit(run: Recorded) -> str:
    fingerprint = run.fingerprint()
    return fingerprint.commit if fingerprint else ""


def _row(one: Figure, two: Figure, alarms: float, tolerated: float, *, paired: bool) -> Row:
    found = change(one.quantity, two.quantity, paired=paired, alarms=alarms)
    told = _told(found, two.better, two.unit, tolerated)
    return Row(subject=two.subject, name=two.name, unit=two.unit, change=found, told=told)


def _told(found: Change, better: Better, unit: str, tolerated: float) -> Told:
    if found.base is None or (found.low is None and found.high is None):
        return Told.UNCLEAR
    low = -inf if found.low is None else found.low
    high = inf if found.high is None else found.high
    margin = tolerated * abs(found.base)
    if -margin <= low and high <= margin:
        return Told.SAME
    if low <= 0 <= high:
        return Told.NO_EVIDENCE
    if better is Better.NEITHER:
        return Told.MORE if low > 0 else Told.LESS
    worse = (low > 0) is (better is Better.LESS)
    if unit in TIMES:
        return Told.SLOWER if worse else Told.FASTER
    return Told.WORSE if worse else Told.BETTER


def _too_short(row: Row) -> Row:
    unclear = row.change.unclear or Unclear.TOO_SHORT
    return replace(row, told=Told.UNCLEAR, change=replace(row.change, low=None, high=None, unclear=unclear))
