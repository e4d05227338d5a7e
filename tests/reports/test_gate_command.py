"""`temper gate` and `temper report`: what they print and write, and how they end."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from commands import ROOT, SMALL, Here
from handwritten_runs import cut, judged, whole_run, write_run
from pages import Page

from harness.records.verdicts import Verdict
from reports.metrics import metrics
from reports.objectives import load

JUDGED = [judged("nothing lost"), judged("nothing doubled")]
OWN = 'name = "mine"\nobjectives = "own/objectives.toml"\n'
LOST = '[[objective]]\nmetric = "lost"\ntitle = "Mine"\nat_most = 2\nhard = true\nkinds = ["scenario"]\n'


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return whole_run(tmp_path / "results")


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """One that lost two."""
    return write_run(tmp_path / "results", [judged("nothing lost", Verdict.INVALID, 2), JUDGED[1]], kind="scenario")


def own(tmp_path: Path, objectives: str) -> None:
    """Objectives of one's own, and a temper.toml that names them."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/objectives.toml").write_text(objectives)
    (tmp_path / "temper.toml").write_text(OWN)


def test_a_good_run_ends_with_0_and_a_bad_one_with_1(here: Here, good: Path, lost: Path) -> None:
    """Of both together the worst counts, in one table, which a pipe gets without colours and without broken lines."""
    assert here("gate", good.name).code == 0
    assert here("gate", lost.name).code == 1
    both = here("gate", good.name, lost.name)
    assert both.code == 1
    assert both.out.count("Operations and rows lost") == 2  # in the table, and in the sentence below it
    assert "\x1b" not in both.out
    assert len(max(both.out.splitlines(), key=len)) > 120


def test_all_faces_are_had_at_once(here: Here, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON on standard output, JUnit XML in a file whose directory is made, Markdown behind what is in the summary."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ended = here("gate", good.name, "--json", "--junit", "out/gate.xml", "--summary")
    assert ended.code == 0
    assert json.loads(ended.out)["overall"] == "valid"
    assert ET.parse(tmp_path / "out/gate.xml").getroot().attrib["failures"] == "0"
    assert summary.read_text().startswith("before\n## May we ship? Yes\n")
    assert here("gate", good.name, "--markdown").out.startswith("## May we ship? Yes\n")


def test_the_report_is_written_in_the_reading_that_judges(here: Here, good: Path, lost: Path, tmp_path: Path) -> None:
    """What is known of a run is computed once for both; of several runs it is their page, as where all is asked for."""
    metrics.cache_clear()
    assert here("gate", good.name, "--html", "one.html").code == 0
    assert metrics.cache_info().misses == 1
    assert Page((tmp_path / "one.html").read_text()).says("May we ship? Yes.")
    ended = here("gate", good.name, lost.name, "--html", "two.html")
    assert ended.code == 1
    assert "Operations and rows lost" in ended.out
    assert Page((tmp_path / "two.html").read_text()).says("2 runs together")
    assert here("gate", good.name, "--complete", "--html", "all.html").code == 1
    assert Page((tmp_path / "all.html").read_text()).says("May we ship? Not known.")
    assert "Name a file with --html FILE." in here("gate", good.name, "--html", "no/page.html").err


def test_outside_of_a_ci_job_there_is_no_summary(here: Here, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is said, and is no failure: a laptop runs what CI runs."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    ended = here("gate", good.name, "--summary")
    assert ended.code == 0
    assert "GITHUB_STEP_SUMMARY names no file" in ended.err


def test_a_file_that_cannot_be_written_is_told(
    here: Here, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it would take an old one for this."""
    (tmp_path / "taken").mkdir()
    ended = here("gate", good.name, "--junit", "taken")
    assert (ended.code, "taken cannot be written: Is a directory." in ended.err) == (2, True)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none/summary.md"))
    ended = here("gate", good.name, "--summary")
    assert (ended.code, "summary.md cannot be written: No such file" in ended.err) == (2, True)


def test_a_complete_gate_names_what_nobody_measured(here: Here, good: Path) -> None:
    """With the command that does."""
    ended = here("gate", good.name, "--complete")
    assert ended.code == 1
    assert "not measured: temper load soak" in ended.out


def test_it_proves_itself(here: Here) -> None:
    """Without a run; by the objectives of the target, where it has its own."""
    ended = here("gate", "--self-test")
    assert ended.code == 0, ended.out
    assert ended.out.rstrip().endswith(f"All {len(load())} objectives fail where they must.")


def test_what_cannot_fail_is_told_by_the_self_test(here: Here, tmp_path: Path) -> None:
    """A drift, of a run that is no soak, is never known."""
    own(tmp_path, LOST.replace("lost", "drifting"))
    ended = here("gate", "--self-test")
    assert ended.code == 1
    assert "1 of 1 objectives are not proven to fail." in ended.out


def test_a_target_has_objectives_of_its_own(here: Here, lost: Path, tmp_path: Path) -> None:
    """In place of ours, in the report as at the gate; without them ours count, whatever else temper.toml says."""
    own(tmp_path, LOST)
    ended = here("gate", lost.name)
    assert ended.code == 0, ended
    assert "Mine" in ended.out
    assert "Invariants not valid" not in ended.out
    assert here("report", lost.name).code == 0
    assert "Yes" in (lost / "report.html").read_text().partition("<title>")[2][:10]
    (tmp_path / "temper.toml").write_text('name = "mine"\n')
    assert here("gate", lost.name).code == 1


def test_objectives_of_ones_own_may_stand_beside_ours(here: Here, lost: Path, tmp_path: Path) -> None:
    """One takes the place of ours of the same metric and weight; the others stay."""
    own(tmp_path, "extends = true\n" + LOST)
    ended = here("gate", lost.name)
    assert ended.code == 1
    assert "Operations and rows lost" not in ended.out
    assert "1 of 3 hard objectives failed: Invariants not valid (1, must be 0)" in ended.out


def test_a_waiver_of_ones_own_lets_pass_until_it_expires(here: Here, lost: Path, tmp_path: Path) -> None:
    """By today's date."""
    today = datetime.now(tz=UTC).date()
    waiver = '[[waiver]]\nmetric = "{}"\nreason = "known"\nuntil = {}\n'
    waivers = [waiver.format(metric, today + timedelta(days=2)) for metric in ("lost", "invariants_not_valid")]
    own(tmp_path, "extends = true\n" + "".join(waivers))
    assert here("gate", lost.name).code == 0
    past = (tmp_path / "own/objectives.toml").read_text().replace(str(today + timedelta(days=2)), "2020-01-31")
    (tmp_path / "own/objectives.toml").write_text(past)
    ended = here("gate", lost.name)
    assert ended.code == 1
    assert "its waiver expired on 2020-01-31: known" in ended.out


@pytest.mark.parametrize(
    ("objectives", "told"),
    [
        (LOST.replace("lost", "losd"), "objectives.toml: objective 1: no metric is called 'losd'"),
        ("extends = 3\n", "expected [[objective]]"),
        ("= x", "objectives.toml: Invalid"),
    ],
)
def test_wrong_objectives_of_ones_own_are_told(
    here: Here, good: Path, tmp_path: Path, objectives: str, told: str
) -> None:
    """Before anything is judged."""
    own(tmp_path, objectives)
    for verb in ("gate", "report"):
        ended = here(verb, good.name)
        assert ended.code == 2
        assert told in ended.err


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (OWN, "own/objectives.toml: there is no such file"),
        ("objectives = 3\n", "Expected `str | null`"),
        ("= x", "temper.toml: "),
    ],
)
def test_a_temper_toml_that_names_no_objectives_is_told(
    here: Here, good: Path, tmp_path: Path, toml: str, told: str
) -> None:
    """Judging by others in their place would be a lie."""
    (tmp_path / "temper.toml").write_text(toml)
    ended = here("gate", good.name)
    assert (ended.code, told in ended.err) == (2, True), ended.err


def test_a_run_is_not_begun_whose_objectives_cannot_be_read(here: Here, tmp_path: Path) -> None:
    """It would end without a verdict."""
    described = SMALL.format(queue="none", tests=ROOT / "tests")
    (tmp_path / "temper.toml").write_text('objectives = "mine.toml"\n' + described)
    ended = here("scenario", "run", "--all")
    assert (ended.code, "mine.toml: there is no such file" in ended.err) == (2, True), ended.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("verb", ["gate", "report"])
def test_of_damaged_runs_the_good_ones_are_shown(here: Here, good: Path, tmp_path: Path, verb: str) -> None:
    """And what is wrong with the others; none that can be read is no verdict at all."""
    bad = write_run(tmp_path / "results", [*JUDGED, cut(1, 2)])
    (bad / "run.json").write_text("")
    some, none = here(verb, good.name, bad.name), here(verb, bad.name, "gone")
    assert (some.code, none.code) == (1, 2)
    assert (tmp_path / "report.html" if verb == "report" else good).exists()
    assert "report.html" in some.out if verb == "report" else good.name in some.out
    assert "Input data was truncated" in some.out + some.err
    for told in ("Input data was truncated", "results/gone is not a run"):
        assert told in none.err
    assert "Traceback" not in some.err + none.err


def test_a_report_that_cannot_be_written_is_told(here: Here, good: Path) -> None:
    """With what to do."""
    (good / "report.part").mkdir()
    ended = here("report", good.name)
    assert (ended.code, "report.part: Is a directory.\nName another file with -o FILE." in ended.err) == (2, True)


def test_a_run_with_times_beyond_all_measure_has_no_report(here: Here, good: Path) -> None:
    """There is no plot that could show them."""
    path = good / "operations.jsonl"
    lines = path.read_text().splitlines()
    operation = json.loads(lines[1]) | {"acknowledged": -1e308}
    path.write_text("\n".join([lines[0], json.dumps(operation), *lines[2:]]) + "\n")
    ended = here("report", good.name)
    assert (ended.code, "Traceback" in ended.err) == (2, False)
    assert f"{good.name} has times or figures that no page can show" in ended.err
