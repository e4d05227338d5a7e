"""The section on drift: what grew in a soak, beside what did not; and the objective that hangs on it."""

from pathlib import Path

from handwritten_runs import BEGIN, iteration, judged, write_run

from harness.records.run import Recorded
from harness.records.samples import MEMORY, Sample
from harness.records.verdicts import ObjectiveVerdict
from reports.drift import drift_section, in_words
from reports.gate import run_gate
from reports.html import render
from reports.metrics import metrics

LOAD = {"slice": (1.0, 600.0)}
MEBIBYTE = 2**20


def memory(leak: float, *, source: str = "worker-1") -> list[Sample]:
    """Ten minutes of a process of 100 MiB that leaks so many a minute."""
    return [
        Sample(
            time=BEGIN + second, source=source, name=MEMORY, value=(100 + leak * second / 60) * MEBIBYTE, unit="bytes"
        )
        for second in range(0, 600, 5)
    ]


def soak(tmp_path: Path, *samples: Sample, kind: str = "soak") -> Recorded:
    """A run with these samples, and an iteration each second that takes a tenth of one."""
    operations = [op for n in range(600) for op in iteration(n, n, 0.1)]
    return Recorded(write_run(tmp_path, [*operations, *samples, judged()], kind=kind, load=LOAD))


def drifting(recorded: Recorded) -> ObjectiveVerdict:
    """What becomes of the objective."""
    (verdict,) = [result.verdict for result in run_gate(recorded).objectives if result.name == "drifting"]
    return verdict


def test_what_grows_is_shown_first_with_by_how_much_and_fails_the_gate(tmp_path: Path) -> None:
    """Five MiB a minute, over the nine minutes that count."""
    recorded = soak(tmp_path, *memory(5), *memory(0, source="temporal"))
    section = drift_section(recorded)
    assert section is not None
    assert section.growing == 1
    assert [(row.drift.source, row.growth) for row in section.rows] == [
        ("worker-1", "+45 MiB"),
        ("slice", "+0 ms"),
        ("temporal", "+0 MiB"),
    ]
    assert drifting(recorded) is ObjectiveVerdict.FAILS
    html = render(recorded)
    assert "1 figure grows" in html
    assert html.index("worker-1: memory") < html.index("temporal: memory")
    assert '<a href="#drift">' in html


def test_where_nothing_grows_the_objective_holds(tmp_path: Path) -> None:
    """And the page says so."""
    recorded = soak(tmp_path, *memory(0))
    assert drifting(recorded) is ObjectiveVerdict.HOLDS
    assert metrics(recorded)["drifting"].detail == "of 2 figures over time"
    assert "nothing grows" in " ".join(render(recorded).split())


def test_where_no_memory_was_watched_nothing_is_known(tmp_path: Path) -> None:
    """A steady response time alone is no proof that nothing leaks."""
    assert drifting(soak(tmp_path)) is ObjectiveVerdict.UNKNOWN


def test_other_runs_have_no_such_section(tmp_path: Path) -> None:
    """A minute of load grows for good reasons: things warm up."""
    recorded = soak(tmp_path, *memory(5), kind="load")
    assert drift_section(recorded) is None
    assert "drifting" not in metrics(recorded)
    assert 'id="drift"' not in render(recorded)


def test_figures_are_written_in_the_unit_that_reads_best() -> None:
    """Memory in MiB, times as times, and counts as they are."""
    assert [in_words(1.5 * MEBIBYTE, "bytes"), in_words(0.31, "s"), in_words(14, "events")] == [
        "1.5 MiB",
        "310 ms",
        "14",
    ]
