"""A run directory gives back what was written, and refuses what cannot be trusted."""

import json
import os
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import msgspec
import pytest

from harness.records.effects import Effect, Fact
from harness.records.faults import FaultWindow
from harness.records.fingerprint import Fingerprint, cpu_of
from harness.records.load import LoadInfo
from harness.records.measurements import Measurement
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import FORMAT, NoPlaceForRuns, NotARun, Recorded, Run, latest

START = Operation(
    scenario="slice",
    iteration=0,
    kind=Kind.START,
    name="Pipeline",
    workflow_id="run.slice.0.main",
    run_id=None,
    intended=1.0,
    sent=1.5,
    acknowledged=None,
    ack=Ack.INFO,
)
CUT = FaultWindow(name="link_down", on="worker-1", injected=1.0, healed=4.0, in_force=True, evidence="refused")


class Noon(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 1, 1, 12, tzinfo=tz)


def begun(results: Path) -> Run:
    return Run.create(results, kind="load", title="By hand", target="system", seed=7, command="temper load")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return begun(tmp_path)


def measurement(name: str) -> Measurement:
    return Measurement(name=name, unit="s", samples=(1.0, 2.5), how="by hand")


def test_what_is_written_is_read_back_in_order(run: Run) -> None:
    """Each kind of record comes back equal, in the order it was written."""
    written = [measurement("b"), measurement("a")]
    fact = Fact(
        scenario="s",
        iteration=0,
        workflow_id="w",
        step="load",
        item="0",
        expected=2,
        found=1,
        transactions=(5,),
        values={"rejected": 1},
    )
    run.write_all([*written, fact])
    run.close()
    assert Recorded(run.directory).read(Measurement) == written
    assert Recorded(run.directory).read(Fact) == [fact]


def test_what_was_never_written_reads_as_empty(run: Run) -> None:
    """A run without effects has none, and no fingerprint is None."""
    assert Recorded(run.directory).read(Effect) == []
    assert Recorded(run.directory).fingerprint() is None


def test_the_fingerprint_is_read_back(run: Run) -> None:
    """This machine's fingerprint survives the disk, with what the run added to it."""
    fingerprint = Fingerprint.of_machine(workers=2, caveats=("a caveat",))
    run.write_fingerprint(fingerprint)
    assert Recorded(run.directory).fingerprint() == fingerprint
    assert fingerprint.cores > 0
    assert fingerprint.packages["temporalio"]


@pytest.mark.parametrize(
    ("cpuinfo", "told"),
    [
        (
            "cpu family\t: 6\nmodel\t\t: 85\nmodel name\t: A Xeon\ncpu MHz\t\t: 2400.1\n\nmodel name\t: Another\n\n",
            "A Xeon, family 6, model 85",
        ),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n", "implementer 0x41, part 0xd0c"),
        ("processor : 0\n", ""),
        ("", ""),
    ],
)
def test_processors_of_one_architecture_are_told_apart(cpuinfo: str, told: str) -> None:
    """By name, family and model; how fast it runs at this moment is no part of it."""
    assert cpu_of(cpuinfo) == told


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty commit, and no error."""
    monkeypatch.chdir(tmp_path)
    assert Fingerprint.of_machine().commit == ""


def test_a_run_is_partial_until_it_ends(run: Run) -> None:
    """Only `end` makes it whole."""
    assert Recorded(run.directory).info.partial
    run.end()
    assert not Recorded(run.directory).info.partial


def test_a_load_is_noted_before_it_begins(run: Run) -> None:
    """With the share of each scenario, which tells its rate."""
    load = LoadInfo(began=1.0, duration=20, rate=15, arrivals="constant", shares={"a": 0.8, "b": 0.2})
    run.under_load(load)
    info = Recorded(run.directory).info
    assert info.load == load
    assert info.loaded == {"a", "b"}
    assert [load.rate_of(name) for name in ("a", "b", "c")] == pytest.approx([12, 3, 0])


def test_leaving_the_context_brings_everything_to_the_disk(run: Run) -> None:
    """Buffered records are not lost."""
    with run:
        run.write(measurement("a"))
    assert Recorded(run.directory).read(Measurement) == [measurement("a")]


def test_a_record_written_again_replaces_the_first(run: Run) -> None:
    """An answer found out later stands where the call was, and who felt a fault joins its window."""
    answered = msgspec.structs.replace(START, ack=Ack.OK)
    other = msgspec.structs.replace(START, workflow_id="run.slice.1.main")
    felt = msgspec.structs.replace(CUT, felt=3)
    run.write_all([START, other, answered, CUT, felt])
    run.close()
    assert Recorded(run.directory).read(Operation) == [answered, other]
    assert Recorded(run.directory).read(FaultWindow) == [felt]


def test_a_last_line_cut_off_is_left_out(run: Run) -> None:
    """The writer died in the middle of it; what was whole is read."""
    run.write_all([measurement("a"), measurement("b")])
    run.close()
    path = run.directory / "measurements.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole.splitlines(keepends=True)[0]), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert Recorded(run.directory).read(Measurement) == [measurement("a")]


def test_a_broken_line_in_the_middle_is_refused(run: Run) -> None:
    """The error names the file and the line."""
    run.write_all([measurement("a"), measurement("b")])
    run.close()
    path = run.directory / "measurements.jsonl"
    path.write_bytes(b'{"name": "a", \n' + path.read_bytes())
    with pytest.raises(NotARun, match=r"measurements\.jsonl, line 1: "):
        Recorded(run.directory).read(Measurement)


def test_a_record_of_another_shape_is_refused(run: Run) -> None:
    """A whole line that is no measurement is no measurement, though it is the last."""
    (run.directory / "measurements.jsonl").write_text('{"name": "a"}\n')
    with pytest.raises(NotARun, match=r"line 1: .*missing required field"):
        Recorded(run.directory).read(Measurement)


@pytest.mark.parametrize(
    ("text", "told"), [("{", r"run\.json: "), ("[]", r"run\.json: Expected `object`"), ("{}", "missing required field")]
)
def test_a_broken_run_json_is_refused(run: Run, text: str, told: str) -> None:
    """The error names the file and what is wrong."""
    (run.directory / "run.json").write_text(text)
    with pytest.raises(NotARun, match=told):
        Recorded(run.directory)


def test_another_format_is_refused(run: Run) -> None:
    """The error says which it is, and which is read."""
    path = run.directory / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT + 1}))
    with pytest.raises(NotARun, match=f"has format {FORMAT + 1}; this version reads format {FORMAT}"):
        Recorded(run.directory)


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """The error says what it lacks."""
    with pytest.raises(NotARun, match=r"is not a run: it has no run\.json"):
        Recorded(tmp_path)


def test_the_latest_run_is_the_one_written_to_last(tmp_path: Path) -> None:
    """Whatever it is called."""
    directories = []
    for age, kind in enumerate(("cow", "zebra", "ant")):
        made = Run.create(tmp_path, kind=kind, title="", target="system", seed=1, command="")
        os.utime(made.directory / "run.json", (1000 - age, 1000 - age))
        directories.append(made.directory)
    assert latest(tmp_path) == directories[0]


def test_without_a_run_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    """Whoever asks for the latest of none learns what to type."""
    with pytest.raises(NotARun, match="make one with `temper demo`"):
        latest(tmp_path)


def test_logs_have_a_place_in_the_run(run: Run) -> None:
    """The directory is there from the beginning."""
    assert run.logs.is_dir()
    assert run.logs.parent == run.directory


def test_a_format_of_the_future_is_named_even_where_nothing_else_is_known(tmp_path: Path) -> None:
    """A run.json that shares nothing but its format number is refused for that, not for a missing field."""
    (tmp_path / "run.json").write_text('{"format": 99, "other": true}')
    with pytest.raises(NotARun, match="has format 99"):
        Recorded(tmp_path)


def test_a_line_that_is_no_text_is_named(run: Run) -> None:
    """Bytes that are no UTF-8 are an unreadable line, not a crash."""
    run.close()
    (run.directory / "operations.jsonl").write_bytes(b'{"scenario": "\xff\xfe"}\n')
    with pytest.raises(NotARun, match=r"operations\.jsonl, line 1"):
        Recorded(run.directory).read(Operation)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_sample_that_is_no_figure_is_refused(value: float) -> None:
    """JSON could not hold it, and the run would not be readable."""
    with pytest.raises(ValueError, match="not all finite"):
        Measurement(name="m", unit="s", samples=(1.0, value), how="")


def test_processes_write_into_one_run(run: Run) -> None:
    """Who joins a run appends to its records, and leaves run.json alone; its maker counts what all have written."""
    before = (run.directory / "run.json").read_bytes()
    joined = Run.joined(run.directory)
    for number in range(3):
        (run if number % 2 else joined).write(measurement(str(number)))
    joined.close()
    assert joined.info == run.info
    assert (run.directory / "run.json").read_bytes() == before
    run.end()
    run.close()
    recorded = Recorded(run.directory)
    assert recorded.info.records == {"measurements.jsonl": 3}
    assert [each.name for each in recorded.read(Measurement)] == ["0", "1", "2"]


def test_only_a_run_can_be_joined(tmp_path: Path) -> None:
    """A directory that is none is refused."""
    with pytest.raises(NotARun):
        Run.joined(tmp_path)


def test_runs_that_begin_in_one_second_have_directories_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where chance would give both the same name."""
    names = iter(["1a2b", "1a2b", "3c4d"])
    monkeypatch.setattr("harness.records.run.secrets.token_hex", lambda _: next(names))
    monkeypatch.setattr("harness.records.run.datetime", Noon)
    first, second = (begun(tmp_path) for _ in range(2))
    assert (first.info.id[-4:], second.info.id[-4:]) == ("1a2b", "3c4d")
    assert second.logs.is_dir()


def test_where_no_directory_can_be_it_is_said(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "results").write_text("")
    with pytest.raises(NoPlaceForRuns, match=r"results/.* cannot be made \(File exists\): runs are kept there"):
        begun(tmp_path / "results")
