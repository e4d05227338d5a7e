"""Of the rows that a run loads, each is loaded, rejected for a reason, or missing."""

from pathlib import Path

import pytest
from handwritten_runs import fact, write_run
from pages import Page

from harness.records.columns import frames_of
from harness.records.effects import Fact
from reports.data_quality import Loaded, loaded_data
from reports.html import write_report
from reports.reconciliation import rows_of


def loaded(*facts: Fact) -> list[Loaded]:
    return loaded_data(rows_of(frames_of(Fact, facts)))


def test_rows_are_summed_by_scenario_and_reason() -> None:
    """The most frequent reason first; nothing is missing, and every rejected row has a reason."""
    (told,) = loaded(
        fact(0, 100, 100, values={"loaded": 90, "rejected": 10, "rejected: no plane": 4, "rejected: no airport": 6}),
        fact(1, 50, 50, values={"loaded": 50, "rejected": 0}),
    )
    assert (told.expected, told.loaded, told.rejected, told.missing, told.surplus) == (150, 140, 10, 0, 0)
    assert list(told.reasons.items()) == [("no airport", 6), ("no plane", 4)]
    assert told.complete


@pytest.mark.parametrize(
    "wrong",
    [
        fact(0, 100, 99, values={"loaded": 99, "rejected": 0}),
        fact(0, 100, 101, values={"loaded": 101, "rejected": 0}),
        fact(0, 100, 100, values={"loaded": 98, "rejected": 2, "rejected: no plane": 1}),
    ],
    ids=["missing", "too many", "rejected for no reason"],
)
def test_a_row_that_is_not_accounted_for_is_told(wrong: Fact) -> None:
    """Missing, too many, or rejected without a word."""
    (told,) = loaded(wrong)
    assert not told.complete


def test_orders_and_tasks_are_no_data_that_is_loaded() -> None:
    """An order may be called rejected; that is no row of a file."""
    assert loaded(fact(0, 1, 1, values={"rejected": 1, "amount_cents": 5}), fact(1, 1, 1, scenario="tasks")) == []


def test_the_page_tells_what_became_of_each_row(tmp_path: Path) -> None:
    """Share, missing, and the rejected that have no reason; without such a scenario, that it was not measured."""
    facts = [fact(0, 200, 190, values={"loaded": 150, "rejected": 40, "rejected: no plane": 30})]
    told = Page(write_report(write_run(tmp_path, facts)).read_text(encoding="utf-8"))
    assert told.says("slice 200 150 40 20 % 10 0 ✗ not all")
    assert told.says("no plane 30 75 %")
    assert told.says("no reason is told 10 25 %")
    other = Page(write_report(write_run(tmp_path)).read_text(encoding="utf-8"))
    assert other.says("Not measured: no scenario of this run counted the rows that it loaded and rejected.")
