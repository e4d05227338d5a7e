"""The objectives of this project, read from objectives.toml."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.checking.objectives import Objective, evaluate
from harness.records.checks import Check
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, ObjectiveResult, ObjectiveVerdict, Verdict
from reports.metrics import UNITS, metrics

OBJECTIVES = Path(__file__).with_name("objectives.toml")
INVARIANTS = "invariants_not_valid"


class BadObjectives(Exception):
    """The file of objectives cannot be used: the message says where and why."""


def load(path: Path = OBJECTIVES) -> tuple[Objective, ...]:
    """Every objective, in the order of the file.

    Raises BadObjectives if the file is missing or is no TOML, or if an objective has a key or a metric nobody knows,
    another unit than its metric, or not exactly one threshold.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path}: there is no such file"
        raise BadObjectives(message) from error
    except ValueError as error:  # bad TOML, or not UTF-8
        message = f"{path}: {error}"
        raise BadObjectives(message) from error
    entries = tables.pop("objective", None)
    if tables or not isinstance(entries, list):
        beside = ", ".join(sorted(tables)) or "none"
        message = f"{path}: expected [[objective]] tables and nothing else; found beside them: {beside}"
        raise BadObjectives(message)
    return tuple(_objective(path, number, entry) for number, entry in enumerate(entries, start=1))


def results_of(recorded: Recorded, objectives: tuple[Objective, ...] | None = None) -> list[ObjectiveResult]:
    """Each objective that applies to this run's kind, beside what the run measured. Default: those of the file."""
    results = evaluate(load() if objectives is None else objectives, metrics(recorded), recorded.info.kind)
    unknown = [each for each in recorded.read(Judgement) if each.verdict is Verdict.UNKNOWN]
    reasons = {check.metric: check.reason for check in recorded.read(Check)}
    return [_reasoned(_told(result, unknown), reasons) for result in results]


def _told(result: ObjectiveResult, unknown: Sequence[Judgement]) -> ObjectiveResult:
    """The same, and where invariants are not known, which, and why."""
    if result.name != INVARIANTS or result.verdict is not ObjectiveVerdict.UNKNOWN or not unknown:
        return result
    told = "; ".join(f"{each.invariant}: {each.reason}" for each in unknown)
    return msgspec.structs.replace(result, measured=f"not known ({told})")


def _reasoned(result: ObjectiveResult, reasons: Mapping[str, str]) -> ObjectiveResult:
    """The same, and where a tool could not measure it, why."""
    reason = reasons.get(result.name)
    if result.verdict is not ObjectiveVerdict.UNKNOWN or not reason:
        return result
    return msgspec.structs.replace(result, measured=f"not known ({reason})")


def _objective(path: Path, number: int, entry: Any) -> Objective:
    try:
        objective = msgspec.convert(entry, Objective)
    except msgspec.ValidationError as error:
        known = ", ".join(Objective.__struct_fields__)
        message = f"{path}: objective {number}: {error} (known keys: {known})"
        raise BadObjectives(message) from error
    unit = UNITS.get(objective.metric)
    if unit is None:
        message = f"{path}: objective {number}: no metric is called {objective.metric!r}; there are {', '.join(UNITS)}"
        raise BadObjectives(message)
    if objective.unit != unit:
        message = f"{path}: objective {number}: {objective.metric} is measured in {unit!r}, not {objective.unit!r}"
        raise BadObjectives(message)
    return objective
