"""Several runs on one page: the verdict over all, each objective once, and then each run with all it recorded."""

import re
from pathlib import Path

import pytest
from handwritten_runs import EVIL, iteration, judged, whole_run, write_run
from pages import Page

from harness.checking.objectives import Objective
from harness.records.run import NotARun, Recorded
from harness.records.verdicts import Verdict
from reports.html import judge_and_write, write_report
from reports.objectives import Policy


def html_of(tmp_path: Path, *directories: Path, by: Policy | None = None) -> str:
    judge_and_write(directories, tmp_path / "set.html", by)
    return (tmp_path / "set.html").read_text(encoding="utf-8")


def together(tmp_path: Path, *directories: Path) -> Page:
    return Page(html_of(tmp_path, *directories))


def test_the_worst_run_decides_and_is_named(tmp_path: Path) -> None:
    """One that holds and one that fails are a No; the objective that fails leads to the run in which it does."""
    bad = write_run(tmp_path, [judged(verdict=Verdict.INVALID, findings=2)], title="The bad one", kind="scenario")
    told = together(tmp_path, whole_run(tmp_path), bad)
    assert told.says("May we ship? No.")
    assert told.says("1. A run written by hand demo")
    assert told.says("2. The bad one scenario")
    assert re.search(r"Invariants not valid run 2 .{0,120}1 .{0,120}fails", " ".join(told.words.split()))
    assert "#run-2" in told.addresses


def test_each_objective_is_in_the_common_table_once(tmp_path: Path) -> None:
    """However many runs measured it."""
    html = html_of(tmp_path, whole_run(tmp_path), whole_run(tmp_path))
    table = html.partition("Objectives over all")[2].partition("</table>")[0]
    assert table.count("Effects doubled") == 1
    assert html.count("Effects doubled") == 3


def test_what_changed_since_the_last_good_run_is_told_of_each(tmp_path: Path) -> None:
    """In the table of runs as a sentence, and in its own part; by the objectives that the set was judged by."""
    earlier, this = whole_run(tmp_path), whole_run(tmp_path)
    told = together(tmp_path, earlier, this)
    unchanged = "No objective has another verdict, and there is no evidence that any figure changed."
    assert told.words.count(unchanged) == 2
    assert told.says("There is none to compare with.")
    assert told.says(f"Beside {earlier.name} of")
    strict = Policy(
        objectives=(Objective(metric="response_p99", title="p99", unit="ms", below=1, hard=True, kinds=("demo",)),)
    )
    page = Page(html_of(tmp_path, earlier, this, by=strict))
    assert page.says("none of the last 1 passed")


def test_runs_are_sorted_by_when_they_started(tmp_path: Path) -> None:
    """Not by the day of the month that the moment begins with: each cell has the seconds to sort by."""
    run = whole_run(tmp_path)
    html = html_of(tmp_path, run, run)
    started = Recorded(run).info.started
    assert re.findall(r'data-label="started"[^>]* data-sort="([\d.]+)"', html) == [str(started)] * 2
    assert "cell?.dataset.sort" in html


def test_each_run_is_folded_and_has_all_of_its_report(tmp_path: Path) -> None:
    """Every heading of a run's own report is there, a level lower, in a part that is closed."""
    run = whole_run(tmp_path)
    alone, told = Page(write_report(run).read_text(encoding="utf-8")), together(tmp_path, run, run)
    own = [(level + 1, words) for level, words in alone.headings if level > 1]
    assert told.headings.count((2, "Runs")) == 1
    assert [each for each in own if told.headings.count(each) < 2 * own.count(each)] == []
    assert told.folded == ["run-1", "run-2"]


def test_ids_are_unique_and_links_lead_somewhere(tmp_path: Path) -> None:
    """Although two runs have the same sections and the same plots."""
    run = whole_run(tmp_path)
    told = together(tmp_path, run, run)
    assert len(told.ids) == len(set(told.ids))
    assert {address[1:] for address in told.addresses if address.startswith("#")} <= set(told.ids)
    assert set(told.labels) <= set(told.ids)


def test_a_partial_run_is_told_at_the_top(tmp_path: Path) -> None:
    """The page begins with it, and the answer is not known."""
    told = together(tmp_path, whole_run(tmp_path), whole_run(tmp_path, ended=False))
    assert told.says("May we ship? Not known.")
    assert told.says("1 partial run. What was cut off before its end cannot pass the gate.")


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The others are shown, and together they are not known to be good."""
    told = together(tmp_path, whole_run(tmp_path), tmp_path / "nowhere")
    assert told.says("May we ship? Not known.")
    assert told.says("Not read.")
    assert told.says("nowhere is not a run")


def test_where_no_run_can_be_read_there_is_no_page(tmp_path: Path) -> None:
    """And it is said why."""
    with pytest.raises(NotARun, match=r"nowhere is not a run"):
        html_of(tmp_path, tmp_path / "nowhere", tmp_path / "elsewhere")
    assert not (tmp_path / "set.html").exists()


def test_links_to_files_of_a_run_start_where_the_page_is(tmp_path: Path) -> None:
    """A flame graph lies beside its run; the page may lie elsewhere."""
    run = whole_run(tmp_path / "results")
    (run / "profiles").mkdir()
    (run / "profiles/worker-1.folded").write_text("main (a/b.py);work (a/b.py) 30\n")
    told = together(tmp_path, run, run)
    assert told.addresses.count(f"results/{run.name}/profiles/worker-1.svg") == 2
    assert "profiles/worker-1.svg" in Page(write_report(run).read_text(encoding="utf-8")).addresses
    elsewhere = write_report(run, path=tmp_path / "one.html")
    assert f"results/{run.name}/profiles/worker-1.svg" in Page(elsewhere.read_text(encoding="utf-8")).addresses


def test_words_of_every_run_are_inert(tmp_path: Path) -> None:
    """A run called like a script is shown by its name."""
    run = write_run(tmp_path, [*iteration(0, 0, 0.1), judged(EVIL)], title=EVIL, load={"slice": (1, 1)})
    told = together(tmp_path, run, run)
    assert told.tags.count("script") == 1
    assert "pwned" not in told.inline["script"][0]
    assert told.words.count("alert('pwned')") >= 8
