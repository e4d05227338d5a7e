"""The section on capacity: the steps of a search, in a sentence, a picture and a table; nothing where none was made."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from handwritten_runs import EVIL, write_run

from harness.checking.capacity import Limits, Trial, judged
from harness.records.run import Recorded
from harness.records.steps import Saturated, Standing, Step
from reports.capacity import WORDS, knee_plot, search_of
from reports.html import render
from reports.metrics import metrics

LIMITS = Limits(p99=0.5)


def step(rate: float, wait: float, *, unserved: int = 0, lag: float = 0.0, saturated: Saturated | None = None) -> Step:
    """Four hundred iterations of ten seconds at a rate, all of which waited as long."""
    trial = Trial(
        began=0, ended=10, times=[wait] * (400 - unserved), lags=[lag], unserved=unserved, saturated=saturated
    )
    return judged(rate, [trial], LIMITS)


FULL = Saturated(what="the workers' slots", evidence="worker-1 had none free", change="raise max_concurrent_activities")
STEPS = [step(5, 0.1), step(10, 0.2), step(20, 0.9, saturated=FULL), step(14, 0.3)]


def page(tmp_path: Path, *steps: Step) -> str:
    """The report of a run with these steps."""
    return render(Recorded(write_run(tmp_path, steps, kind="load")))


def test_the_knee_is_told_in_a_sentence_with_what_saturated_and_what_to_try(tmp_path: Path) -> None:
    """A newcomer reads it and knows; the table has a row for each rate, by rate."""
    html = page(tmp_path, *STEPS)
    assert "The objectives hold up to 14/s: of a hundred users ninety-nine wait 300 ms or less." in html
    assert "At 20/s they do not: p99 is 900 ms, above 500 ms." in html
    assert "worker-1 had none free" in html
    assert "raise max_concurrent_activities" in html
    assert '<a href="#capacity">' in html
    at = [html.index(f'<th scope="row">{rate}/s</th>') for rate in (5, 10, 14, 20)]
    assert at == sorted(at)


def test_the_knee_is_a_metric_and_heads_the_page(tmp_path: Path) -> None:
    """Where none was found, there is no such metric, and no zero."""
    found = metrics(Recorded(write_run(tmp_path, STEPS)))
    assert (found["knee"].value, found["knee"].detail) == (
        14,
        "objectives hold at so many iterations a second, not at 20",
    )
    above = metrics(Recorded(write_run(tmp_path, STEPS[:2])))
    assert (above["knee"].value, above["knee"].detail.endswith("no rate was found at which they do not")) == (10, True)
    assert "knee" not in metrics(Recorded(write_run(tmp_path, [step(5, 0.9)])))
    assert "<dt>iterations a second, at the knee</dt><dd>14</dd>" in page(tmp_path, *STEPS)


def test_where_nothing_was_seen_to_saturate_that_is_said(tmp_path: Path) -> None:
    """It is not known, and is no guess."""
    assert "What was at its limit is not known" in page(tmp_path, step(5, 0.1), step(20, 0.9))


def test_a_run_without_a_search_has_no_such_section(tmp_path: Path) -> None:
    """Most runs do not look for a knee."""
    assert search_of([]) is None
    assert "capacity" not in page(tmp_path)


def test_what_a_target_says_is_escaped(tmp_path: Path) -> None:
    """Also in the picture."""
    html = page(tmp_path, step(5, 0.9, saturated=Saturated(what=EVIL, evidence=EVIL, change=EVIL)))
    assert EVIL not in html


@pytest.mark.parametrize("width", [340.0, 960.0])
@pytest.mark.parametrize(
    "steps",
    [
        STEPS,
        STEPS[:1],
        [step(5, 0.1), step(20, 0.1, unserved=200), step(10, 0.1, unserved=3)],
        [step(5, 0.9), step(2.5, 0.9)],
        [step(5, 0.1), step(10, 0.1, lag=1.0)],
    ],
    ids=["a knee", "one step", "nobody answered", "never held", "void"],
)
def test_the_picture_is_drawn_whatever_the_steps_are(steps: list[Step], width: float) -> None:
    """Within its frame, with the knee where there is one, and a cross at every rate that does not hold."""
    search = search_of(steps)
    assert search is not None
    svg = fromstring(knee_plot(search, width=width))
    frame = [float(number) for number in (svg.get("viewBox") or "").split()]
    for element in svg.iter():
        for name, most in (("x1", frame[2]), ("x2", frame[2]), ("y1", frame[3]), ("y2", frame[3])):
            assert 0 <= float(element.get(name, 0)) <= most
    knees = [element.text for element in svg.iter() if element.get("class") == "fault-label middle"]
    assert knees == ([] if search.capacity.knee is None else [f"knee {search.capacity.knee:g}/s"])
    crosses = [element for element in svg.iter() if element.get("class") == "mark"]
    assert len(crosses) == sum(each.standing is not Standing.HOLDS for each in steps)


def test_every_standing_has_a_badge() -> None:
    """One that is added later must have one, too."""
    assert set(WORDS) == set(Standing)
