"""What workflows spent their time on: the figures, the sentence, the picture."""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import log10
from xml.etree.ElementTree import fromstring

import msgspec
import pytest
from handwritten_runs import EVIL, spent, workflow

from harness.records.anatomy import Anatomy, Part
from harness.records.columns import frame_of
from harness.records.workflows import WorkflowRun
from reports.anatomy import WORDS, KindAnatomy, Times, anatomies
from reports.stacks import columns_of, stacks


def ran(anatomy: Anatomy, scenario: str = "slice", type_: str = "Pipeline") -> WorkflowRun:
    return msgspec.structs.replace(workflow(0, 1.0, scenario=scenario), type=type_, anatomy=anatomy)


def kind_of(runs: Sequence[Anatomy], scenario: str = "slice") -> KindAnatomy:
    (kind,) = anatomies(frame_of(WorkflowRun, [ran(anatomy, scenario) for anatomy in runs]))
    return kind


def test_every_part_has_its_words() -> None:
    """One that is added needs some."""
    assert list(WORDS) == list(Part)


def test_the_figures_of_a_part_count_the_runs_that_spent_nothing_on_it() -> None:
    """Ten runs of a second, one of which spent half of it on retries."""
    kind = kind_of([*[spent(worker=1.0)] * 9, spent(worker=0.5, retries=0.5)])
    worker, retries = kind.parts
    assert (worker.part, retries.part) == (Part.WORKER, Part.RETRIES)
    assert (worker.median, worker.p95, worker.p99, worker.mean, worker.share) == (1.0, 1.0, 1.0, 0.95, 0.95)
    assert (retries.median, retries.p95, retries.p99, retries.mean, retries.share) == (0.0, 0.5, 0.5, 0.05, 0.05)
    assert kind.whole == Times(median=1.0, p95=1.0, p99=1.0, mean=1.0)


def test_the_means_of_the_parts_add_up_and_so_do_the_shares() -> None:
    """To the mean of the whole, and to one."""
    kind = kind_of([spent(worker=n, timers=n / 3, retries=7.0) for n in range(1, 30)])
    assert sum(times.mean for times in kind.parts) == pytest.approx(kind.whole.mean)
    assert sum(times.share for times in kind.parts) == pytest.approx(1)


def test_kinds_are_told_apart_by_scenario_and_type_the_longest_first() -> None:
    """In the sentence, a scenario with workflows of one type stands for them."""
    runs = [
        ran(spent(worker=1.0)),
        ran(spent(worker=5.0), type_="Child"),
        *[ran(spent(worker=2.0), "whole")] * 2,
        workflow(1, None),
    ]
    found = anatomies(frame_of(WorkflowRun, runs))
    assert [(kind.scenario, kind.type, len(kind.runs)) for kind in found] == [
        ("slice", "Child", 1),
        ("whole", "Pipeline", 2),
        ("slice", "Pipeline", 1),
    ]
    for kind, called in zip(found, ("Child", "whole", "Pipeline"), strict=True):
        assert f"of a typical {called}," in kind.sentence


def test_open_runs_have_no_anatomy() -> None:
    """Nobody knows what they will spend."""
    assert anatomies(frame_of(WorkflowRun, [workflow(0, None)])) == []


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1.0, "All (100 %)"),
        (0.95, "Nearly all (95 %)"),
        (0.85, "Most (85 %)"),
        (0.75, "Three quarters (75 %)"),
        (0.66, "Two thirds (66 %)"),
        (0.58, "More than half (58 %)"),
        (0.5, "Half (50 %)"),
        (0.4, "Two fifths (40 %)"),
        (0.33, "A third (33 %)"),
        (0.25, "A quarter (25 %)"),
        (0.21, "21 %"),
    ],
)
def test_one_sentence_says_what_a_typical_run_spends_most_on(share: float, words: str) -> None:
    """In words that fit, and as a figure."""
    rest = {part.value: (1 - share) / 5 for part in list(Part)[5:]}
    kind = kind_of([spent(worker=0.2 * share, **{name: 0.2 * length for name, length in rest.items()})])
    assert kind.sentence == f"{words} of a typical slice, which takes 200 ms, is spent waiting for a worker."


def test_what_is_typical_lies_between_the_quartiles() -> None:
    """Neither the fastest nor the slowest quarter changes it."""
    kind = kind_of([spent(timers=0.1), spent(worker=1.0), spent(worker=1.0), spent(retries=100.0)])
    assert kind.sentence.startswith("All (100 %) of a typical slice, which takes 1 s, is spent waiting for a worker.")


def test_what_the_slowest_spend_more_on_is_told_apart() -> None:
    """Of forty, the slowest two; nineteen are too few for a twentieth."""
    runs = [spent(worker=1.0)] * 38 + [spent(worker=1.0, retries=3.0, timers=1.0)] * 2
    assert kind_of(runs).sentence.endswith(
        "The slowest twentieth takes 5 s: three quarters (75 %) of the difference is spent on retries."
    )
    assert "The slowest one takes 5 s:" in kind_of(runs[-39:]).sentence
    assert "slowest" not in kind_of(runs[-19:]).sentence


def test_where_no_part_makes_the_slowest_slower_none_is_named() -> None:
    """Three parts, each a third of what is more; or nothing is more."""
    parts = ("worker", "retries", "timers")
    runs = [spent(**dict.fromkeys(parts, 1.0))] * 19
    assert kind_of([*runs, spent(**dict.fromkeys(parts, 2.0))]).sentence.endswith(
        "The slowest one takes 6 s: a little more of everything."
    )
    assert kind_of([*runs, runs[0]]).sentence.endswith("The slowest one takes no longer.")


def test_runs_that_took_no_time_are_told_as_such() -> None:
    """A skipped clock, or a run that was closed as it began."""
    assert kind_of([Anatomy(seconds={})]).sentence == "A typical slice takes no time that its history shows."


def test_columns_lie_side_by_side_and_the_slowest_run_has_its_own() -> None:
    """However many there are: from the fastest at 0 to half a rank beyond the last but one."""
    for number in (1, 2, 7, 100, 5000):
        columns = columns_of(kind_of([spent(worker=n + 1.0) for n in range(number)]).runs, 120)
        assert columns[0].left == 0
        assert all(one.right == other.left for one, other in pairwise(columns))
        assert all(column.left < column.right for column in columns)
        assert sum(column.runs for column in columns) == number
        assert (columns[-1].runs, columns[-1].total) == (1, number)
        assert len(columns) <= 120


def test_a_column_of_many_runs_is_their_mean_and_lies_where_they_do() -> None:
    """A thousand runs: the column that ends at the ninetieth percentile has runs up to number 900."""
    columns = columns_of(kind_of([spent(worker=float(n)) for n in range(1000)]).runs, 60)
    before = 0
    for column in columns:
        assert column.left == pytest.approx(-log10(1 - before / 1000), abs=1e-9)
        assert column.total == pytest.approx(before + (column.runs - 1) / 2)
        before += column.runs


def test_areas_lie_upon_each_other_and_reach_the_top() -> None:
    """Two parts: the lower one fills its share from the axis, the upper one the rest; below, each fills its height."""
    svg = fromstring(stacks(kind_of([spent(activity_execution=3.0, worker=1.0), spent(worker=2.0)]), 0, width=960))
    areas = [(each.get("class", "").removeprefix("part "), each.get("d", "")) for each in svg.iter("path")]
    half = 62 + 884 / 2  # of two runs, the slower half reaches from p50 to p75
    assert areas == [
        ("activity_execution", f"M62.0 224.0H{half}L{half} 66.5H946.0L946.0 224.0H{half}L{half} 224.0H62.0Z"),
        ("worker", f"M62.0 119.0H{half}L{half} 14.0H946.0L946.0 66.5H{half}L{half} 224.0H62.0Z"),
        ("activity_execution", f"M62.0 328.0H{half}L{half} 265.0H946.0L946.0 328.0H{half}L{half} 328.0H62.0Z"),
        ("worker", f"M62.0 244.0H{half}L{half} 244.0H946.0L946.0 265.0H{half}L{half} 328.0H62.0Z"),
    ]


@pytest.mark.parametrize("width", [340, 960])
def test_percentiles_are_labelled_where_they_lie_within(width: float) -> None:
    """And the axis goes from nothing to the slowest."""
    svg = fromstring(stacks(kind_of([spent(worker=n / 10) for n in range(1, 201)]), 0, width=width))
    words = [text.text or "" for text in svg.iter("text")]
    labels = [word for word in words if re.fullmatch(r"p[\d.]+", word)]
    assert labels == (["p50", "p75", "p90", "p95", "p99", "p99.5"] if width == 960 else ["p50", "p90", "p99"])
    assert {"fastest", "slowest", "0 ms", "20 s", "0 %", "100 %"} <= set(words)


def test_the_picture_says_what_it_shows() -> None:
    """To who cannot see it, and under the pointer; recorded words are inert."""
    drawn = stacks(kind_of([spent(worker=1.0, retries=2.0)], EVIL), 0)
    assert "<script" not in drawn
    svg = fromstring(drawn)
    assert "Two thirds (66.7 %) of a typical" in (svg.findtext("desc") or "")
    (strip,) = (each for each in svg.iter("rect") if each.get("class") == "hover")
    assert strip.findtext("title") == "1 run, 3 s: retries 2 s, waiting for a worker 1 s"


def test_runs_that_took_no_time_still_have_a_picture() -> None:
    """An empty one."""
    svg = fromstring(stacks(kind_of([Anatomy(seconds={})] * 3), 0))
    assert list(svg.iter("path")) == []
