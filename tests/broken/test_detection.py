"""What finds the planted bugs is recorded, and the page says what the record does."""

from pathlib import Path

import detection
import msgspec
import pytest
from bugs import BUGS
from detection import (
    CHECK,
    EXPERIMENTS,
    NOT_FOUND,
    OWN,
    PAGE,
    RESULTS,
    ROOT,
    Detection,
    Record,
    Shrunk,
    experiment_of,
    is_classed,
    kept,
    page,
    recorded,
)

from harness.records.run import NotARun, Run, latest

FEWEST_BY_EXPERIMENT = 10
MOST_FAULTS_LEFT = 2


def test_the_page_says_what_is_recorded() -> None:
    """It is written by `nox -s detection`."""
    assert PAGE.read_text(encoding="utf-8") == page(recorded())


def test_every_bug_of_the_catalogue_was_sought_and_found() -> None:
    """At least ten of them by an experiment, and with a message."""
    found = recorded().found
    assert [each.bug for each in found] == [bug.name for bug in BUGS]
    assert [each.bug for each in found if each.by == NOT_FOUND or not each.message] == []
    assert {each.bug for each in found if each.by != CHECK} == {*EXPERIMENTS}
    assert len(EXPERIMENTS) >= FEWEST_BY_EXPERIMENT


def test_no_experiment_finds_anything_in_the_system_as_it_is() -> None:
    """Each that finds a bug was run on it as well."""
    sound = recorded().sound
    assert {*sound} == {*EXPERIMENTS.values()}
    assert {name: verdict for name, verdict in sound.items() if verdict != "valid"} == {}


def test_what_an_experiment_found_is_classed_as_the_catalogue_says() -> None:
    """A finding of another kind would be of something else."""
    found = {each.bug: each for each in recorded().found}
    misjudged = {
        bug.name: found[bug.name].classes
        for bug in BUGS
        if bug.name in EXPERIMENTS and not is_classed(bug, found[bug.name].classes)
    }
    assert misjudged == {}


def test_what_was_found_in_other_sources_counts_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A record is of one state of the sources; an example of shrinking stays one."""
    monkeypatch.setattr(detection, "RECORD", tmp_path / "detection.json")
    now = kept()
    assert (now.found, now.sound, now.seeds) == ([], {}, 3)
    found = Detection(bug="lost", by="cut", checks=(), classes=(), seconds=1.5, message="gone")
    shrunk = Shrunk(bug="lost", experiment="cut", seed=1, drawn=("a", "b", "c"), left=("a",))
    then = msgspec.structs.replace(now, found=[found], sound={"cut": "valid"}, shrunk=[shrunk])
    (tmp_path / "detection.json").write_bytes(msgspec.json.encode(then))
    assert kept() == then
    (tmp_path / "detection.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(then, sources="others")))
    assert kept() == msgspec.structs.replace(now, shrunk=[shrunk])


def test_what_a_seed_drew_was_shrunk_to_two_faults_at_most() -> None:
    """The bug is one of the catalogue's."""
    shrunk = recorded().shrunk
    assert shrunk
    assert {each.bug for each in shrunk} <= {bug.name for bug in BUGS}
    assert all(len(each.left) <= MOST_FAULTS_LEFT < len(each.drawn) for each in shrunk)


def test_a_run_with_a_planted_bug_is_put_to_no_gate(tmp_path: Path) -> None:
    """Whoever takes all runs in results, as `nox -s summary` does, or the newest, finds none of them."""
    results = tmp_path / "results"
    Run.create(tmp_path / RESULTS.relative_to(ROOT), kind="chaos", title="", target="", seed=1, command="").close()
    assert list(results.rglob("run.json"))
    assert not list(results.glob("*/run.json"))
    with pytest.raises(NotARun):
        latest(results)


@pytest.mark.parametrize("name", sorted({*EXPERIMENTS.values(), *(path.name for path in OWN.glob("*.toml"))}))
def test_every_experiment_can_be_run(name: str) -> None:
    """It is read, and says what it expects."""
    assert experiment_of(name).expect


def test_a_page_tells_what_was_not_found() -> None:
    """It is not counted among those that were."""
    found = Detection(bug="lost", by=NOT_FOUND, checks=(), classes=(), seconds=1.5, message="")
    told = page(Record(found=[found]))
    assert "0 were found by an experiment" in told
    assert "| `lost` | not found |  | — | 1.5 |" in told
