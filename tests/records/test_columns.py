"""Columns hold what the records hold: whatever is told from them is true of these."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from polars.testing import assert_frame_equal

from harness.records.anatomy import Anatomy, Part
from harness.records.columns import COLUMNS, RUN, Value, frame_of, frames_of
from harness.records.effects import Effect, Fact
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import FILES, NotARun, Recorded, Run
from harness.records.workflows import Activity, WorkflowRun, WorkflowTask

FEW = st.sampled_from(["a", "b", "é\n\"'"])
TIMES = st.floats(0, 2e9)
OPERATIONS = st.builds(
    Operation,
    scenario=FEW,
    iteration=st.integers(0, 3),
    kind=st.sampled_from(Kind),
    name=FEW,
    workflow_id=FEW,
    run_id=st.none() | FEW,
    intended=TIMES,
    sent=st.sampled_from([1.0, 2.0]),
    acknowledged=st.none() | TIMES,
    given_up=st.none() | TIMES,
    ack=st.sampled_from(Ack),
    status=st.none() | FEW,
    error=st.none() | FEW,
    warm_up=st.booleans(),
)
ACTIVITIES = st.builds(
    Activity,
    type=FEW,
    activity_id=FEW,
    scheduled=TIMES,
    started=st.none() | TIMES,
    closed=st.none() | TIMES,
    attempts=st.integers(0, 9),
    worker=FEW,
    last_failure=st.none() | FEW,
)
TASKS = st.builds(WorkflowTask, scheduled=TIMES, started=st.none() | TIMES, outcome=FEW)
RUNS = st.builds(
    WorkflowRun,
    scenario=FEW,
    iteration=st.integers(0, 3),
    workflow_id=FEW,
    run_id=FEW,
    type=FEW,
    status=FEW,
    started=TIMES,
    closed=st.none() | TIMES,
    events=st.integers(0, 99),
    activities=st.lists(ACTIVITIES, max_size=3).map(tuple),
    tasks=st.lists(TASKS, max_size=3).map(tuple),
    anatomy=st.none() | st.dictionaries(st.sampled_from(Part), TIMES).map(lambda seconds: Anatomy(seconds=seconds)),
)


def rows(kind: type[Struct], records: list[Any]) -> list[tuple[Any, ...]]:
    """What the columns must hold, field by field."""
    return [tuple(getattr(record, name) for name in COLUMNS[kind]) for record in records]


def run_of(results: Path, *records: Struct, ended: bool = True) -> Recorded:
    with Run.create(results, kind="load", title="", target="system", seed=1, command="") as run:
        run.write_all(records)
        if ended:
            run.end()
    return Recorded(run.directory)


@given(records=st.lists(OPERATIONS, max_size=8))
def test_a_file_as_columns_holds_what_reading_it_does(
    records: list[Operation], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Field by field; what was written again as it was last."""
    recorded = run_of(tmp_path_factory.mktemp("run"), *records)
    found = recorded.frame(Operation).select(COLUMNS[Operation]).rows()
    assert sorted(found, key=repr) == sorted(rows(Operation, recorded.read(Operation)), key=repr)


@given(records=st.lists(RUNS, max_size=6))
def test_workflow_runs_have_their_parts_activities_and_tasks(records: list[WorkflowRun]) -> None:
    """Each of them stands beside its run; a part that took no time is 0, and a gap where nothing is known."""
    frames = frames_of(WorkflowRun, records, first=10)
    runs, activities, tasks = frames[WorkflowRun], frames[Activity], frames[WorkflowTask]
    assert runs.select(COLUMNS[WorkflowRun]).rows() == rows(WorkflowRun, records)
    assert runs[RUN].to_list() == [10 + number for number in range(len(records))]
    assert runs.select(*Part).rows() == [
        tuple(run.anatomy.seconds.get(part, 0.0) if run.anatomy else None for part in Part) for run in records
    ]
    assert activities.select(RUN, *COLUMNS[Activity]).rows() == [
        (10 + number, *row) for number, run in enumerate(records) for row in rows(Activity, list(run.activities))
    ]
    assert tasks.select(RUN, *COLUMNS[WorkflowTask]).rows() == [
        (10 + number, *row) for number, run in enumerate(records) for row in rows(WorkflowTask, list(run.tasks))
    ]


def operation(number: int, **changes: Any) -> Operation:
    """A start, and what differs."""
    told: dict[str, Any] = {
        "scenario": "slice",
        "iteration": number,
        "kind": Kind.START,
        "name": "Pipeline",
        "workflow_id": f"run.slice.{number}.main",
        "run_id": None,
        "intended": 1.0,
        "sent": 1.5,
        "acknowledged": None,
        "ack": Ack.INFO,
    }
    return Operation(**{**told, **changes})


def test_rows_are_numbered_through_all_blocks_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a part of it is read at a time."""
    run = WorkflowRun(
        scenario="s",
        iteration=0,
        workflow_id="w",
        run_id="r",
        type="T",
        status="completed",
        started=1.0,
        closed=2.0,
        events=3,
        activities=(
            Activity(
                type="a",
                activity_id="1",
                scheduled=1.0,
                started=1.0,
                closed=2.0,
                attempts=1,
                worker="",
                last_failure=None,
            ),
        ),
    )
    recorded = run_of(tmp_path, *[run] * 5)
    monkeypatch.setattr("harness.records.lines.BLOCK", 700)
    frames = recorded.frames(WorkflowRun)
    assert frames[WorkflowRun][RUN].to_list() == frames[Activity][RUN].to_list() == [0, 1, 2, 3, 4]


def test_values_of_facts_stand_beside_them() -> None:
    """Each with its scenario."""
    facts = [
        Fact(scenario="s", iteration=n, workflow_id="w", step="load", item="0", expected=2, found=n, values=values)
        for n, values in enumerate([{"read": 1, "kept": 2}, {}, {"read": 3}])
    ]
    frames = frames_of(Fact, facts)
    assert frames[Fact].rows() == [("s", 2, 0), ("s", 2, 1), ("s", 2, 2)]
    assert frames[Value].rows() == [("s", "read", 1), ("s", "kept", 2), ("s", "read", 3)]


@pytest.mark.parametrize("kind", [kind for kind in COLUMNS if kind in FILES])
def test_what_was_never_written_has_no_rows(kind: type[Struct], tmp_path: Path) -> None:
    """And its columns all the same, so that nobody who counts it has to ask."""
    assert_frame_equal(run_of(tmp_path).frame(kind), frame_of(kind, ()))


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """Gate, metrics and page ask for the same columns."""
    recorded = run_of(tmp_path, operation(0))
    assert recorded.frame(Operation) is recorded.frame(Operation)


def test_fields_that_an_older_version_did_not_write_have_their_defaults(tmp_path: Path) -> None:
    """As a record of it has."""
    recorded = run_of(tmp_path, ended=False)
    told = msgspec.to_builtins(operation(0))
    old = {name: told[name] for name in told if name not in {"warm_up", "given_up", "status", "error"}}
    (recorded.directory / "operations.jsonl").write_bytes(msgspec.json.encode(old) + b"\n")
    assert recorded.frame(Operation).select("warm_up", "given_up", "status").rows() == [(False, None, None)]


def test_a_last_line_cut_off_is_left_out(tmp_path: Path) -> None:
    """The run is partial; what was whole is there."""
    recorded = run_of(tmp_path, operation(0), operation(1), ended=False)
    path = recorded.directory / "operations.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert recorded.frame(Operation)["iteration"].to_list() == [0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"scenario": "s"}', "line 2: .*missing required field"),
        (b'{"workflow_id": 5}', "line 2: Expected `str`"),
        (b"[]", "line 2: Expected `object`"),
        (b"\xff", "line 2: "),
    ],
)
@pytest.mark.parametrize("kind", [Operation, Effect, Fact, WorkflowRun])
def test_a_line_that_is_no_record_is_refused_by_file_and_line(
    kind: type[Struct], line: bytes, told: str, tmp_path: Path
) -> None:
    """Whichever of the fields are asked for."""
    recorded = run_of(tmp_path, ended=False)
    (recorded.directory / FILES[kind]).write_bytes(b"\n" + line + b"\n")
    with pytest.raises(NotARun, match=told):
        recorded.frame(kind)


def test_a_run_with_other_numbers_of_lines_than_it_wrote_is_refused(tmp_path: Path) -> None:
    """Lines were taken away, or there are some twice."""
    recorded = run_of(tmp_path, operation(0), operation(1))
    path = recorded.directory / "operations.jsonl"
    line = path.read_bytes().splitlines(keepends=True)[0]
    for lines in (line, line * 3):
        path.write_bytes(lines)
        with pytest.raises(NotARun, match=r"has \d records, and the run wrote 2"):
            Recorded(recorded.directory).frame(Operation)
    path.unlink()
    with pytest.raises(NotARun, match="has 0 records, and the run wrote 2"):
        Recorded(recorded.directory).frame(Operation)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A directory in its place."""
    recorded = run_of(tmp_path, ended=False)
    (recorded.directory / "operations.jsonl").mkdir()
    with pytest.raises(NotARun, match=r"operations\.jsonl cannot be read"):
        recorded.frame(Operation)
