"""Waivers are read from objectives.toml, and told on every face."""

import json
from datetime import date
from pathlib import Path

import pytest
from handwritten_runs import judged, write_run

from harness.records.verdicts import Verdict
from reports.gate import GateResult, gate_of, to_json
from reports.html import write_report
from reports.markdown import markdown
from reports.objectives import BadObjectives, policy
from reports.sentence import answer_of
from reports.terminal import text

LOST = '[[objective]]\nmetric = "lost"\ntitle = "Lost"\nequals = 0\nhard = true\nkinds = ["scenario"]\n'
DOUBLED = LOST.replace("lost", "doubled").replace("Lost", "Doubled")
WAIVER = '[[waiver]]\nmetric = "lost"\nreason = "the bus drops two, a fix is due"\nuntil = 2026-12-31\n'
TODAY = date(2026, 12, 1)


def result(tmp_path: Path, toml: str, *, today: date = TODAY, lost: int = 2) -> GateResult:
    """The gate over a run that lost so much, by these objectives and waivers."""
    path = tmp_path / "objectives.toml"
    path.write_text(toml)
    found = judged("nothing lost", Verdict.INVALID if lost else Verdict.VALID, lost)
    return gate_of(
        [write_run(tmp_path, [found, judged("nothing doubled")], kind="scenario")], by=policy(path), today=today
    )


def test_every_face_says_that_a_failure_is_waived(tmp_path: Path) -> None:
    """With the reason, and until when; the gate is open."""
    waived = result(tmp_path, LOST + DOUBLED + WAIVER)
    assert waived.overall is waived.runs[0].verdict is Verdict.VALID
    told = "until 2026-12-31: the bus drops two, a fix is due"
    assert str(answer_of(waived)) == (
        f"May we ship? Yes: 1 hard objective holds, and the rest are waived. One is waived: Lost (fails; {told})."
    )
    assert f"Lost: waived {told}" in text(waived)
    assert "fails, waived" in text(waived)
    assert "| hard | ⚠️ fails, waived |" in markdown(waived)
    assert f"- Lost: waived {told}" in markdown(waived)
    assert [each["waived"] for each in json.loads(to_json(waived))["objectives"]] == [told, ""]


def test_every_face_says_that_a_waiver_has_expired(tmp_path: Path) -> None:
    """The gate is shut."""
    expired = result(tmp_path, LOST + WAIVER, today=date(2027, 1, 1))
    assert expired.overall is Verdict.INVALID
    told = "its waiver expired on 2026-12-31: the bus drops two, a fix is due"
    assert f"Lost (2, must be 0; {told})" in str(answer_of(expired))
    assert f"Lost: {told}" in text(expired)
    assert f"- Lost: {told}" in markdown(expired)
    assert json.loads(to_json(expired))["objectives"][0]["note"] == told


def test_a_waiver_that_is_not_needed_is_told(tmp_path: Path) -> None:
    """Of a run in which nothing was lost."""
    fine = result(tmp_path, LOST + WAIVER, lost=0)
    assert fine.overall is Verdict.VALID
    assert "Lost: its waiver until 2026-12-31 is not needed" in text(fine)
    assert fine.runs[0].objectives[0].note


def test_a_waiver_that_one_run_needs_is_needed(tmp_path: Path) -> None:
    """Though in another the objective holds."""
    path = tmp_path / "objectives.toml"
    path.write_text(LOST + WAIVER)
    runs = [
        write_run(tmp_path, [judged("nothing lost", verdict, number)], kind="scenario")
        for verdict, number in ((Verdict.INVALID, 2), (Verdict.VALID, 0))
    ]
    both = gate_of(runs, by=policy(path), today=TODAY)
    assert both.overall is Verdict.VALID
    (lost,) = both.objectives
    assert (lost.run, bool(lost.waived), lost.note) == (runs[0].name, True, "")


def test_what_nobody_measured_can_be_waived(tmp_path: Path) -> None:
    """In a complete table too, where no run is of its kind."""
    soak = DOUBLED.replace('"scenario"', '"soak"') + WAIVER.replace("lost", "doubled")
    path = tmp_path / "objectives.toml"
    path.write_text(LOST + soak)
    run = write_run(tmp_path, [judged("nothing lost")], kind="scenario")
    assert gate_of([run], complete=True, by=policy(path), today=TODAY).overall is Verdict.VALID
    assert gate_of([run], complete=True, by=policy(path), today=date(2027, 1, 1)).overall is Verdict.UNKNOWN


def test_the_page_says_so_too(tmp_path: Path) -> None:
    """Of one that lets pass, of one that has expired, and of one that is not needed."""
    path = tmp_path / "objectives.toml"
    endless, old = WAIVER.replace("2026-12-31", "9999-12-31"), WAIVER.replace("2026-12-31", "2020-01-31")
    for lost, waiver, told in (
        (2, endless, "until 9999-12-31: the bus drops two"),
        (2, old, "its waiver expired on 2020-01-31: the bus drops two"),
        (0, endless, "its waiver until 9999-12-31 is not needed"),
    ):
        path.write_text(LOST + waiver)
        found = judged("nothing lost", Verdict.INVALID if lost else Verdict.VALID, lost)
        page = write_report(write_run(tmp_path, [found], kind="scenario"), policy(path)).read_text(encoding="utf-8")
        assert told in page.partition('id="objectives"')[2]


@pytest.mark.parametrize(
    ("waiver", "told"),
    [
        (WAIVER.replace("until = 2026-12-31\n", ""), "waiver 1: Object missing required field `until`"),
        (WAIVER.replace("2026-12-31", '"next year"'), r"waiver 1: Invalid RFC3339 .* at `\$.until`"),
        (WAIVER.replace("2026-12-31", "3"), "waiver 1: Expected `date`"),
        (WAIVER.replace('reason = "the bus drops two, a fix is due"\n', ""), "missing required field `reason`"),
        (WAIVER.replace("the bus drops two, a fix is due", ""), "waiver 1: the waiver of 'lost' has no reason"),
        (WAIVER.replace('"lost"', '"doubled"'), "waiver 1: no objective is for 'doubled'; there are some for lost"),
        (WAIVER + WAIVER + 'verdict = "holds"\n', "waiver 2: Invalid enum value 'holds'"),
        (WAIVER + "unti = 3\n", r"unknown field `unti` \(known keys: metric, reason, until, verdict\)"),
        ("[waiver]\nmetric = 3\n", "expected .* and \\[\\[waiver\\]\\] tables"),
    ],
)
def test_a_wrong_waiver_is_refused(tmp_path: Path, waiver: str, told: str) -> None:
    """The error names the file, the entry and what is wrong with it."""
    path = tmp_path / "objectives.toml"
    path.write_text(LOST + waiver)
    with pytest.raises(BadObjectives, match=told) as refused:
        policy(path)
    assert str(path) in str(refused.value)
