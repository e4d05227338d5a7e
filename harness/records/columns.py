"""Records as columns: a million of them are counted and compared in seconds, as no million objects can be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from itertools import chain, repeat
from operator import attrgetter
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import msgspec
import polars as pl
from msgspec import Struct

from harness.records.anatomy import Anatomy, Part
from harness.records.effects import Effect, Fact
from harness.records.lines import blocks
from harness.records.operations import Iteration, Operation
from harness.records.workflows import Activity, WorkflowRun, WorkflowTask

Frames = Mapping[type[Struct], pl.DataFrame]
"""The columns of each kind of record that a file holds."""

RUN = "run"
"""The number of a workflow run in its file, which its activities and its workflow tasks have too."""
FEW = frozenset({"scenario", "name", "type", "status", "step", "tenant"})
"""Texts of which there are few, each in very many records: so each is kept once."""
TYPES = {str: pl.String(), int: pl.Int64(), float: pl.Float64(), bool: pl.Boolean()}

COLUMNS: dict[type[Struct], tuple[str, ...]] = {
    Iteration: ("scenario", "index", "tenant"),
    Operation: (
        "scenario",
        "iteration",
        "kind",
        "name",
        "workflow_id",
        "intended",
        "sent",
        "acknowledged",
        "given_up",
        "ack",
        "status",
        "error",
        "warm_up",
        "by_server",
    ),
    WorkflowRun: (
        "scenario",
        "iteration",
        "workflow_id",
        "run_id",
        "type",
        "status",
        "started",
        "closed",
        "events",
    ),
    Activity: ("type", "scheduled", "started", "closed", "attempts", "last_failure"),
    WorkflowTask: ("scheduled", "started"),
    Fact: ("scenario", "expected", "found"),
    Effect: ("workflow_id", "step", "item", "kind", "attempt", "source"),
}
"""Of each kind, the fields that are asked for by the million.

A workflow run has a column for each `Part` as well, with the seconds of its anatomy: 0 for a part that it has not, and
a gap in all of them where its anatomy is not known.
"""
BESIDE = {WorkflowRun: ("activities", "tasks", "anatomy"), Fact: ("values",)}
"""Of each kind, the fields that become columns of their own."""


class Value(Struct, frozen=True, kw_only=True):
    """One of the values of a fact."""

    scenario: str
    name: str
    number: int


def frames_of(kind: type[Struct], records: Iterable[Struct], first: int = 0) -> Frames:
    """Records as columns, in their order; beside workflow runs their activities and tasks, beside facts their values.

    `first` is the row of the first record, among those that it will stand with.
    """
    taken: list[Any] = list(records)
    if kind is WorkflowRun:
        return _runs(taken, first)
    if kind is Fact:
        return _facts(taken)
    return {kind: _columns(kind, taken)}


def frame_of(kind: type[Struct], records: Iterable[Struct]) -> pl.DataFrame:
    """Records as columns, in their order."""
    return frames_of(kind, records)[kind]


def scanned(path: Path, kind: type[Struct]) -> Frames:
    """A file of records of one kind as columns; beside these, a few megabytes of it are in memory at a time.

    Raises msgspec.DecodeError or UnicodeDecodeError if a line is none, and OSError if the file cannot be read.
    """
    decoder, rows = msgspec.json.Decoder(_asked_for(kind)), 0
    parts = [frames_of(kind, ())]
    for block in blocks(path):
        records = decoder.decode_lines(block)
        parts.append(frames_of(kind, records, first=rows))
        rows += len(records)
    return {each: pl.concat([part[each] for part in parts]) for each in parts[0]}


def last(frame: pl.DataFrame, identity: Sequence[str]) -> pl.DataFrame:
    """Of the rows that are alike in these columns, the last."""
    rows = frame.select(*identity).with_row_index("row")
    for name in reversed(identity):  # few are, and most of the others differ in the last column already
        rows = rows.filter(pl.col(name).is_duplicated())
    earlier = rows.join(rows.unique(identity, keep="last"), on="row", how="anti")["row"]
    return frame.filter(~pl.int_range(pl.len()).is_in(earlier.implode()))


@cache
def _asked_for(kind: type[Struct]) -> type[Struct]:
    """A record of which nothing is decoded but what becomes columns: the rest is most of the work."""
    names = (*COLUMNS[kind], *BESIDE.get(kind, ()))
    wanted: list[Any] = [
        (each.name, _part_of(each.type)) if each.required else (each.name, _part_of(each.type), each.default)
        for each in msgspec.structs.fields(kind)
        if each.name in names
    ]
    # What is decoded is gone with its block, and in no cycle: there is nothing to collect.
    return msgspec.defstruct(kind.__name__, wanted, frozen=True, kw_only=True, gc=False)


def _part_of(annotation: Any) -> Any:
    """As it is declared; of the records within a record, what becomes columns of them."""
    (inner, *_) = get_args(annotation) or (None,)
    return tuple[_asked_for(inner), ...] if inner in COLUMNS else annotation  # type: ignore[misc]  # made here


def _runs(runs: Sequence[Any], first: int) -> Frames:
    rows = pl.int_range(first, first + len(runs), eager=True, dtype=pl.Int64).alias(RUN)
    return {
        WorkflowRun: _columns(WorkflowRun, runs).with_columns(rows, *_parts([run.anatomy for run in runs])),
        Activity: _owned(Activity, [run.activities for run in runs], first),
        WorkflowTask: _owned(WorkflowTask, [run.tasks for run in runs], first),
    }


def _owned(kind: type[Struct], owned: Sequence[Sequence[Any]], first: int) -> pl.DataFrame:
    """What each of some workflow runs has of a kind, with the number of the run."""
    owners = chain.from_iterable(repeat(row, len(each)) for row, each in enumerate(owned, start=first))
    columns = _columns(kind, list(chain.from_iterable(owned)))
    return columns.with_columns(pl.Series(RUN, list(owners), pl.Int64))


def _parts(anatomies: Sequence[Anatomy | None]) -> Iterator[pl.Series]:
    for part in Part:
        yield pl.Series(part, [None if each is None else each.seconds.get(part, 0.0) for each in anatomies], pl.Float64)


def _facts(facts: Sequence[Any]) -> Frames:
    values = [fact.values for fact in facts]
    counted = {
        "scenario": chain.from_iterable(repeat(fact.scenario, len(fact.values)) for fact in facts),
        "name": chain.from_iterable(values),
        "number": chain.from_iterable(each.values() for each in values),
    }
    return {Fact: _columns(Fact, facts), Value: _frame(Value, counted)}


def _columns(kind: type[Struct], records: Sequence[Any]) -> pl.DataFrame:
    return _frame(kind, {name: map(attrgetter(name), records) for name in COLUMNS[kind]})


def _frame(kind: type[Struct], columns: Mapping[str, Iterable[Any]]) -> pl.DataFrame:
    declared = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return pl.DataFrame(
        [pl.Series(name, list(values), _type_of(name, declared[name])) for name, values in columns.items()]
    )


def _type_of(name: str, annotation: Any) -> pl.DataType:
    """Of what may be None, that of the rest."""
    present = next((each for each in get_args(annotation) if each is not NoneType), annotation)
    if issubclass(present, StrEnum):
        return pl.Enum([str(each) for each in present])
    return pl.Categorical() if name in FEW else TYPES[present]
