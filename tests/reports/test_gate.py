"""The gate: the worst wins, what is unknown is never a pass, and each face tells the same."""

import json
from pathlib import Path

import pytest
from handwritten_runs import EVIL, judged, whole_run, write_run

from harness.records.run import NotARun, Recorded
from harness.records.verdicts import Verdict
from reports.gate import gate_of, to_json
from reports.markdown import markdown
from reports.sentence import answer
from reports.terminal import judgement_text, rows_text, text

JUDGED = [judged("nothing lost"), judged("nothing doubled")]
LOST = [judged("nothing lost", Verdict.INVALID, 2), judged("nothing doubled")]


def said(directory: Path, *, strict: bool = False) -> str:
    return str(answer(gate_of([directory], strict=strict).runs[0]))


def test_a_run_in_which_all_holds_may_ship(tmp_path: Path) -> None:
    """Also strictly, for everything was measured."""
    directory = whole_run(tmp_path)
    assert gate_of([directory], strict=True).overall is Verdict.VALID
    assert said(directory) == "May we ship? Yes: all 7 hard objectives hold. All 4 aims are reached."


def test_a_broken_hard_objective_closes_the_gate(tmp_path: Path) -> None:
    """The sentence says which, with its figure and its threshold."""
    directory = write_run(tmp_path, LOST, kind="scenario")
    assert gate_of([directory]).overall is Verdict.INVALID
    assert said(directory) == (
        "May we ship? No: 2 of 3 hard objectives failed: Operations and rows lost (2, must be 0); "
        "Invariants not valid (1, must be 0)."
    )


def test_an_unmeasured_hard_objective_is_not_known(tmp_path: Path) -> None:
    """Nothing failed, and still nobody may say yes."""
    directory = write_run(tmp_path, [judged("nothing lost")], kind="scenario")
    assert gate_of([directory]).overall is Verdict.UNKNOWN
    assert said(directory) == "May we ship? Not known: 1 of 3 hard objectives could not be judged: Effects doubled."


def test_failed_and_unknown_are_both_told(tmp_path: Path) -> None:
    """The failure first, then what is not known."""
    sentence = said(write_run(tmp_path, [judged("nothing lost", Verdict.INVALID, 1)], kind="scenario"))
    assert sentence.index("Operations and rows lost") < sentence.index("could not be judged: Effects doubled")


def test_only_a_strict_gate_wants_the_aims_measured(tmp_path: Path) -> None:
    """An aim nobody measured leaves the plain gate open and the strict one not known."""
    directory = whole_run(tmp_path)
    lines = (directory / "measurements.jsonl").read_text().splitlines()
    kept = [line for line in lines if "copy_throughput" not in line]
    (directory / "measurements.jsonl").write_text("\n".join(kept) + "\n")
    info = json.loads((directory / "run.json").read_text())
    info["records"]["measurements.jsonl"] = len(kept)
    (directory / "run.json").write_text(json.dumps(info))
    assert gate_of([directory]).overall is Verdict.VALID
    assert gate_of([directory], strict=True).overall is Verdict.UNKNOWN
    assert "3 of 4 aims reached; the rest were not measured." in said(directory)
    assert "a strict gate wants the aims measured too: Pipeline throughput" in said(directory, strict=True)


def test_a_missed_aim_is_told_and_does_not_decide(tmp_path: Path) -> None:
    """The gate stays open, strict or not."""
    directory = whole_run(tmp_path)
    path = directory / "measurements.jsonl"
    path.write_text(path.read_text().replace("450000.0", "1000.0"))
    assert gate_of([directory], strict=True).overall is Verdict.VALID
    assert "1 of 4 aims missed, which does not decide: Pipeline throughput" in said(directory)


def test_a_run_without_objectives_is_not_known(tmp_path: Path) -> None:
    """A kind no objective applies to cannot pass."""
    directory = write_run(tmp_path, JUDGED, kind="trial")
    assert gate_of([directory]).overall is Verdict.UNKNOWN
    assert "no hard objective applies to a trial run" in said(directory)
    assert "no objective applies" in text(gate_of([directory]))
    assert "| Objective" not in markdown(gate_of([directory]))


def test_a_partial_run_never_passes(tmp_path: Path) -> None:
    """All that was measured holds, and it was cut off: not known. If something failed, it still fails."""
    good = write_run(tmp_path, JUDGED, kind="scenario", ended=False)
    assert gate_of([good]).overall is Verdict.UNKNOWN
    assert "cut off before its end" in said(good)
    assert gate_of([write_run(tmp_path, LOST, kind="scenario", ended=False)]).overall is Verdict.INVALID


def test_of_several_runs_the_worst_wins(tmp_path: Path) -> None:
    """Each run is listed with its own verdict and objectives."""
    good, bad = write_run(tmp_path, JUDGED, kind="scenario"), write_run(tmp_path, LOST, kind="load")
    result = gate_of([good, bad])
    assert result.overall is Verdict.INVALID
    assert [(run.run, run.verdict) for run in result.runs] == [
        (good.name, Verdict.VALID),
        (bad.name, Verdict.INVALID),
    ]
    assert text(result).startswith("2 runs\n")
    assert f"✓  {good.name}: A run written by hand" in text(result)
    assert f"\n✗  {bad.name}: A run written by hand" in text(result)
    assert f"- ✓ `{good.name}`" in markdown(result)
    assert f"- ✗ `{bad.name}`" in markdown(result)


def test_without_a_run_nothing_is_known() -> None:
    """An empty gate is no open gate."""
    assert gate_of([]).overall is Verdict.UNKNOWN


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """The error says which directory and what it lacks."""
    with pytest.raises(NotARun, match=r"is not a run: it has no run\.json"):
        gate_of([tmp_path])


def test_json_tells_everything(tmp_path: Path) -> None:
    """Another program finds the verdict, and value, threshold and verdict of each objective."""
    told = json.loads(to_json(gate_of([write_run(tmp_path, LOST, kind="scenario")], strict=True)))
    assert (told["overall"], told["strict"]) == ("invalid", True)
    lost = told["runs"][0]["objectives"][0]
    assert (lost["name"], lost["value"], lost["threshold"], lost["verdict"]) == ("lost", 2, "= 0", "fails")


def test_the_terminal_table_is_aligned(tmp_path: Path) -> None:
    """Every column begins at the same place in every line, and the verdict is the last line."""
    lines = text(gate_of([whole_run(tmp_path)])).splitlines()
    table = lines[2:-2]
    assert lines[1] == lines[-2] == ""
    place = table[0].index("must be")
    assert [line[place] for line in table[2:]] == list("<≤<≤≥<<====")
    assert {line[place - 1] for line in (table[0], *table[2:])} == {" "}
    assert lines[-1].startswith("May we ship? Yes")


def test_recorded_words_do_not_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters of a title are shown as question marks."""
    directory = write_run(tmp_path, JUDGED, kind="scenario", title="\x1b[2Jgone", ended=False)
    told = text(gate_of([directory]))
    assert "\x1b" not in told
    assert told.startswith("?[2Jgone")
    assert "PARTIAL" in told


def test_recorded_words_do_not_break_out_of_the_markdown_table(tmp_path: Path) -> None:
    """Pipes, tags and backticks of a title stay words."""
    told = markdown(gate_of([write_run(tmp_path, JUDGED, kind="scenario", title=f"a|b`c\n{EVIL}", ended=False)]))
    assert "a\\|b\\`c &lt;script&gt;" in told
    assert "**Partial run**" in told


def test_markdown_has_the_verdict_and_the_table(tmp_path: Path) -> None:
    """The heading answers the question; each objective has a row with a mark and a word."""
    told = markdown(gate_of([write_run(tmp_path, LOST, kind="scenario")]))
    assert told.startswith("## May we ship? No\n")
    assert "| Operations and rows lost | 2 (10 looked at) | = 0 | hard | ❌ fails |" in told
    assert "| Effects doubled | 0 (10 looked at) | = 0 | hard | ✅ holds |" in told


def test_the_rows_are_told_with_the_reasons_for_rejects(tmp_path: Path) -> None:
    """One line a scenario with its sums, then one a reason with its count."""
    assert rows_text(Recorded(whole_run(tmp_path))) == (
        "slice: 2,000 rows expected, 2,000 found (loaded 1,800, rejected 200)\n         200  no such plane"
    )


def test_without_facts_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """A target whose scenarios observe nothing has no such lines."""
    assert rows_text(Recorded(write_run(tmp_path, JUDGED))) == ""


def test_an_invariant_is_told_with_its_first_findings_and_the_number_of_the_rest() -> None:
    """Five findings are shown, and the others are counted: never silently cut."""
    lines = judgement_text(judged("nothing lost", Verdict.INVALID, 7)).splitlines()
    assert lines[0].startswith("invalid  nothing lost (")
    assert len(lines) == 7
    assert lines[-1].strip() == "and 2 more, all in the report"


def test_a_run_that_was_cut_afterwards_does_not_pass(tmp_path: Path) -> None:
    """A judgement taken out of a whole run may have been the bad one: the gate refuses to judge what is left."""
    directory = whole_run(tmp_path)
    lines = (directory / "judgements.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "judgements.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(NotARun, match=r"judgements\.jsonl has 3 records, and the run wrote 4"):
        gate_of([directory])


def test_a_whole_run_forgives_no_line_cut_short(tmp_path: Path) -> None:
    """Only a run that was cut off may end in half a line."""
    directory = whole_run(tmp_path)
    path = directory / "judgements.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(NotARun, match="judgements"):
        gate_of([directory])


def test_why_invariants_are_not_known_is_said(tmp_path: Path) -> None:
    """In the table and in the sentence: it may be that the load was void."""
    late = judged("sent on time", Verdict.UNKNOWN, reason="the load is void: it was late")
    directory = write_run(tmp_path, [*JUDGED, late], kind="scenario")
    assert said(directory) == (
        "May we ship? Not known: 1 of 3 hard objectives could not be judged: "
        "Invariants not valid (sent on time: the load is void: it was late)."
    )


def test_under_what_conditions_it_was_measured_is_told(tmp_path: Path) -> None:
    """With each run; where nobody recorded it, that."""
    demo, bare = whole_run(tmp_path), write_run(tmp_path, JUDGED, kind="scenario")
    for face in (text, markdown):
        assert "commit abc123def456+, 2 cores, x86_64" in face(gate_of([demo]))
        assert "conditions not recorded" in face(gate_of([bare]))
        both = face(gate_of([demo, bare]))
        assert "A run written by hand · commit abc123def456+, 2 cores" in both
        assert "A run written by hand · conditions not recorded" in both
