"""The gate as JUnit XML: red exactly where the gate is shut."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from handwritten_runs import EVIL, conditions, cut, judged, measured, whole_run, write_run

from harness.records.verdicts import Verdict
from reports.gate import GateResult, gate_of
from reports.junit import junit
from reports.objectives import Policy, policy

JUDGED = [judged("nothing lost"), judged("nothing doubled")]
LOST = [judged("nothing lost", Verdict.INVALID, 2), judged("nothing doubled")]
HARD = [*JUDGED, cut(1, 2), measured("worker_startup", 1.0), measured("workflow_overhead", 20.0, unit="ms")]
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "property": [],
    "testcase": ["skipped", "error", "failure", "system-out"],
    "skipped": [],
    "error": [],
    "failure": [],
    "system-out": [],
}
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "skipped": {"type", "message"},
    "error": {"type", "message"},
    "failure": {"type", "message"},
}


def parsed(result: GateResult) -> ET.Element:
    """The document, which has what readers of JUnit XML know, in the order in which they want it, and nothing else."""
    root = ET.fromstring(junit(result))  # what we wrote ourselves
    for element in root.iter():
        order = CHILDREN[element.tag]
        places = [order.index(child.tag) for child in element]
        assert places == sorted(places)
        assert set(element.keys()) <= ATTRIBUTES.get(element.tag, set())
    for suite in root:
        cases = suite.findall("testcase")
        counted = {"tests": len(cases)} | {
            name: sum(case.find(tag) is not None for case in cases)
            for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
        }
        assert {name: int(suite.attrib[name]) for name in counted} == counted
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root


def red(result: GateResult) -> bool:
    root = parsed(result)
    return int(root.attrib["failures"]) + int(root.attrib["errors"]) > 0


def runs(tmp_path: Path, names: Sequence[str]) -> list[Path]:
    """One of each of these."""
    written = {
        "whole": lambda: whole_run(tmp_path),
        "part": lambda: whole_run(tmp_path, ended=False),
        "bare": lambda: write_run(tmp_path, [*JUDGED, cut(1, 2)], kind="demo"),
        "no aims": lambda: write_run(tmp_path, HARD, kind="demo"),
        "missed": lambda: write_run(tmp_path, [*HARD, measured("bare_worker_startup", 0.1)], kind="demo"),
        "good": lambda: write_run(tmp_path, JUDGED, kind="scenario"),
        "lost": lambda: write_run(tmp_path, LOST, kind="scenario"),
        "blind": lambda: write_run(tmp_path, JUDGED[:1], kind="scenario"),
        "trial": lambda: write_run(tmp_path, JUDGED, kind="trial"),
        "gone": lambda: tmp_path / "gone",
    }
    return [written[name]() for name in names]


@pytest.mark.parametrize(
    "names",
    [
        ["whole"], ["good"], ["lost"], ["blind"], ["trial"], ["part"], ["bare"], ["no aims"], ["missed"],
        ["whole", "bare"], ["whole", "lost"], ["whole", "blind"], ["whole", "trial"], ["good", "part"],
        ["good", "gone"],
    ],
)  # fmt: skip
def test_it_is_red_exactly_where_the_gate_is_shut(tmp_path: Path, names: list[str]) -> None:
    """Strict or not, complete or not, whatever is wrong."""
    directories = runs(tmp_path, names)
    for strict in (False, True):
        for complete in (False, True):
            result = gate_of(directories, strict=strict, complete=complete)
            assert red(result) is (result.overall is not Verdict.VALID), (strict, complete)


def test_what_is_asked_of_another_kind_of_run_answers_for_nothing(tmp_path: Path) -> None:
    """Two objectives may be alike but for their kinds: that the one holds does not open the gate for the other."""
    path = tmp_path / "objectives.toml"
    alike = '[[objective]]\nmetric = "lost"\ntitle = "Lost"\nequals = 0\nhard = true\n'
    path.write_text(f'{alike}kinds = ["scenario"]\n{alike}kinds = ["demo"]\n')
    unknown = write_run(tmp_path, [judged("nothing doubled")], kind="scenario")
    result = gate_of([unknown, whole_run(tmp_path)], by=policy(path))
    assert result.overall is Verdict.UNKNOWN
    assert red(result)


def test_without_a_run_it_is_red() -> None:
    """An empty report would be taken for a good one."""
    assert red(gate_of([]))


def case(root: ET.Element, title: str) -> ET.Element:
    return next(each for each in root.iter("testcase") if title in each.attrib["name"])


def test_each_run_is_a_suite_and_each_objective_a_case(tmp_path: Path) -> None:
    """What failed says what was measured and what must be; the suite says under what conditions."""
    lost = write_run(tmp_path, LOST, kind="scenario", fingerprint=conditions())
    root = parsed(gate_of([whole_run(tmp_path), lost]))
    suite = root[1]
    assert suite.attrib["name"] == lost.name
    assert suite.attrib["timestamp"][4] == "-"
    told = {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")}
    assert told["verdict"] == "invalid"
    assert told["commit"] == "abc123def456+"
    failure = case(suite, "Operations and rows lost").find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "fails", "message": "2 (10 looked at), must be 0"}
    assert case(root, "Worker start-up, spawn").findtext("system-out") == (
        "1.5 s (median 1 s, n=3)\nmeasured by: temper demo --seed 7"
    )


def test_what_does_not_shut_the_gate_is_skipped_with_a_reason(tmp_path: Path) -> None:
    """A missed aim, an aim nobody measured, what another run measured, and what is waived."""
    path = tmp_path / "objectives.toml"
    path.write_text('extends = true\n[[waiver]]\nmetric = "lost"\nreason = "why"\nuntil = 2026-12-31\n')
    lost = write_run(tmp_path, [*LOST, cut(1, 2)], kind="demo")
    root = parsed(gate_of([whole_run(tmp_path), lost], by=policy(path), today=date(2026, 12, 1)))
    waived = case(root[1], "Operations and rows lost").find("skipped")
    elsewhere = case(root[1], "Worker start-up, spawn").find("skipped")
    assert waived is not None
    assert waived.attrib["message"] == "waived until 2026-12-31: why; 2 (10 looked at), must be 0"
    assert elsewhere is not None
    assert elsewhere.attrib["type"] == "unknown"
    bare = parsed(gate_of([lost], by=Policy(objectives=policy().objectives)))
    assert case(bare, "Worker start-up, spawn").find("error") is not None
    assert case(bare, "Platform overhead").find("skipped") is not None
    missed = case(parsed(gate_of(runs(tmp_path, ["missed"]))), "Worker start-up, median").find("skipped")
    assert missed is not None
    assert missed.attrib["type"] == "aim missed"


def test_what_nobody_measured_has_a_suite_of_its_own(tmp_path: Path) -> None:
    """With what measures it."""
    root = parsed(gate_of([whole_run(tmp_path)], complete=True))
    assert root[1].attrib["name"] == "not measured by any run"
    assert "measured by: temper load soak" in str(case(root[1], "Figures that grow").findtext("system-out"))


def test_recorded_words_cannot_break_the_document(tmp_path: Path) -> None:
    """Tags stay words, and what XML cannot hold is a question mark."""
    nasty = f"{EVIL} \x00\x1b]]>\ufffe"
    root = parsed(gate_of([write_run(tmp_path, JUDGED, kind="scenario", title=nasty)]))
    assert next(root.iter("property")).attrib["value"] == f"{EVIL} ??]]>?"
