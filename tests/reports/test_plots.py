"""Plots show every iteration, shade every fault, and say in words what they show."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import polars as pl
import pytest
from handwritten_runs import EVIL, activity, cut, iteration, measured, result, start, workflow, write_run

from harness.checking.responses import responses
from harness.records.columns import frame_of, frames_of
from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.run import Recorded
from harness.records.workflows import Activity, WorkflowRun
from reports import activities, timeline
from reports.curves import percentile_curve
from reports.latency import ScenarioLatency, latencies
from reports.strips import domains, strip
from reports.svg import bars, decades, dots, even_ticks, line, logarithmic, whole_axis

OPERATIONS = [op for n in range(10) for op in iteration(n, n, 0.1 * (n + 1))]


def latency(tmp_path: Path, operations: Sequence[Operation]) -> ScenarioLatency:
    info = Recorded(write_run(tmp_path, load={"slice": (1.0, 10.0)})).info
    return latencies(info, responses(frame_of(Operation, operations), info.ends))[0]


def drawn(tmp_path: Path, operations: Sequence[Operation], *windows: FaultWindow, width: float = 960) -> Element:
    return fromstring(timeline.response_times(latency(tmp_path, operations), windows, width=width))


def of(*runs: WorkflowRun) -> pl.DataFrame:
    """Their activities."""
    return frames_of(WorkflowRun, runs)[Activity]


def of_class(svg: Element, name: str) -> list[Element]:
    return [element for element in svg.iter() if name in element.get("class", "").split()]


def test_every_answered_iteration_is_a_dot(tmp_path: Path) -> None:
    """Ten iterations, ten dots, and no mark of a failure."""
    svg = drawn(tmp_path, OPERATIONS)
    (path,) = of_class(svg, "dots")
    assert path.get("d", "").count("M") == 10
    assert of_class(svg, "mark") == []


def test_later_is_further_right_and_slower_is_higher(tmp_path: Path) -> None:
    """The dots of ever slower iterations rise from left to right."""
    (path,) = of_class(drawn(tmp_path, OPERATIONS), "dots")
    points = [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", path.get("d", ""))]
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(sorted(points)))


def test_failed_and_unanswered_iterations_are_marked_each(tmp_path: Path) -> None:
    """Each has a mark that says which it is; the unanswered lie in a lane of their own."""
    failed = [start(10, 4.5), result(10, 4.5, 0.2, status="failed")]
    svg = drawn(tmp_path, [*OPERATIONS, *failed, *iteration(11, 5.5, None)])
    assert [mark.findtext("title") for mark in of_class(svg, "mark")] == [
        "iteration 10: failed",
        "iteration 11: unanswered",
    ]
    assert "no answer" in [text.text for text in svg.iter("text")]


def test_fault_windows_are_shaded_and_named_where_they_lie(tmp_path: Path) -> None:
    """A window of 3 of 10 seconds covers 3 tenths of the plot; one beside the load is not drawn."""
    svg = drawn(tmp_path, OPERATIONS, cut(2, 5), cut(50, 60))
    (band,) = of_class(svg, "fault")
    assert float(band.get("width", "0")) == pytest.approx(0.3 * (950 - timeline.LEFT), rel=0.1)
    assert "felt by 3" in (band.findtext("title") or "")
    assert [label.text for label in of_class(svg, "fault-label")] == ["link_down on worker-1"]


def test_a_fault_that_did_not_bite_looks_dull(tmp_path: Path) -> None:
    """It is told as having proved nothing."""
    (band,) = of_class(drawn(tmp_path, OPERATIONS, cut(2, 5, felt=0)), "fault")
    assert "dull" in band.get("class", "")
    assert "proved nothing" in (band.findtext("title") or "")


@pytest.mark.parametrize("width", [340, 960])
def test_labels_of_faults_lie_on_no_other_and_within_the_picture(tmp_path: Path, width: float) -> None:
    """Labels that would overlap are put on lines of their own; a late one begins further left."""
    windows = [cut(1, 2, on="worker-1 to postgres"), cut(2, 3, on="worker-2 to postgres"), cut(9.5, 9.9)]
    labels = of_class(drawn(tmp_path, OPERATIONS, *windows, width=width), "fault-label")
    boxes = [
        (float(label.get("y", "0")), float(label.get("x", "0")), len(label.text or "") * timeline.LETTER)
        for label in labels
    ]
    assert len(boxes) == 3
    assert all(x >= 0 and x + length <= width for _, x, length in boxes)
    for (y, x, length), (other_y, other_x, _) in pairwise(sorted(boxes)):
        assert y != other_y or x + length <= other_x


def test_a_gap_in_the_answers_is_a_gap_in_the_line(tmp_path: Path) -> None:
    """Where nothing was answered no line is drawn, neither through a silence nor through the unanswered."""
    silent = [op for n in (0, 1, 5, 6) for op in iteration(n, n, 0.1)]
    (path,) = of_class(drawn(tmp_path, [*silent, *iteration(7, 7, None), *iteration(8, 8, 0.1)]), "p50")
    assert path.get("d", "").count("M") == 3


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    """Title and description name counts, percentiles and faults for who cannot see it."""
    svg = drawn(tmp_path, OPERATIONS, cut(2, 5))
    assert svg.get("role") == "img"
    ids = (svg.get("aria-labelledby") or "").split()
    title, description = (element for element in svg.iter() if element.get("id") in ids)
    assert "slice" in (title.text or "")
    assert "10 iterations: 10 answered" in (description.text or "")
    assert "link_down on worker-1 from 2.0 to 5.0 s" in (description.text or "")


def test_recorded_words_are_inert_in_a_picture(tmp_path: Path) -> None:
    """A fault called like a tag stays text."""
    svg = timeline.response_times(latency(tmp_path, OPERATIONS), [cut(2, 5, on=EVIL)])
    assert "<script" not in svg


def test_a_load_that_nobody_answered_still_has_its_picture(tmp_path: Path) -> None:
    """No dot, no line, and a mark each."""
    svg = drawn(tmp_path, [op for n in range(3) for op in iteration(n, n, None)])
    assert len(of_class(svg, "mark")) == 3
    assert of_class(svg, "dots")[0].get("d") == ""


def test_the_percentile_curve_ends_where_nothing_is_known(tmp_path: Path) -> None:
    """With one in ten unanswered it stops at the ninetieth percentile, of ten answers it does not."""

    def right_end(operations: Sequence[Operation]) -> float:
        svg = fromstring(percentile_curve(latency(tmp_path, operations)))
        (path,) = of_class(svg, "response")
        return float(path.get("d", "").rpartition("L")[2].split()[0])

    assert right_end(OPERATIONS) == pytest.approx(946)
    assert right_end([*OPERATIONS[:18], *iteration(9, 9, None)]) < 946


def test_a_narrow_percentile_curve_has_fewer_labels(tmp_path: Path) -> None:
    """What would not fit is left out."""
    many = latency(tmp_path, [op for n in range(200) for op in iteration(n, n / 20, 0.1)])
    wide, narrow = (fromstring(percentile_curve(many, width=width)) for width in (960, 340))
    labels = [[t.text for t in svg.iter("text") if (t.text or "").startswith("p")] for svg in (wide, narrow)]
    assert labels == [["p50", "p75", "p90", "p95", "p99", "p99.5", "percentile"], ["p50", "p90", "p99", "percentile"]]


def test_activities_have_a_lane_a_type_and_retries_are_marked() -> None:
    """Retried ones are bars of their own, with attempts and reason told; the others share two paths a lane."""
    runs = [
        workflow(0, 5, activity(0, 0, 1, type_="prepare"), activity(1, 1, 3, attempts=4), activity(2, 1, 2)),
    ]
    found = activities.activities_within(of(*runs))
    svg = fromstring(activities.attempts(found, activities.span_of(found), [cut(1, 2)]))
    assert [lane.text for lane in of_class(svg, "lane")] == ["prepare", "load_chunk"]
    (retried,) = of_class(svg, "retried")
    assert retried.findtext("title") == "load_chunk: 4 attempts, 2 s. ConnectionError: connection was closed"
    assert [bar.get("d", "").count("M") for bar in of_class(svg, "run")] == [1, 1]
    assert "2 activities, 3 retries" in [text.text for text in svg.iter("text")]


def test_activities_that_ran_at_once_lie_below_each_other() -> None:
    """Bars that overlap in time share no row, up to the most rows a lane has; then they share the soonest free."""
    found = activities.activities_within(of(workflow(0, 9, *(activity(n, n / 100, 5 - n / 10) for n in range(20)))))
    svg = fromstring(activities.attempts(found, activities.span_of(found), [], width=340))
    (path,) = of_class(svg, "run")
    rows = re.findall(r"M[\d.]+ ([\d.]+)H", path.get("d", ""))
    assert len(set(rows)) == activities.ROWS


def test_activities_one_after_the_other_share_a_row() -> None:
    """The first free row is taken."""
    found = activities.activities_within(of(workflow(0, 9, *(activity(n, n, n + 0.5) for n in range(5)))))
    (path,) = of_class(fromstring(activities.attempts(found, activities.span_of(found), [])), "run")
    assert len(set(re.findall(r"M[\d.]+ ([\d.]+)H", path.get("d", "")))) == 1


def test_an_open_activity_reaches_to_the_end_and_one_beside_the_span_is_left_out() -> None:
    """Nobody knows when it ended, so it has not."""
    runs = [workflow(0, None, activity(0, 0, None), activity(1, 90, 95), activity(2, -9, -5))]
    span = timeline.Span(since=1_000.0, until=1_010.0)
    found = activities.activities_within(of(*runs), span)
    assert len(found) == 1
    (path,) = of_class(fromstring(activities.attempts(found, span, [])), "run")
    assert path.get("d", "").endswith("H950")


def test_a_strip_has_a_tick_a_sample_and_the_median() -> None:
    """Different samples are different ticks, on the scale of their unit."""
    samples = measured("worker_startup", 1.0, 2.0, 4.0)
    scales = domains([samples, measured("bare", -1.0, 8.0), measured("rate", 5.0, unit="rows/s")])
    assert scales == {"s": (-1.0, 8.0), "rows/s": (0.0, 5.0)}
    svg = fromstring(strip(samples, scales["s"]))
    assert of_class(svg, "sample")[0].get("d", "").count("M") == 3
    assert len(of_class(svg, "median")) == 1


def test_a_measurement_without_samples_has_an_empty_strip() -> None:
    """No tick and no median."""
    svg = fromstring(strip(measured("nothing"), domains([measured("nothing")])["s"]))
    assert of_class(svg, "median") == []


def test_dots_on_the_same_spot_are_drawn_once() -> None:
    """What no eye can tell apart takes no room in the file."""
    assert dots([(1.01, 2.0), (1.02, 2.0), (3.0, 4.5)]) == "M1 2h0M3 4.5h0"


def test_a_bar_is_never_too_short_to_be_seen() -> None:
    """Even an instant is nearly a pixel long."""
    assert bars([(10.0, 10.0, 5.0)]) == "M10 5H10.8"


def test_bars_that_touch_are_drawn_as_one() -> None:
    """On the same level, and in whatever order they come; a gap stays a gap."""
    assert bars([(5.0, 9.0, 1.0), (1.0, 6.0, 1.0), (2.0, 3.0, 1.0), (12.0, 14.0, 1.0), (5.0, 9.0, 2.0)]) == (
        "M1 1H9M12 1H14M5 2H9"
    )


def test_dots_by_the_thousand_stay_a_small_file(tmp_path: Path) -> None:
    """Dots that hide each other are drawn once; what is counted is not touched by it."""
    found = latency(tmp_path, [op for n in range(20_000) for op in iteration(n, n / 2000, 0.1 + n % 5 / 50)])
    (path,) = of_class(fromstring(timeline.response_times(found, [])), "many")
    assert path.get("d", "").count("M") < 2_500
    assert found.whole.answered == 20_000


def test_a_line_is_lifted_over_what_is_missing() -> None:
    """It goes on behind the gap, not through it."""
    assert line([(0, 0), (1, 1), None, (2, 2)]) == "M0 0L1 1M2 2"


@pytest.mark.parametrize(
    ("samples", "domain", "ticks"),
    [
        ([0.15, 0.3], (0.1, 0.5), [0.1, 0.2, 0.5]),
        ([1.0], (1.0, 2.0), [1.0, 2.0]),
        ([0.001, 90.0], (0.001, 100.0), [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]),
        ([], (0.01, 1.0), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]),
        ([0.0], (0.01, 1.0), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]),
    ],
)
def test_a_logarithmic_axis_holds_all_samples(
    samples: list[float], domain: tuple[float, float], ticks: list[float]
) -> None:
    """It ends on 1, 2 or 5, and has few ticks."""
    found = decades(samples)
    assert found[0] == pytest.approx(domain)
    assert found[1] == pytest.approx(ticks)


def test_what_is_below_a_logarithmic_axis_is_drawn_at_its_end() -> None:
    """A response time of nothing has no logarithm."""
    assert logarithmic((0.1, 10.0), (0, 100))(0.0) == 0


@pytest.mark.parametrize(
    ("span", "ticks"),
    [(20.0, [0, 5, 10, 15, 20]), (0.0, [0]), (95.0, [0, 20, 40, 60, 80]), (0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5])],
)
def test_even_ticks_are_round(span: float, ticks: list[float]) -> None:
    """Steps are 1, 2 or 5 of a power of ten."""
    assert even_ticks(span, 5) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("most", "axis"),
    [(79.0, [0, 20, 40, 60, 80]), (80.0, [0, 20, 40, 60, 80]), (0.3, [0, 0.1, 0.2, 0.3]), (0.0, [0])],
)
def test_an_axis_from_zero_ends_above_what_it_holds(most: float, axis: list[float]) -> None:
    """On a round value; one that holds nothing still has a length."""
    end, ticks = whole_axis(most, 4)
    assert ticks == pytest.approx(axis)
    assert end == pytest.approx(axis[-1] or 1.0)
