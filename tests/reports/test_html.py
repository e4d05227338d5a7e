"""The report is one inert file that says what was measured, and says so where nothing was."""

import base64
import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest
from handwritten_runs import (
    EVIL,
    activity,
    conditions,
    cut,
    fact,
    iteration,
    judged,
    measured,
    result,
    start,
    whole_run,
    workflow,
    write_run,
)
from handwritten_samples import counted, scraped
from msgspec import Struct
from msgspec.structs import replace
from pages import Page

from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.run import NotARun
from harness.records.samples import MEMORY, SLOTS_AVAILABLE, series
from harness.records.verdicts import Verdict
from reports.anatomy import MOST_KINDS
from reports.document import MOST_FINDINGS
from reports.html import write_report

SLOTS = series(SLOTS_AVAILABLE, worker_type="WorkflowWorker")
LOAD = {"slice": (2.0, 10.0)}


def page(directory: Path) -> Page:
    return Page(write_report(directory).read_text(encoding="utf-8"))


def report(tmp_path: Path, *records: Struct, load: dict[str, tuple[float, float]] | None = None) -> Page:
    return page(write_run(tmp_path, records, load=load))


def test_a_report_is_written_into_its_run(tmp_path: Path) -> None:
    """It is called report.html, and nothing unfinished is left beside it."""
    directory = whole_run(tmp_path)
    path = write_report(directory)
    assert path == directory / "report.html"
    assert not list(directory.glob("*.part"))


def test_a_whole_run_is_answered_with_yes_and_nothing_unknown(tmp_path: Path) -> None:
    """The question, the answer, and a verdict for each objective as a word."""
    told = page(whole_run(tmp_path))
    assert told.says("May we ship? Yes.")
    assert told.says("All 7 hard objectives hold.")
    assert not told.says("? unknown")
    assert len(re.findall(r"✓ holds", " ".join(told.words.split()))) == 11
    assert not told.says("Not measured:")


def test_a_report_needs_nothing_but_itself(tmp_path: Path) -> None:
    """No frame, no image, no address but those within the page, and links to Temporal's UI."""
    told = page(whole_run(tmp_path))
    assert not {"iframe", "img", "object", "form", "base"} & set(told.tags)
    outside = [address for address in told.addresses if not address.startswith(("#", "data:image/svg+xml,"))]
    assert all(address.startswith("http://127.0.0.1:8233/namespaces/default/workflows/") for address in outside)
    html = write_report(whole_run(tmp_path)).read_text(encoding="utf-8")
    assert html.count("http://") == len(outside) == 10
    assert "https://" not in html
    assert "@import" not in html
    assert "url(" not in html


def test_nothing_may_act_on_a_page_but_its_own_style_and_script(tmp_path: Path) -> None:
    """Its policy names them by what they hold, and comes before them; a browser refuses all else."""
    told = page(whole_run(tmp_path))
    policy = told.policy.split("; ")
    for kind, (text,) in told.inline.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "img-src data:"} < set(policy)
    assert len(policy) == 6
    assert told.tags.index("meta") < told.tags.index("style")


def test_every_link_within_the_page_leads_somewhere_and_ids_are_unique(tmp_path: Path) -> None:
    """Navigation works, and a screen reader finds the title of each picture."""
    told = page(whole_run(tmp_path))
    assert {address[1:] for address in told.addresses if address.startswith("#")} <= set(told.ids)
    assert len(told.ids) == len(set(told.ids))


def test_what_was_recorded_cannot_become_part_of_the_page(tmp_path: Path) -> None:
    """A script in any recorded word is shown, and never run."""
    finding = judged(EVIL, Verdict.INVALID, 1)
    finding = msgspec.structs.replace(
        finding, findings=(msgspec.structs.replace(finding.findings[0], message=EVIL, workflow_id=EVIL, problem=EVIL),)
    )
    records = [
        *iteration(0, 0, 0.1),
        msgspec.structs.replace(start(1, 1), scenario=EVIL, workflow_id=EVIL),
        msgspec.structs.replace(result(1, 1, 0.1), scenario=EVIL, workflow_id=EVIL),
        msgspec.structs.replace(
            workflow(0, 1.0, msgspec.structs.replace(activity(0, 0, 1, attempts=2, type_=EVIL), last_failure=EVIL)),
            workflow_id=EVIL, type=EVIL, status=EVIL,
        ),
        fact(0, 1, 1, scenario=EVIL, values={EVIL: 1, f"rejected: {EVIL}": 1}),
        msgspec.structs.replace(cut(1, 2, name=EVIL, on=EVIL), evidence=EVIL, felt_by=(EVIL,)),
        measured(EVIL, 1.0, unit=EVIL),
        *counted(EVIL, MEMORY, 1.0, 2.0),
        *scraped(EVIL, {SLOTS: 1.0}, None),
        finding,
    ]  # fmt: skip
    caught = msgspec.structs.replace(conditions(), machine=EVIL, caveats=(EVIL,), links=(EVIL,), packages={EVIL: EVIL})
    directory = write_run(
        tmp_path, records, load={"slice": (1, 1), EVIL: (1, 1)}, fingerprint=caught, title=EVIL, kind="load"
    )
    told = page(directory)
    assert told.tags.count("script") == 1
    assert "pwned" not in told.inline["script"][0]
    assert told.words.count("alert('pwned')") > 20


def test_an_empty_run_says_of_everything_that_it_was_not_measured(tmp_path: Path) -> None:
    """No section is left out, and none invents anything."""
    told = report(tmp_path)
    assert told.says("May we ship? Not known.")
    assert told.says("Not measured: this run had no load.")
    assert told.says("Not measured: no invariant was judged.")
    assert told.says("None planned: nothing was broken on purpose in this run.")
    assert told.says("Not measured: this run timed nothing beside its load.")
    assert told.says("Not measured: no workflow was seen to close.")
    assert told.says("Not measured: of no closed workflow is it known what it spent its time on.")
    assert told.says("Not recorded: under what conditions this run took place is not known.")
    assert told.says("Operations none recorded")
    assert told.says("Rows none observed")
    assert " ".join(told.words.split()).count("? unknown") == 11 + 1, (
        "each objective, and once what stands against a yes"
    )


def test_much_that_stands_against_a_yes_is_a_list(tmp_path: Path) -> None:
    """What failed with its figure, what is not known by name; the whole answer is there as well, folded."""
    assert not page(whole_run(tmp_path / "whole")).says("The whole answer")
    much = report(tmp_path / "much", judged(verdict=Verdict.INVALID, findings=2))
    assert much.says("May we ship? No. Of 7 hard objectives, 2 failed and 5 could not be judged.")
    assert much.says("✗ fails Invariants not valid 1, must be 0")
    assert much.says("? unknown Worker start-up, spawn to first result, slowest; Workflow overhead, p95")
    assert much.says("The whole answer 2 of 7 hard objectives failed: Operations and rows lost (2, must be 0); Inv")


def test_a_run_of_kind_quality_has_no_parts_of_a_target(tmp_path: Path) -> None:
    """It looked at sources: of latency or of rows there is nothing to be said, and nothing in the contents."""
    told = page(write_run(tmp_path, kind="quality"))
    assert [words for level, words in told.headings if level == 2] == [
        "Since the last good run",
        "Objectives",
        "Conditions",
    ]
    assert {"#objectives", "#conditions"} <= set(told.addresses)
    assert not {"#latency", "#data", "#books"} & set(told.addresses)


def test_a_load_that_never_waited_says_so(tmp_path: Path) -> None:
    """There was load, but no response to measure."""
    assert report(tmp_path, start(0, 0), load=LOAD).says("no iteration under load waited for a result")


def test_a_partial_run_says_so_at_the_top(tmp_path: Path) -> None:
    """All else was well, and the answer is not known."""
    told = page(whole_run(tmp_path, ended=False))
    assert told.says("May we ship? Not known.")
    assert told.says("Partial run. It was cut off before its end.")
    assert not page(whole_run(tmp_path)).says("Partial run.")


def test_a_run_cut_off_in_the_middle_of_a_line_is_reported(tmp_path: Path) -> None:
    """What was whole is shown."""
    directory = whole_run(tmp_path, ended=False)
    path = directory / "operations.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert page(directory).says("Partial run.")


def test_a_broken_run_is_refused_with_file_and_line(tmp_path: Path) -> None:
    """Nothing is reported from records that cannot be trusted."""
    directory = whole_run(tmp_path)
    lines = (directory / "facts.jsonl").read_text().splitlines()
    lines[2] = "{broken"
    (directory / "facts.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(NotARun, match=r"facts\.jsonl, line 3"):
        write_report(directory)
    assert not (directory / "report.html").exists()


def test_findings_beyond_the_first_are_counted_never_cut_silently(tmp_path: Path) -> None:
    """The rest is told by number, and where to find it."""
    told = report(tmp_path, judged(verdict=Verdict.INVALID, findings=MOST_FINDINGS + 13))
    assert told.says(f"finding number {MOST_FINDINGS - 1}")
    assert not told.says(f"finding number {MOST_FINDINGS} ")
    assert told.says("and 13 more: all of them are in judgements.jsonl")


def test_why_a_verdict_is_unknown_is_told(tmp_path: Path) -> None:
    """The reason stands below the invariant."""
    assert report(tmp_path, judged(verdict=Verdict.UNKNOWN, reason="nobody looked")).says("nobody looked")


def test_faults_show_their_evidence(tmp_path: Path) -> None:
    """What was tried, who felt it, and how many more; one that did not bite says that."""
    told = report(tmp_path, cut(1, 4, felt=8), cut(5, 6, in_force=False, felt=0, on="client"))
    assert told.says("bit link_down on worker-1")
    assert told.says("In force a connection was refused Felt by 8 attempts and calls")
    assert told.says("and 3 more")
    assert told.says("did not bite link_down on client")
    assert told.says("Never in force")
    assert told.says("Felt by nothing")


def test_faults_split_the_latency_table(tmp_path: Path) -> None:
    """Before, during and after have a row each."""
    operations = [op for n in range(20) for op in iteration(n, n * 0.5, 0.1)]
    told = report(tmp_path, *operations, cut(3, 6), load=LOAD)
    assert told.says("Response time around the fault: link_down on worker-1")
    assert told.says("before 6 100 ms")
    assert told.says("during 6 100 ms")
    assert told.says("after 8 100 ms")


def test_rows_and_reasons_are_reconciled(tmp_path: Path) -> None:
    """Missing rows and surplus ones are told apart, and every reason has its count."""
    told = report(
        tmp_path,
        fact(0, 100, 90, values={"rejected": 7, "rejected: no such plane": 7}),
        fact(1, 100, 103),
    )
    assert told.says("10 missing 3 too many")
    assert told.says("rejected 7")
    assert told.says("no such plane 7")


def test_acknowledged_workflows_the_server_does_not_know_are_told(tmp_path: Path) -> None:
    """The books do not agree, and the page says by how many."""
    told = report(tmp_path, start(0, 0), start(1, 1), workflow(0, 1.0))
    assert told.says("1 acknowledged, and not known")


def test_where_the_books_disagree_is_told_with_the_place_to_look(tmp_path: Path) -> None:
    """Workflow, step and item, event, attempt and fault of what is wrong; then what the callers never heard of."""
    zombie = Discrepancy(
        kind=DiscrepancyKind.ZOMBIE_WRITE,
        workflow_id="run.slice.0.main",
        event_id=17,
        attempt=1,
        window="worker_paused on worker-1",
        step="load",
        item="3",
        message=f"attempt 1 wrote it {EVIL}",
    )
    unheard = Discrepancy(kind=DiscrepancyKind.UNACKNOWLEDGED, workflow_id="run.slice.1.main", message="no answer")
    told = report(tmp_path, unheard, *[zombie] * 21)
    assert told.says("0 lost, 0 duplicated, 0 phantom, 21 zombie write, 0 uncompensated, 1 unacknowledged")
    assert told.says("zombie write run.slice.0.main · load · 3 17 1 worker_paused on worker-1 attempt 1 wrote it")
    assert told.says("and 1 more: all of them are in discrepancies.jsonl")
    assert told.says("unacknowledged run.slice.1.main")
    assert not report(tmp_path / "other", start(0, 0)).says("Where they disagree")


def test_without_load_every_workflow_and_activity_is_shown(tmp_path: Path) -> None:
    """The slowest and the activities are those of the whole run."""
    told = report(tmp_path, workflow(0, 1.0, *(activity(n, 0, 1, attempts=2, type_=f"a{n}") for n in range(5))))
    assert told.says("slice.0.main")
    assert told.says("Activities over time")
    assert told.says("and 2 other kinds")


def test_under_load_the_slowest_are_those_of_the_load(tmp_path: Path) -> None:
    """A long job beside the load does not hide them."""
    records = [*iteration(0, 0, 0.1), workflow(0, 0.1), workflow(0, 60.0, scenario="whole")]
    told = report(tmp_path, *records, load=LOAD)
    assert told.says("run.slice.0.main")
    assert not told.says("run.whole.0.main")


def test_what_only_warmed_up_is_in_no_figure_of_speed(tmp_path: Path) -> None:
    """Neither in the anatomy, nor among the slowest, nor among activities over time."""
    cold = [replace(op, warm_up=True) for op in iteration(0, 0, 30.0)]
    warm = [op for number in (1, 2, 3) for op in iteration(number, number, 0.1)]
    runs = [
        workflow(0, 30.0, activity(0, 0, 30, type_="cold_chunk")),
        *(workflow(number, 0.1, activity(number, number, number + 0.1), since=number) for number in (1, 2, 3)),
    ]
    told = page(write_run(tmp_path, [*cold, *warm, *runs], load=LOAD, warm_up=0.5))
    assert told.says("What only warmed up is left out.")
    assert told.says("slice 3 workflows Pipeline")
    assert told.says("run.slice.1.main")
    assert not told.says("run.slice.0.main")
    assert not told.says("cold_chunk")


def test_conditions_are_told_with_what_not_to_conclude(tmp_path: Path) -> None:
    """Machine, versions, services with flags, links, commit, caveats, and how to do it again."""
    told = page(whole_run(tmp_path))
    for words in (
        "SQLite dev server: not a production capacity",
        "x86_64, A Processor, family 6, model 85, 2 cores, 8.0 GiB, Linux 6",
        "Python 3.11.9, temporalio 1.35.0",
        "with changes that are not committed",
        "worker-1 to postgres",
        "history.transferProcessorMaxPollRPS=2000",
        "temporal embedded 1.32.0",
        "1.25 s",
        "temper demo --seed 7",
        "seed 7",
    ):
        assert told.says(words), words


def test_a_run_that_went_direct_outside_a_repository_says_so(tmp_path: Path) -> None:
    """An absent link and an absent commit are told, not left blank."""
    bare = msgspec.structs.replace(conditions(), links=(), commit="", services=(), caveats=())
    told = page(write_run(tmp_path, fingerprint=bare))
    assert told.says("none: everything went direct")
    assert told.says("outside a repository")


def test_a_clean_commit_is_told_as_it_is(tmp_path: Path) -> None:
    """Nothing is said of changes where there are none."""
    told = page(write_run(tmp_path, fingerprint=msgspec.structs.replace(conditions(), commit="abc123def456")))
    assert told.says("Commit abc123def456")
    assert not told.says("not committed")


def test_workflow_ids_are_shown_without_the_run_they_all_share(tmp_path: Path) -> None:
    """The prefix is told once, at the end."""
    directory = write_run(tmp_path)
    path = directory / "workflows.jsonl"
    info = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps({**info, "records": {**info["records"], path.name: 1}}))
    run = msgspec.structs.replace(workflow(0, 1.0), workflow_id=f"{directory.name}.slice.0.main")
    path.write_bytes(msgspec.json.encode(run) + b"\n")
    told = page(directory)
    assert told.says("Workflow Type Ended Took Most of it Retries What was retried slice.0.main")


def test_what_the_time_was_spent_on_is_told_for_each_kind_of_workflow(tmp_path: Path) -> None:
    """A sentence, a picture and a table; under load for the scenarios of the load alone."""
    records = [*iteration(0, 0, 0.1), workflow(0, 0.1), workflow(0, 60.0, scenario="whole")]
    told = report(tmp_path, *records, load=LOAD)
    assert told.says("Three quarters (75 %) of a typical slice, which takes 100 ms, is spent executing activities.")
    assert told.says("waiting for a worker a workflow task waits to be picked up 25 ms 25 ms 25 ms 25 ms 25 %")
    assert told.says("from start to close 100 ms 100 ms 100 ms 100 ms 100 %")
    assert not told.says("typical whole")
    assert not told.says("had not closed")


def test_workflows_that_had_not_closed_are_counted_beside_the_anatomy(tmp_path: Path) -> None:
    """The slowest are among them: without them it looks better than it was."""
    told = report(tmp_path, workflow(0, 1.0), workflow(1, None), workflow(2, None), workflow(3, None, scenario="whole"))
    assert told.says("slice 1 workflow Pipeline; 2 more had not closed , and are not in it")


def test_few_workflows_have_a_table_and_no_picture(tmp_path: Path) -> None:
    """Of one or two the table says it all."""
    assert not report(tmp_path, workflow(0, 1.0), workflow(1, 1.0)).says("From the fastest workflow to the slowest")
    assert report(tmp_path, *(workflow(n, 1.0) for n in range(3))).says("From the fastest workflow to the slowest")


def test_kinds_of_workflows_beyond_the_first_are_counted(tmp_path: Path) -> None:
    """Those that took most time together are shown."""
    told = report(tmp_path, *(workflow(0, n + 1.0, scenario=f"s{n}") for n in range(MOST_KINDS + 2)))
    assert told.says("of a typical s2,")
    assert not told.says("of a typical s1,")
    assert told.says("Of 2 further kinds of workflow")


def test_the_slowest_lead_to_temporals_ui(tmp_path: Path) -> None:
    """Each to its history, and the page says for how long; where the address is not known, it says that."""
    told = page(write_run(tmp_path, [workflow(0, 2.0)], fingerprint=conditions()))
    assert "http://127.0.0.1:8233/namespaces/default/workflows/run.slice.0.main/r/history" in told.addresses
    assert told.says("which ended with the run and took its histories with it")
    assert told.says("activity execution, 75 %")
    without = report(tmp_path, workflow(0, 2.0))
    assert not [address for address in without.addresses if "workflows" in address]
    assert without.says("No links to Temporal's UI")
