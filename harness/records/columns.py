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
from harness.records.effects import Effect
from harness.records.lines import blocks
from harness.records.operations import Iteration, Operation
from harness.records.workflows import Activity, WorkflowRun

Frames = Mapping[type[Struct], pl.DataFrame]
"""The columns of each kind of record that a file holds."""

RUN = "run"
"""The number of a workflow run in its file, which its activities have too."""
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
    Effect: ("workflow_id", "step", "item", "kind", "attempt", "source"),
}
"""Of each kind, the fields that are asked for by the million.

A workflow run has a column for each `Part` as well, with the seconds of its anatomy: 0 for a part that it has not, and
a gap in all of them where its anatomy is not known.
"""


def frames_of(kind: type[Struct], records: Iterable[Struct], first: int = 0) -> Frames:
    """Records as columns, in their order; of workflow runs, those of their activities beside them.

    `first` is the row of the first record, among those that it will stand with.
    """
    taken = list(records)
    if kind is not WorkflowRun:
        return {kind: _columns(kind, taken)}
    runs: list[Any] = taken
    activities = [activity for run in runs for activity in run.activities]
    owners = chain.from_iterable(repeat(row, len(run.activities)) for row, run in enumerate(runs, start=first))
    rows = pl.int_range(first, first + len(runs), eager=True, dtype=pl.Int64).alias(RUN)
    return {
        WorkflowRun: _columns(kind, runs).with_columns(rows, *_parts([run.anatomy for run in runs])),
        Activity: _columns(Activity, activities).with_columns(pl.Series(RUN, list(owners), pl.Int64)),
    }


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
    """A record of which nothing is decoded but what becomes a column: the rest is most of the work."""
    fields = [field for field in msgspec.structs.fields(kind) if field.name in COLUMNS[kind]]
    wanted: list[Any] = [(f.name, f.type) if f.required else (f.name, f.type, f.default) for f in fields]
    if kind is WorkflowRun:
        wanted += [("activities", tuple[_asked_for(Activity), ...], ()), ("anatomy", Anatomy | None, None)]  # type: ignore[misc]  # made here
    # What is decoded is gone with its block, and in no cycle: there is nothing to collect.
    return msgspec.defstruct(kind.__name__, wanted, frozen=True, kw_only=True, gc=False)


def _columns(kind: type[Struct], records: Sequence[Any]) -> pl.DataFrame:
    declared = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return pl.DataFrame(
        [
            pl.Series(name, list(map(attrgetter(name), records)), _type_of(name, declared[name]))
            for name in COLUMNS[kind]
        ]
    )


def _type_of(name: str, annotation: Any) -> pl.DataType:
    """Of what may be None, that of the rest."""
    present = next((each for each in get_args(annotation) if each is not NoneType), annotation)
    if issubclass(present, StrEnum):
        return pl.Enum([str(each) for each in present])
    return pl.Categorical() if name in FEW else TYPES[present]


def _parts(anatomies: Sequence[Anatomy | None]) -> Iterator[pl.Series]:
    for part in Part:
        yield pl.Series(part, [None if each is None else each.seconds.get(part, 0.0) for each in anatomies], pl.Float64)
