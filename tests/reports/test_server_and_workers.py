"""The report shows what server and workers measured, what to change, and what each process used."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

from handwritten_runs import cut, write_run
from handwritten_samples import counted, flat, healthy, scraped
from msgspec import Struct

from harness.checking.advice import TuningVerdict
from harness.records import samples as names
from harness.records.faults import FaultWindow
from harness.records.run import Recorded
from harness.records.samples import CLIENT, MACHINE, series
from reports.html import write_report
from reports.sparks import spark
from reports.timeline import Span
from reports.tuning import Tuning, tuning_of

FREE = series(names.SLOTS_AVAILABLE, worker_type="WorkflowWorker")


def section(tmp_path: Path, *records: Struct, windows: tuple[FaultWindow, ...] = ()) -> Tuning | None:
    return tuning_of(Recorded(write_run(tmp_path, records)), windows)


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
