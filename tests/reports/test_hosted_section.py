"""The report of a load that Locust hosted has both figures of each call, and says why they differ."""

from pathlib import Path

import pytest
from handwritten_runs import BEGIN, EVIL, loaded, start, write_run

from harness.records.hosted import Hosted, HostedLine
from harness.records.run import Run
from reports.hosted import section_of
from reports.html import write_report

LOAD = {"slice": (2.0, 10.0)}


def line(loop: str, call: str = "slice: start", **figures: float | None) -> HostedLine:
    """A line of calls that took half a second, whoever says so, unless `figures` do not."""
    said: dict[str, float | None] = dict.fromkeys(("p50", "p99", "locust_p50", "locust_p99"), 0.5)
    return HostedLine(loop=loop, call=call, calls=20, failures=1, **{**said, **figures})


def hosted(*lines: HostedLine, loop: str = "both") -> Hosted:
    """A load with these lines."""
    return Hosted(load=loaded(LOAD), loop=loop, ended=BEGIN + 11, lines=lines)


def page_of(results: Path, load: Hosted | None) -> str:
    """The report's page of a run with this load, on one line."""
    directory = write_run(results, [start(0, 0)], kind="load", load=LOAD)
    if load is not None:
        Run.joined(directory).write_hosted(load)
    return " ".join(write_report(directory).read_text().split())


STALLED = hosted(line("open", p99=1.95), line("closed", p99=0.043, locust_p99=0.043))


def test_what_a_closed_loop_hides_is_told_and_explained(tmp_path: Path) -> None:
    """Both percentiles of the same moment, how many times one is the other, and why."""
    page = page_of(tmp_path, STALLED)
    assert "a 99th percentile of 43 ms" in page
    assert "it is 1.95 s: 45.3 times as long" in page
    assert "coordinated omission" in page


@pytest.mark.parametrize("load", [None, hosted(line("open"), loop="open")])
def test_an_open_loop_hides_nothing(tmp_path: Path, load: Hosted | None) -> None:
    """Without users who wait there is nothing to explain; without Locust there is no section."""
    page = page_of(tmp_path, load)
    assert "coordinated omission" not in page
    assert ('id="locust"' in page) == ('href="#locust"' in page) == (load is not None)


def test_only_calls_of_both_loops_are_compared() -> None:
    """The most hidden comes first; what is not known, or was not asked for in both, is left out."""
    section = section_of(
        hosted(
            line("open", "a", p99=1.0), line("closed", "a", locust_p99=0.5),
            line("open", "b", p99=1.0), line("closed", "b", locust_p99=0.1),
            line("open", "c", p99=None), line("closed", "c"),
            line("open", "d"), line("closed", "e"),
        )
    )  # fmt: skip
    assert section is not None
    assert [(each.call, each.times) for each in section.hidden] == [("b", 10.0), ("a", 2.0)]


def test_a_percentile_that_is_not_known_is_no_number(tmp_path: Path) -> None:
    """It is a dash; and what was recorded cannot become part of the page."""
    page = page_of(tmp_path, hosted(line("open", EVIL, p50=None, p99=None), loop="open"))
    assert page.count('<td class="number">—</td>') >= 2
    assert EVIL not in page
