"""A large run takes no more than its part: memory and page stay small, and nothing that matters is left out."""

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import polars as pl
import psutil
import pytest
from handwritten_runs import activity, iteration, result, start, workflow, write_run
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.large_run import write_large_run
from harness.checking.responses import responses
from harness.records.columns import frame_of, frames_of
from harness.records.operations import Operation
from harness.records.run import Recorded
from harness.records.workflows import Activity, WorkflowRun
from reports import activities, timeline
from reports.at_once import at_once, highest
from reports.crowds import MOST, crowd, places
from reports.html import render
from reports.latency import ScenarioLatency, latencies
from reports.sparks import extremes
from reports.svg import Scale, linear

X, Y = linear((0.0, 1.0), (0.0, 900.0)), linear((0.0, 1.0), (300.0, 0.0))
SHARES = st.floats(0, 1)
POINTS = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=60)
MOMENTS = st.integers(0, 99).map(lambda hundredths: (hundredths + 0.5) / 100)


def of_class(svg: Element, name: str) -> list[Element]:
    return [element for element in svg.iter() if name in element.get("class", "").split()]


def load(tmp_path: Path, operations: list[Operation]) -> ScenarioLatency:
    info = Recorded(write_run(tmp_path, load={"slice": (1.0, 10.0)})).info
    return latencies(info, responses(frame_of(Operation, operations), info.ends))[0]


def covered(path: str) -> list[tuple[float, float, float]]:
    """The strokes of a path: from x, to x, y."""
    found = re.findall(r"M(-?\d+) (-?\d+)h(\d+)", path)
    return [(float(x), float(x) + float(length), float(y)) for x, y, length in found]


def scattered(points: list[tuple[float, float]]) -> pl.DataFrame:
    return pl.DataFrame(points, schema={"x": pl.Float64, "y": pl.Float64}, orient="row")


@given(points=POINTS)
def test_every_dot_of_a_crowd_lies_under_a_stroke(points: list[tuple[float, float]]) -> None:
    """On a grid of two pixels none is left out, and no stroke ends where no dot is."""
    strokes = covered(crowd(scattered(points), X, Y))
    taken = [(X(x), Y(y)) for x, y in points]
    assert all(any(a - 1 <= x <= b + 1 and abs(y - level) <= 1 for a, b, level in strokes) for x, y in taken)
    ends = [(end, level) for left, right, level in strokes for end in (left, right)]
    assert all(any(abs(x - end) <= 1 and abs(y - level) <= 1 for x, y in taken) for end, level in ends)


@given(points=POINTS, most=st.integers(1, 20))
def test_a_crowd_is_drawn_by_as_few_strokes_as_is_asked_for(points: list[tuple[float, float]], most: int) -> None:
    """The grid is made as coarse as that takes; places that are told apart are as few."""
    frame = scattered(points)
    assert 1 <= len(covered(crowd(frame, X, Y, most))) <= most
    found = places(frame, X, Y, most)
    assert 1 <= len(found) == len(set(found)) <= most


def test_dots_next_to_each_other_are_one_stroke_and_a_gap_stays_a_gap() -> None:
    """Three in a row, one beyond a gap, and one in the row below."""
    dots = scattered([(0.0, 0.0), (2.0, 0.0), (4.0, 0.0), (8.0, 0.0), (10.0, 2.0)])
    as_it_is = linear((0.0, 1.0), (0.0, 1.0))
    assert crowd(dots, as_it_is, as_it_is) == "M0 0h4M8 0h0M10 2h0"


def test_the_slowest_of_very_many_is_drawn_where_it_is(tmp_path: Path) -> None:
    """One of 30,000 took a hundred times as long: the highest stroke is its own, and at the time it was meant for."""
    took = [0.1 + n % 977 / 5_000 for n in range(30_000)]
    took[21_000] = 20.0
    found = load(tmp_path, [op for n, each in enumerate(took) for op in iteration(n, n / 3_000, each)])
    (path,) = of_class(fromstring(timeline.response_times(found, [])), "many")
    strokes = covered(path.get("d", ""))
    assert len(strokes) <= MOST
    left, right, _ = min(strokes, key=lambda stroke: stroke[2])
    assert left == right == pytest.approx(timeline.LEFT + 7 / 27 * (950 - timeline.LEFT), abs=4)
    assert len({stroke for stroke in strokes if stroke[2] < 100}) == 1


def test_failures_beyond_the_first_hundreds_are_marked_together_and_counted(tmp_path: Path) -> None:
    """A thousand failed, and as many were never answered: two paths that say so, and a cross at most each place."""
    failed = [op for n in range(1_000) for op in (start(n, n / 100), result(n, n / 100, 0.2, status="failed"))]
    unheard = [op for n in range(1_000, 2_000) for op in iteration(n, n / 200, None)]
    svg = fromstring(timeline.response_times(load(tmp_path, [*failed, *unheard]), []))
    marks = of_class(svg, "mark")
    assert sorted(mark.findtext("title") or "" for mark in marks) == [
        "1,000 iterations: failed; those on one place are marked once",
        "1,000 iterations: unanswered; those on one place are marked once",
    ]
    assert all(1 <= mark.get("d", "").count("M") <= timeline.MOST_MARKS for mark in marks)


@given(spans=st.lists(st.tuples(SHARES, SHARES).map(sorted), max_size=20), at=SHARES)
def test_how_many_went_on_at_once_is_counted(spans: list[list[float]], at: float) -> None:
    """At any moment, as many as had begun and had not ended."""
    frame = pl.DataFrame(spans, schema={"since": pl.Float64, "end": pl.Float64}, orient="row")
    levels = at_once(frame, "since").filter(pl.col("time") <= at)["level"]
    assert (levels[-1] if len(levels) else 0) == sum(since <= at < end for since, end in spans)


@given(spans=st.lists(st.tuples(MOMENTS, MOMENTS).map(sorted), max_size=20))
def test_a_column_shows_the_most_that_went_on_in_it(spans: list[list[float]]) -> None:
    """Those that went on as it began, and those that began in it."""
    scale = Scale((0.0, 1.0), (0.0, 40.0))
    frame = pl.DataFrame(spans, schema={"since": pl.Float64, "end": pl.Float64}, orient="row")
    shown = dict(highest(at_once(frame, "since"), scale).iter_rows())
    for column in range(10):
        moments = [column / 10, *(since for since, _ in spans if column / 10 < since < (column + 1) / 10)]
        assert shown.get(column, 0) == max(sum(since <= at < end for since, end in spans) for at in moments)


def test_very_many_activities_are_shown_by_how_many_went_on_at_once() -> None:
    """Three thousand bars would hide each other; a lane of numbers takes no more room for more."""
    runs = [workflow(n, 1.0, activity(n, n / 100, n / 100 + 0.5, attempts=1 + (n == 7))) for n in range(3_000)]
    found = activities.activities_within(frames_of(WorkflowRun, runs)[Activity])
    svg = fromstring(activities.attempts(found, activities.span_of(found), []))
    assert "3,000 activities, 1 retry; up to 50 at once" in [text.text for text in svg.iter("text")]
    wait, run, retried = of_class(svg, "bar")
    assert [bar.get("d", "").count("M") < 250 for bar in (wait, run, retried)] == [True] * 3
    assert retried.findtext("title") == "1 activity"


def test_a_long_line_keeps_its_least_and_its_greatest() -> None:
    """A peak of one second in a day is there."""
    points = [(float(n), 1.0) for n in range(86_400)]
    points[40_000], points[50_000] = (40_000.0, 9.0), (50_000.0, 0.0)
    seen = extremes(points, linear((0.0, 86_400.0), (3.0, 297.0)))
    assert len(seen) <= 2 * 300
    assert {(40_000.0, 9.0), (50_000.0, 0.0)} <= set(seen)
    assert seen == sorted(seen)


def test_a_short_line_is_drawn_through_every_point() -> None:
    """Where there is room for all."""
    points = [(n / 100, float(n % 7)) for n in range(500)]
    assert extremes(points, linear((0.0, 100.0), (0.0, 300.0))) == points


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Recorded]:
    results = tmp_path_factory.mktemp("results")
    return lambda iterations: Recorded(write_large_run(results, iterations))


@pytest.mark.thorough
def test_a_large_run_takes_little_memory_and_a_small_page(sizes: Callable[[int], Recorded]) -> None:
    """50,000 operations leave no objects in Python, and some hundred bytes each beside it; the page is small."""
    recorded = sizes(25_000)
    render(sizes(500))  # what is imported, compiled and allocated once
    before = psutil.Process().memory_info().rss
    tracemalloc.start()
    page = render(recorded)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20e6
    assert psutil.Process().memory_info().rss - before < 50_000 * 4_000
    assert len(page.encode()) < 3e6


@pytest.mark.thorough
def test_the_page_of_ten_times_as_much_is_hardly_larger(sizes: Callable[[int], Recorded]) -> None:
    """What it shows of many is bounded."""
    small, large = (len(render(sizes(iterations))) for iterations in (5_000, 50_000))
    assert large < 2 * small
