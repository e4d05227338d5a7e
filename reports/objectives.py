"""The objectives of a project and its waivers, read from objectives.toml."""

import tomllib
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from harness.checking.objectives import Objective, evaluate
from harness.checking.waivers import Waiver
from harness.records.checks import Check
from harness.records.repeated import refuse_repeated
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, ObjectiveResult, ObjectiveVerdict, Verdict
from reports.metrics import UNITS, metrics

OBJECTIVES = Path(__file__).with_name("objectives.toml")
INVARIANTS = "invariants_not_valid"

EntryT = TypeVar("EntryT", bound=Struct)


class BadObjectives(Exception):
    """The file of objectives cannot be used: the message says where and why."""


class Policy(Struct, frozen=True, kw_only=True):
    """What runs are judged by."""

    objectives: tuple[Objective, ...]
    waivers: tuple[Waiver, ...] = ()


def load(path: Path = OBJECTIVES) -> tuple[Objective, ...]:
    """Every objective, in the order of the file. Raises BadObjectives."""
    return policy(path).objectives


def policy(path: Path = OBJECTIVES) -> Policy:
    """Every objective and every waiver, in the order of the file; of one that says `extends = true`, behind ours.

    There, what is hard for a metric takes the place of what was, and an aim that of the aim.

    Raises BadObjectives if the file is missing or is no TOML; if an objective has a key or a metric nobody knows,
    another unit than its metric, not exactly one threshold, or says what another says; if a waiver has no reason or no
    date, or is for a metric without an objective.
    """
    tables = _tables(path)
    extends, waived = tables.pop("extends", False), tables.pop("waiver", [])
    entries = tables.pop("objective", [] if extends is True else None)
    if tables or not (isinstance(entries, list) and isinstance(waived, list) and isinstance(extends, bool)):
        beside = ", ".join(sorted(tables)) or "none"
        message = f"{path}: expected [[objective]] and [[waiver]] tables and nothing else; found beside them: {beside}"
        raise BadObjectives(message)
    objectives = tuple(_objective(path, number, entry) for number, entry in enumerate(entries, start=1))
    _refuse_repeated(path, objectives)
    base = policy() if extends else Policy(objectives=())
    objectives = _in_place_of(base.objectives, objectives)
    waivers = tuple(
        _waiver(path, number, entry, {each.metric for each in objectives})
        for number, entry in enumerate(waived, start=1)
    )
    return Policy(objectives=objectives, waivers=(*base.waivers, *waivers))


def results_of(recorded: Recorded, objectives: tuple[Objective, ...] | None = None) -> list[ObjectiveResult]:
    """Each objective that applies to this run's kind, beside what the run measured. Default: those of the file.

    Raises NotARun if the run cannot be read, or is not as it was written.
    """
    refuse_repeated(recorded)
    info = recorded.info
    results = evaluate(
        load() if objectives is None else objectives,
        metrics(recorded),
        info.kind,
        run=info.id,
        command=info.command,
        measured=info.started if info.ended is None else info.ended,
    )
    reasons = _reasons(recorded)
    return [_told(result, reasons) for result in results]


def _reasons(recorded: Recorded) -> Mapping[str, str]:
    """Of metrics that are not known: why, where that is told."""
    unknown = [each for each in recorded.read(Judgement) if each.verdict is Verdict.UNKNOWN]
    reasons = {check.metric: check.reason for check in recorded.read(Check) if check.reason}
    if unknown:
        reasons[INVARIANTS] = "; ".join(f"{each.invariant}: {each.reason}" for each in unknown)
    return reasons


def _told(result: ObjectiveResult, reasons: Mapping[str, str]) -> ObjectiveResult:
    """The same, and where it is not known, why."""
    if result.verdict is not ObjectiveVerdict.UNKNOWN or result.name not in reasons:
        return result
    return msgspec.structs.replace(result, measured=f"not known ({reasons[result.name]})")


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path}: there is no such file"
        raise BadObjectives(message) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise BadObjectives(message) from error
    except ValueError as error:  # bad TOML, or not UTF-8
        message = f"{path}: {error}"
        raise BadObjectives(message) from error


def _entry(path: Path, number: int, entry: Any, kind: type[EntryT], called: str) -> EntryT:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        message = f"{path}: {called} {number}: {error} (known keys: {known})"
        raise BadObjectives(message) from error


def _objective(path: Path, number: int, entry: Any) -> Objective:
    objective = _entry(path, number, entry, Objective, "objective")
    unit = UNITS.get(objective.metric)
    if unit is None:
        message = f"{path}: objective {number}: no metric is called {objective.metric!r}; there are {', '.join(UNITS)}"
        raise BadObjectives(message)
    if objective.unit != unit:
        message = f"{path}: objective {number}: {objective.metric} is measured in {unit!r}, not {objective.unit!r}"
        raise BadObjectives(message)
    return objective


def _refuse_repeated(path: Path, objectives: Sequence[Objective]) -> None:
    for (one, first), (other, second) in combinations(enumerate(objectives, start=1), 2):
        same = (first.metric, first.hard) == (second.metric, second.hard)
        if same and set(first.kinds) & set(second.kinds):
            weight = "hard" if first.hard else "an aim"
            message = f"{path}: objectives {one} and {other} are both {weight} for {first.metric}, of one kind of run"
            raise BadObjectives(message)


def _in_place_of(base: Sequence[Objective], objectives: Sequence[Objective]) -> tuple[Objective, ...]:
    replaced = {(each.metric, each.hard) for each in objectives}
    return (*(each for each in base if (each.metric, each.hard) not in replaced), *objectives)


def _waiver(path: Path, number: int, entry: Any, metrics_there: set[str]) -> Waiver:
    waiver = _entry(path, number, entry, Waiver, "waiver")
    if waiver.metric not in metrics_there:
        there = ", ".join(sorted(metrics_there))
        message = f"{path}: waiver {number}: no objective is for {waiver.metric!r}; there are some for {there}"
        raise BadObjectives(message)
    return waiver
