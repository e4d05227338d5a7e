"""Whether each objective can fail: runs with one bad value each are put to the gate, and must be turned away."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from harness.checking.objectives import Objective, shown
from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict
from reports.gate import GateResult, gate_of
from reports.objectives import Policy
from reports.planted import ENTAILED, NEVER_FAILS, plant

Identity = tuple[str, bool]
"""The metric of an objective, and whether it is hard: of one kind of run there is one."""


class Proof(Struct, frozen=True, kw_only=True):
    """What became of one objective."""

    objective: Objective
    kind: str
    """Of the runs that were planted."""
    planted: float
    """The bad value."""
    verdict: ObjectiveVerdict
    """On it."""
    also: tuple[str, ...]
    """Titles of the others that are bad wherever this one is, such as its aim."""
    problems: tuple[str, ...]
    """Why it is not proven that it can fail, and fails alone; empty where it is."""


def self_test(policy: Policy) -> list[Proof]:
    """Prove each objective, by runs that are written and read back like any other. Its waivers do not count."""
    bare = Policy(objectives=policy.objectives)
    with tempfile.TemporaryDirectory(prefix="temper-") as directory:
        return [
            _proof(Path(directory), objective, kind, bare) for objective in bare.objectives for kind in objective.kinds
        ]


def bad_value(objective: Objective) -> float:
    """One that misses the threshold: by half of it, or by one."""
    limit = objective.limit
    if objective.equals is not None:
        return limit - 1 if limit > 0 else limit + 1
    if objective.at_most is not None or objective.below is not None:
        return limit + max(1.0, abs(limit) / 2)
    return limit / 2 if limit > 0 else limit - 1


def good_value(objectives: Sequence[Objective]) -> float | None:
    """One with which all of these hold, which have one metric; None where there is none to be found."""
    tried = [value for each in objectives for value in (each.limit / 2, 1.5 * each.limit + 1, each.limit)]
    return next((value for value in tried if all(each.holds(value) for each in objectives)), None)


def _proof(directory: Path, objective: Objective, kind: str, policy: Policy) -> Proof:
    applying = [each for each in policy.objectives if kind in each.kinds]
    good = {each.metric: good_value([o for o in applying if o.metric == each.metric]) for each in applying}
    wanted = {metric: 0.0 if metric in NEVER_FAILS else value for metric, value in good.items() if value is not None}
    bad = bad_value(objective)
    fine, planted, empty = (
        gate_of([plant(directory, kind, values)], by=policy)
        for values in (wanted, {**wanted, objective.metric: bad}, {})
    )
    found = _by_identity(planted)[_identity(objective)]
    entailed = ENTAILED.get(objective.metric, frozenset())
    also = [each for each in _bad(planted) if _identity_of(each) != _identity(objective)]
    stray = [each for each in also if each.name not in {objective.metric, *entailed}]
    shuts = ObjectiveVerdict.UNKNOWN if objective.metric in NEVER_FAILS else ObjectiveVerdict.FAILS
    problems = {
        f"with {shown(bad, objective.unit)} it {found.verdict}": found.verdict is not shuts,
        "it fails, and the gate stays open": objective.hard and planted.overall is Verdict.VALID,
        f"without a bad value there is one: {_titles(_bad(fine))}": bool(_bad(fine)),
        f"others turn red with it: {_titles(stray)}": bool(stray),
        "it holds where nothing was measured": _by_identity(empty)[_identity(objective)].verdict
        is not ObjectiveVerdict.UNKNOWN,
    }
    return Proof(
        objective=objective,
        kind=kind,
        planted=bad,
        verdict=found.verdict,
        also=tuple(each.title for each in also),
        problems=tuple(told for told, is_so in problems.items() if is_so),
    )


def _by_identity(result: GateResult) -> Mapping[Identity, ObjectiveResult]:
    return {_identity_of(each): each for each in result.objectives}


def _bad(result: GateResult) -> list[ObjectiveResult]:
    return [each for each in result.objectives if each.verdict is not ObjectiveVerdict.HOLDS]


def _identity(objective: Objective) -> Identity:
    return objective.metric, objective.hard


def _identity_of(result: ObjectiveResult) -> Identity:
    return result.name, result.hard


def _titles(results: Sequence[ObjectiveResult]) -> str:
    return "; ".join(result.title for result in results)
