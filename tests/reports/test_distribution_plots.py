"""The histogram and the load achieved against asked show every iteration, from zero, and miss none that is missing."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from handwritten_runs import EVIL, cut, iteration, result, start, write_run

from harness.checking.responses import responses
from harness.records.columns import frame_of
from harness.records.operations import Ack, Operation
from harness.records.run import Recorded
from reports.histograms import MOST_BINS, bins_of, bins_table, histogram
from reports.latency import MOST_BUCKETS, ScenarioLatency, latencies
from reports.served import served, served_of, served_table
from reports.tables import curve_table, moments_table

OPERATIONS = [op for n in range(10) for op in iteration(n, n, 0.1 * (n + 1))]
UNANSWERED = iteration(10, 5.5, None)


def latency(
    tmp_path: Path, operations: Sequence[Operation], *, rate: float = 1.0, seconds: float = 10.0
) -> ScenarioLatency:
    info = Recorded(write_run(tmp_path, load={"slice": (rate, seconds)})).info
    return latencies(info, responses(frame_of(Operation, operations), info.ends))[0]


def of_class(svg: Element, name: str) -> list[Element]:
    return [element for element in svg.iter() if name in element.get("class", "").split()]


def number(element: Element, name: str) -> float:
    return float(element.get(name, "nan"))


def test_every_answered_iteration_is_in_one_bin(tmp_path: Path) -> None:
    """Bins lie side by side, each as wide as any on the logarithmic scale, from the shortest time to the longest."""
    bins = bins_of(latency(tmp_path, [*OPERATIONS, *UNANSWERED]))
    assert sum(each.iterations for each in bins) == 10
    assert bins[0].low <= 0.1 < bins[0].high
    assert bins[-1].low <= 1.0 <= bins[-1].high
    assert {round(each.high / each.low, 6) for each in bins} == {round(bins[0].high / bins[0].low, 6)}
    assert [each.high for each in bins[:-1]] == pytest.approx([each.low for each in bins[1:]])
    assert len(bins) <= MOST_BINS


@pytest.mark.parametrize("times", [[0.5], [0.0, 3_600.0], [0.1, 0.1001, 0.1002], [1e-9, 1e-6]])
def test_there_are_never_too_many_bins_and_none_is_lost(tmp_path: Path, times: list[float]) -> None:
    """However far apart or close together the times are; and one of nothing has a bin too."""
    bins = bins_of(latency(tmp_path, [op for n, time in enumerate(times) for op in iteration(n, n, time)]))
    assert 1 <= len(bins) <= MOST_BINS
    assert sum(each.iterations for each in bins) == len(times)


def test_bars_are_as_high_as_what_they_count_and_a_single_one_is_seen(tmp_path: Path) -> None:
    """Twice as many are twice as high, from zero; one among a thousand is a pixel at least."""
    times = [0.1] * 1_000 + [0.2] * 500 + [0.4]
    told = latency(tmp_path, [op for n, time in enumerate(times) for op in iteration(n, n / 200, time)])
    svg = fromstring(histogram(told, bins_of(told)))
    high, half, one = (number(bar, "height") for bar in of_class(svg, "bin"))
    assert half == pytest.approx(high / 2, abs=0.2)
    assert one == 1.0
    assert of_class(svg, "end")[0].text == "0"
    assert number(of_class(svg, "grid")[0], "y1") == number(of_class(svg, "axis")[0], "y1")


def test_who_was_never_answered_stands_apart(tmp_path: Path) -> None:
    """Longer than any, nobody knows how long: a bar of its own behind the axis, and a row of the table."""
    told = latency(tmp_path, [*OPERATIONS, *UNANSWERED])
    svg = fromstring(histogram(told, bins_of(told)))
    (missing,) = of_class(svg, "missing")
    (axis, *_) = of_class(svg, "axis")
    assert number(missing, "x") > number(axis, "x2")
    assert bins_table(told, bins_of(told)).rows[-1] == ("no answer", "1", "9.1 %")
    assert of_class(fromstring(histogram(latency(tmp_path, OPERATIONS), bins_of(told))), "missing") == []


def test_percentiles_are_marked_where_they_are_known(tmp_path: Path) -> None:
    """With one in eleven unanswered the ninety-ninth is not, and no line stands for it."""
    told = latency(tmp_path, OPERATIONS)
    assert len(of_class(fromstring(histogram(told, bins_of(told))), "at")) == 3
    worse = latency(tmp_path, [*OPERATIONS, *UNANSWERED])
    (only,) = of_class(fromstring(histogram(worse, bins_of(worse))), "at")
    assert only.get("class") == "at p50"


def test_without_an_answer_there_is_no_histogram(tmp_path: Path) -> None:
    """Nothing is drawn of nothing."""
    assert bins_of(latency(tmp_path, UNANSWERED)) == []


def test_load_is_counted_when_it_was_asked_for_and_when_it_was_answered(tmp_path: Path) -> None:
    """Ten a second for two seconds, answered a second late: the first span has no answer, the third nothing else."""
    told = latency(tmp_path, [op for n in range(20) for op in iteration(n, n / 10, 1.05)], rate=10, seconds=2)
    moments = served_of(told)
    assert [(each.asked, each.answered, each.waiting) for each in moments] == [
        (10, 0, 10),
        (10, 10, 10),
        (0, 10, 0),
    ]
    assert [each.since for each in moments] == [0, 1, 2]


def test_the_failed_and_the_refused_do_not_wait_and_the_unanswered_do(tmp_path: Path) -> None:
    """Who failed is counted as that when it ended, who was refused when it was asked for; the unanswered never end."""
    failed = [start(1, 0.2), result(1, 0.2, 1.5, status="failed")]
    refused = [start(2, 1.3, ack=Ack.FAIL)]
    told = latency(tmp_path, [*iteration(0, 0, 0.1), *failed, *refused, *iteration(3, 0.4, None)], seconds=2)
    assert [(each.asked, each.answered, each.failed, each.waiting) for each in served_of(told)] == [
        (3, 1, 0, 2),
        (1, 0, 2, 1),
    ]


def test_a_load_that_nobody_answered_is_shown_as_one(tmp_path: Path) -> None:
    """All of it was asked for, and all of it waits to the end; both pictures that can be drawn are."""
    told = latency(tmp_path, UNANSWERED)
    moments = served_of(told)
    assert [each.asked for each in moments] == [1] + [0] * 9
    assert {(each.answered, each.waiting) for each in moments} == {(0, 1)}
    assert len(of_class(fromstring(served(told, moments, [])), "answered")) == 2


@pytest.mark.parametrize(("seconds", "took"), [(3_600.0, 1.0), (10.0, 5_000.0), (0.2, 0.1), (0.0, 0.5)])
def test_a_load_of_any_length_has_few_spans_of_one_length(tmp_path: Path, seconds: float, took: float) -> None:
    """And together they hold every iteration."""
    told = latency(tmp_path, [op for n in range(5) for op in iteration(n, n * seconds / 5, took)], seconds=seconds)
    moments = served_of(told)
    assert 1 <= len(moments) <= MOST_BUCKETS + 1
    assert sum(each.asked for each in moments) == sum(each.answered for each in moments) == 5
    assert {round(each.length, 6) for each in moments} == {round(moments[0].length, 6)}


def test_the_axis_of_load_begins_at_zero_and_ends_above_all(tmp_path: Path) -> None:
    """On a round value; faults are shaded; nothing is drawn of failures where there were none."""
    told = latency(tmp_path, OPERATIONS)
    svg = fromstring(served(told, served_of(told), [cut(2, 5)]))
    ticks = [text.text or "" for text in of_class(svg, "end")]
    assert ticks[0] == "0/s"
    assert float(ticks[-1].removesuffix("/s")) >= max(each.answered for each in served_of(told))
    assert len(of_class(svg, "fault")) == 1
    assert [line.get("class") for line in of_class(svg, "line")] == ["line answered", "line asked"]


@pytest.mark.parametrize("width", [340, 960])
def test_each_place_that_a_script_tells_of_has_a_row_in_the_table(tmp_path: Path, width: float) -> None:
    """As many places as rows, from left to right, within the picture."""
    told = latency(tmp_path, [*OPERATIONS, *UNANSWERED])
    bins, moments = bins_of(told), served_of(told)
    for svg, table in (
        (histogram(told, bins, width=width), bins_table(told, bins)),
        (served(told, moments, [], width=width), served_table(moments)),
    ):
        places = [float(place) for place in (fromstring(svg).get("data-at") or "").split()]
        assert len(places) == len(table.rows)
        assert places == sorted(places)
        assert 0 < places[0] < places[-1] < width
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_tables_of_latency_tell_what_their_plots_show(tmp_path: Path) -> None:
    """The percentiles that so few can tell, up to the longest, and each second that has iterations."""
    told = latency(tmp_path, OPERATIONS)
    assert [row[0] for row in curve_table(told).rows] == ["p50", "p75", "p90", "p95", "longest"]
    more = latency(tmp_path, [op for n in range(40) for op in iteration(n, n / 10, 0.1)])
    assert [row[0] for row in curve_table(more).rows] == ["p50", "p75", "p90", "p95", "longest"]
    assert curve_table(told).rows[-1] == ("longest", "1 s", "1 s")
    assert moments_table(told).rows[1] == ("1 to 2", "1", "200 ms", "200 ms", "200 ms")


def test_what_a_scenario_is_called_is_inert(tmp_path: Path) -> None:
    """In both pictures."""
    directory = write_run(tmp_path, load={EVIL: (1.0, 1.0)})
    calls = frame_of(Operation, [start(0, 0, scenario=EVIL), result(0, 0, 0.1, scenario=EVIL)])
    (told,) = latencies(Recorded(directory).info, responses(calls, {}))
    drawn = histogram(told, bins_of(told)) + served(told, served_of(told), [])
    assert "<script" not in drawn
