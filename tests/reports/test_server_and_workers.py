"""The report shows what server and workers measured, what to change, and what each process used."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

from handwritten_runs import BEGIN, activity, cut, iteration, workflow, write_run
from handwritten_samples import counted, flat, healthy, scraped
from msgspec import Struct
from msgspec.structs import replace

from harness.checking.advice import TuningVerdict
from harness.records import samples as names
from harness.records.faults import FaultWindow
from harness.records.run import Recorded
from harness.records.samples import CLIENT, MACHINE, series
from harness.records.workflows import Activity, WorkflowRun, WorkflowTask
from reports.html import write_report
from reports.sparks import spark
from reports.timeline import Span
from reports.tuning import Tuning, tuning_of

FREE = series(names.SLOTS_AVAILABLE, worker_type="WorkflowWorker")


def section(tmp_path: Path, *records: Struct, windows: tuple[FaultWindow, ...] = ()) -> Tuning | None:
    recorded = Recorded(write_run(tmp_path, records))
    frames = recorded.frames(WorkflowRun)
    return tuning_of(recorded, frames[WorkflowTask], frames[Activity], windows)


def text(tmp_path: Path, *records: Struct) -> str:
    words = write_report(write_run(tmp_path, records)).read_text(encoding="utf-8")
    return " ".join(words.partition('<section id="tuning">')[2].partition("</section>")[0].split())


def test_what_was_not_sampled_is_told(tmp_path: Path) -> None:
    """No table of zeros."""
    assert section(tmp_path) is None
    assert "nothing was sampled beside this run" in text(tmp_path)


def test_a_threshold_that_is_breached_says_what_to_change(tmp_path: Path) -> None:
    """How many are, which, the setting, and that the gate does not mind."""
    told = text(tmp_path, *scraped("worker-1", {FREE: 3.0}, {FREE: 0.0}, {FREE: 2.0}))
    assert "1 threshold is breached" in told
    assert "Raise max_concurrent_workflow_tasks" in told
    assert "the least of 3 looks at a worker; 1 found none" in told
    assert "8 are unknown" in told
    assert "never closes the gate" in told


def test_what_was_seen_while_it_warmed_up_is_no_advice(tmp_path: Path) -> None:
    """No slot was free in the first five seconds, and the only activity that waited was of a cold iteration."""
    waited = replace(activity(0, 0, 4, type_="cold"), started=BEGIN + 3)
    records = [
        *(replace(op, warm_up=True) for op in iteration(0, 0, 4.0)),
        *iteration(1, 6, 0.1),
        workflow(0, 4.0, waited),
        workflow(1, 0.1, activity(1, 6, 6.1), since=6),
        *scraped("worker-1", {FREE: 0.0}, {FREE: 2.0}, every=6.0),
    ]
    run = write_run(tmp_path, records, load={"slice": (0.2, 10.0)}, warm_up=5.0)
    words = " ".join(write_report(run).read_text(encoding="utf-8").partition('<section id="tuning">')[2].split())
    assert "exact, of 1 activities that needed one attempt" in words
    assert "the least of 1 looks at a worker" in words
    assert "None is breached" in words


def test_where_all_is_well_nothing_is_to_be_changed(tmp_path: Path) -> None:
    """Every threshold has its figure."""
    found = section(tmp_path, *healthy())
    assert found is not None
    assert {advice.verdict for advice in found.advice} == {TuningVerdict.OK}
    assert "None is breached. This is advice" in text(tmp_path, *healthy())


def test_processes_are_in_one_column_on_one_scale_and_the_machine_comes_last(tmp_path: Path) -> None:
    """The load's own process is among them."""
    used = [
        *counted(MACHINE, names.MEMORY, 2.0**33),
        *counted(CLIENT, names.MEMORY, 2.0**20),
        *counted("temporal", names.MEMORY, 2.0**22, 2.0**22),
    ]
    found = section(tmp_path, *used)
    assert found is not None
    assert [process.source for process in found.processes] == ["temporal", CLIENT, MACHINE]
    first = found.processes[0].memory
    assert first is not None
    assert (first.typical, first.extreme) == ("4 MiB", "4 MiB")
    assert found.processes[0].cpu is None


def test_an_endpoint_that_did_not_answer_is_told(tmp_path: Path) -> None:
    """How often, of how many looks."""
    told = text(tmp_path, *flat(scraped("worker-1", {}, None, None), scraped("temporal", {}, {})))
    assert "The metrics of worker-1 could not be read 2 of 3 times" in told
    assert "The metrics of temporal" not in told


def test_sync_matches_are_shown_from_look_to_look(tmp_path: Path) -> None:
    """In per cent, the least of them told."""
    whole, part = (series(name, task_type="Workflow") for name in (names.POLL_SUCCESS, names.POLL_SUCCESS_SYNC))
    looks = [{whole: 0.0, part: 0.0}, {whole: 10.0, part: 9.0}, {whole: 20.0, part: 19.0}]
    found = section(tmp_path, *scraped("temporal", *looks, every=5))
    assert found is not None
    [gauge] = found.gauges
    assert (gauge.source, gauge.plotted.typical, gauge.extreme, gauge.plotted.extreme) == (
        "temporal", "90 %", "least", "90 %",
    )  # fmt: skip


def test_a_picture_shades_faults_and_says_in_words_what_it_shows() -> None:
    """Zero is at the bottom, the scale's most at the top, the limit between."""
    window = cut(2, 4)
    points = [(1_000.0, 0.0), (1_010.0, 50.0)]
    span = Span(since=1_000.0, until=1_010.0)
    svg = fromstring(spark("cpu of <b>", points, span, 100.0, windows=[window], limit=50.0, described="all of it"))
    by_class = {element.get("class"): element for element in svg.iter() if element.get("class")}
    assert svg.findtext("desc") == "all of it"
    assert by_class["line spark"].get("d") == "M3 37L297 20"
    assert by_class["limit"].get("y1") == "20"
    assert (by_class["fault"].get("x"), by_class["fault"].get("width")) == ("61.8", "58.8")
