"""The section on faults: what was expected, what everybody got, how it recovered, which fault met what."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from handwritten_runs import judged
from handwritten_stories import AROUND, EXPERIMENT, LOAD, activity, call, served, story, task, window
from msgspec import Struct
from pages import Page

from harness.records.experiment import ExperimentInfo
from harness.records.operations import Ack, Kind
from harness.records.run import Recorded, Run
from reports.html import render
from reports.metrics import metrics

CUT = msgspec.structs.replace(window(), cut=2, evidence="a connection was refused")
SLOW = [
    *AROUND,
    *served(0, 12.0, 24.0),
    story(0, 12.0, 24.0, tasks=[task(12.0, 12.1, 12.2)], activities=[activity(12.2, 23.5, 24.0, attempts=4)]),
]
"""One order was late, because of pauses between attempts."""


def recorded(results: Path, records: Sequence[Struct], experiment: ExperimentInfo | None = EXPERIMENT) -> Recorded:
    """A chaos run with these records."""
    with Run.create(results, kind="chaos", title="By hand", target="system", seed=7, command="temper") as run:
        run.under_load(LOAD)
        if experiment is not None:
            run.write_experiment(experiment)
        run.write_all([*records, judged()])
        run.end()
    return Recorded(run.directory)


def page(results: Path, records: Sequence[Struct], experiment: ExperimentInfo | None = EXPERIMENT) -> Page:
    return Page(render(recorded(results, records, experiment)))


def test_what_was_expected_stands_first(tmp_path: Path) -> None:
    """With the time allowed; of a run without an experiment nothing is said of either."""
    told = page(tmp_path, [*SLOW, CUT])
    assert told.says("A link is cut. Expected: Nothing is lost. Steady again within 6 s of each heal.")
    assert "#books" in told.addresses
    without = page(tmp_path, [*SLOW, CUT], None)
    assert not without.says("Expected:")
    assert without.says("Steady again after 11 s: one iteration was late")


def test_a_recovery_is_split_and_its_largest_part_advised_on(tmp_path: Path) -> None:
    """What it took, how long one waited, what it may take and what to change."""
    told = page(tmp_path, [*SLOW, CUT])
    assert told.says("Steady again after 11 s: one iteration was late, and most of it went to pauses between attempts.")
    assert told.says("not due yet 10.5 s 95.5 % 10.5 s 8 s: maximum_interval of ship")
    assert told.says("Too long. Lower maximum_interval of ship.")


def test_a_recovery_that_never_came_was_too_long(tmp_path: Path) -> None:
    """Whoever began before the heal was never answered; however long is allowed."""
    never = [*AROUND, *served(0, 12.0, None), story(0, 12.0, None, tasks=[task(12.0, None, None)])]
    told = page(tmp_path, [*never, CUT])
    assert told.says("Not known how long: it was never steady again.")
    assert told.says("Too long.")
    generous = msgspec.structs.replace(EXPERIMENT, recovery=msgspec.structs.replace(EXPERIMENT.recovery, within=11))
    assert page(tmp_path, [*SLOW, CUT], generous).says("To recover sooner: Lower maximum_interval of ship.")


def test_what_kept_one_for_half_of_the_time_is_advised_on_too(tmp_path: Path) -> None:
    """Though most of those who were late waited for something else, and it is a small part for that."""
    lost = story(0, 12.0, 18.0, activities=[activity(12.0, 17.8, 18.0, attempts=2, timed_out="heartbeat")])
    behind = [story(n, 12.0, 18.0, tasks=[task(12.0, 17.9, 18.0)]) for n in range(1, 9)]
    asking = story(9, 13.0, 13.2, tasks=[task(13.0, 13.1, 13.2)])
    operations = [op for n in range(9) for op in served(n, 12.0, 18.0)]
    told = page(tmp_path, [*AROUND, *operations, lost, *behind, asking, CUT])
    assert told.says("most of it went to backlog")
    assert told.says("To recover sooner: Add workers, or slots")
    assert told.says("waited its turn. Lower heartbeat_timeout of ship")
    assert not told.says("Lower initial_interval of ship")


def test_a_job_beside_the_load_has_no_place_in_the_matrix(tmp_path: Path) -> None:
    """It ran before the first fault, or it would be under load."""
    job = msgspec.structs.replace(story(7, 2.0, 2.5), scenario="job", type="Reference")
    assert not page(tmp_path, [*SLOW, job, CUT]).says("Reference Fault")


def test_where_nobody_was_late_nothing_is_split(tmp_path: Path) -> None:
    """And no picture drawn of it."""
    told = page(tmp_path, [*AROUND, CUT])
    assert told.says("Nobody was late after it was healed.")
    assert not told.says("From heal to steady")


def test_where_some_were_refused_there_is_nothing_to_split(tmp_path: Path) -> None:
    """They waited for nothing; but until the last of them it was not steady."""
    for refused in ([15.0], [15.0, 16.0]):
        calls = [msgspec.structs.replace(call(n, Kind.START, at, at), ack=Ack.FAIL) for n, at in enumerate(refused)]
        told = page(tmp_path, [*AROUND, *calls, CUT])
        assert told.says("until then some were refused.")
        assert not told.says("From heal to steady")


def test_why_a_recovery_is_not_known_is_told(tmp_path: Path) -> None:
    """In the words of the reason."""
    told = page(tmp_path, [*AROUND, *served(0, 12.0, None), CUT])
    assert told.says("Not known how long: it was never steady again.")


def test_everybody_is_drawn_with_what_they_got(tmp_path: Path) -> None:
    """Late, never, refused, and not known; what is not there has no line."""
    refused = msgspec.structs.replace(call(3, Kind.START, 12.5, 12.6), ack=Ack.FAIL, error="no")
    html = render(recorded(tmp_path, [*SLOW, *served(2, 12.0, None), refused, CUT]))
    assert "29 iterations: 26 answered within 1 s, 1 later, 1 never, 1 refused." in html
    assert html.count('class="bar thin retried"') == html.count('class="bar thin lost"') == 2
    assert "run.orders.3.main: no" in html
    assert "nobody knows what became of it" in html
    calm = render(recorded(tmp_path, [*AROUND, CUT]))
    assert "26 answered within 1 s, 0 later, 0 never, 0 refused." in calm
    assert "bar thin retried" not in calm


def test_the_matrix_shows_what_met_the_fault_and_what_never_could(tmp_path: Path) -> None:
    """An empty cell is a dash."""
    idle = activity(2.0, 2.1, 2.2, type_="bill")
    told = page(tmp_path, [*SLOW, story(5, 2.0, 2.5, activities=[idle]), CUT])
    assert told.says(
        "Order Fault start Order result workflow task ship bill "
        "link_down on worker-1.postgres, at 10.0 s 0 of 1 0 of 1 0 of 1 1 of 1 —"
    )


def test_a_run_without_faults_says_so_and_nothing_else(tmp_path: Path) -> None:
    """No recovery, no matrix."""
    told = page(tmp_path, AROUND)
    assert told.says("None planned: nothing was broken on purpose in this run.")
    assert not told.says("Which fault met what")


def test_the_slowest_recovery_is_a_metric(tmp_path: Path) -> None:
    """Of all that are told; not known where one never came."""
    quick = msgspec.structs.replace(window(26.0, 26.5), cut=2)
    found = metrics(recorded(tmp_path, [*SLOW, CUT, quick]))["recovery_max"]
    assert found.value == 11.0
    assert found.detail == "from heal to steady, after link_down on worker-1.postgres; 2 of 2 told"
    never = [*AROUND, *served(0, 27.0, None), CUT, quick]
    assert "recovery_max" not in metrics(recorded(tmp_path, never))
    assert "recovery_max" not in metrics(recorded(tmp_path, AROUND))
