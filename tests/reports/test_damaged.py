"""Run directories that were damaged: it is said what is wrong with them, and nothing is made up."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from handwritten_runs import effect, iteration, judged, measured, whole_run, write_run

from harness.records.run import NotARun, Recorded
from harness.records.verdicts import ObjectiveVerdict, Verdict
from reports.gate import gate_of
from reports.html import write_report
from reports.objectives import policy
from reports.terminal import text

JUDGED = [judged("nothing lost"), judged("nothing doubled")]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def repeated(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[0]]))


def garbled(path: Path) -> None:
    path.write_bytes(bytes(range(256)) + b"\n")


def retyped(path: Path) -> None:
    path.write_text(path.read_text().replace(":", ":[", 1).replace(",", "],", 1))


def without_numbers(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0", b"NaN").replace(b"1", b"NaN"))


def too_large(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b".0", b".0e999").replace(b'":1', b'":1e999'))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = (truncated, emptied, repeated, garbled, retyped, without_numbers, too_large, directory, loop)


def refused(directory: Path) -> str:
    """What gate and report say of a run, which is one and the same line."""
    with pytest.raises(NotARun) as by_gate:
        gate_of([directory])
    with pytest.raises(NotARun) as by_report:
        write_report(directory)
    assert str(by_gate.value) == str(by_report.value)
    assert "\n" not in str(by_gate.value)
    return str(by_gate.value)


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        *((damage, name) for damage in DAMAGES for name in ("judgements.jsonl", "measurements.jsonl")),
        *((damage, "run.json") for damage in DAMAGES if damage is not repeated),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], None], name: str) -> None:
    """By gate and report alike."""
    run = whole_run(tmp_path)
    damage(run / name)
    assert name in refused(run)


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"format": 1}, "has format 1; this version reads format 2"),
        ({"format": 99}, "has format 99; this version reads format 2"),
        ({"format": "2"}, "Expected `int`, got `str` - at `$.format`"),
        ({"format": 2}, "missing required field `id`"),
        ({"started": 1e300}, "1e+300 is no moment"),
        ({"ended": -5}, "-5.0 is no moment"),
        ({"records": {"judgements.jsonl": "4"}}, "Expected `int`, got `str`"),
        ({"load": 3}, "Expected `object | null`, got `int` - at `$.load`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_what_other_versions_and_programs_write_is_refused(tmp_path: Path, info: object, told: str) -> None:
    """With what is wrong, and where."""
    run = write_run(tmp_path, JUDGED, kind="scenario")
    before = json.loads((run / "run.json").read_text())
    whole = before | info if isinstance(info, dict) and info != {"format": 2} else info
    (run / "run.json").write_text(json.dumps(whole))
    assert told in refused(run)


def test_wherever_run_json_is_cut_it_is_refused(tmp_path: Path) -> None:
    """At each of its bytes, but for the newline at its end."""
    run = write_run(tmp_path, JUDGED, kind="scenario")
    whole = (run / "run.json").read_bytes()
    for length in range(len(whole) - 1):
        (run / "run.json").write_bytes(whole[:length])
        with pytest.raises(NotARun, match=r"run\.json"):
            Recorded(run)


@pytest.mark.parametrize("ended", [True, False])
def test_wherever_a_file_of_records_is_cut_nothing_is_made_of_it(tmp_path: Path, ended: bool) -> None:
    """A run that ended is refused; of one that was cut off what is whole counts, and what is not, is not known."""
    run = write_run(tmp_path, [judged("nothing lost", Verdict.INVALID, 1), judged("nothing doubled")], ended=ended)
    whole = (run / "judgements.jsonl").read_bytes()
    first, by = whole.index(b"\n"), policy()
    for length in range(len(whole)):
        (run / "judgements.jsonl").write_bytes(whole[:length])
        if ended and length < len(whole) - 1:
            with pytest.raises(NotARun, match=r"judgements\.jsonl"):
                gate_of([run], by=by)
            continue
        result = gate_of([run], by=by)
        found = {each.name: each for each in result.objectives}
        assert found["lost"].value == (1 if length >= first else None)
        assert found["doubled"].value == (0 if length >= len(whole) - 1 else None)
        assert result.overall is (Verdict.INVALID if length >= first else Verdict.UNKNOWN)


@pytest.mark.parametrize("name", ["judgements.jsonl", "samples.jsonl", "workflows.jsonl", "facts.jsonl"])
def test_a_line_that_stands_there_twice_is_noticed_in_a_run_that_was_cut_off(tmp_path: Path, name: str) -> None:
    """Nobody counted its lines; but no two records of these kinds can be alike."""
    run = whole_run(tmp_path, ended=False)
    repeated(run / name)
    lines = len((run / name).read_bytes().splitlines())
    assert f"{name}, line {lines}: it is line 1 again" in refused(run)


def test_what_may_stand_there_twice_is_no_damage(tmp_path: Path) -> None:
    """An effect may be twice in the ledger, a figure may come out the same, an operation is written again."""
    twice = [effect(0), effect(0), measured("worker_startup", 1.0), measured("worker_startup", 1.0)]
    run = write_run(tmp_path, [*JUDGED, *twice, *iteration(0, 0.0, 0.1), *iteration(0, 0.0, 0.1)], ended=False)
    assert gate_of([run]).overall is Verdict.UNKNOWN


def test_the_good_runs_of_a_set_are_shown_and_the_set_is_not_good(tmp_path: Path) -> None:
    """With what is wrong with the others."""
    good, bad = whole_run(tmp_path), whole_run(tmp_path)
    truncated(bad / "judgements.jsonl")
    result = gate_of([good, bad, tmp_path / "gone"])
    assert result.overall is Verdict.UNKNOWN
    assert [run.run for run in result.runs] == [good.name]
    assert {each.verdict for each in result.objectives} == {ObjectiveVerdict.HOLDS}
    told = text(result)
    assert f"{bad}: NOT READ: " in told
    assert "gone is not a run: it has no run.json" in told
    assert "2 directories held no run that can be read." in told


def test_a_set_without_a_readable_run_is_refused(tmp_path: Path) -> None:
    """With a line for each."""
    one, other = tmp_path / "one", whole_run(tmp_path)
    shutil.rmtree(other)
    with pytest.raises(NotARun, match=r"one is not a run.*\n.*is not a run"):
        gate_of([one, other])
