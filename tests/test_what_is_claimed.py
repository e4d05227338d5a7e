"""What is claimed, what is proven, and that README, the claims and the page of them say the same."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from claimed import Claims, Verdict, judge, problem_of, read
from claims import BEGIN, END, page, table, with_table, written
from evidence import ROOT
from figures import Fold, NoFigure, figure, holds, parsed

FOUND = {"found": [{"bug": "a", "by": "check"}, {"bug": "b", "by": "none"}, {"bug": "c", "by": "x"}], "total": 4}
SOURCE = """
not_measured = {}

[evidence.kept]
command = "nox -s keep"
artefact = "docs/evidence/kept.json"
date = "/date"
since = 2026-11-20
complete = { figure = "/runs", of = "/planned" }

[[claim]]
says = "Three hold"
evidence = "kept"
figure = "/hold"
unit = "s"
must = ">= 3"
readme = true
"""
KEPT = {"date": "2026-11-21", "runs": 4, "planned": 4, "hold": 3}
DURATION = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty) (?:seconds|minutes|hours)\b", re.IGNORECASE
)


@pytest.mark.parametrize(
    ("place", "fold", "expected"),
    [
        ("/total", Fold.ONLY, 4),
        ("/found/*/bug", Fold.COUNT, 3),
        ("/found/*[by=check]/bug", Fold.ONLY, "a"),
        ("/found/*[by!=check][by!=none]/bug", Fold.ONLY, "c"),
        ("/found/*[by=nobody]/bug", Fold.COUNT, 0),
        ("/found/*[by=check]/*[.=a]", Fold.COUNT, 1),
        ("/found/*/bug", Fold.LAST, "c"),
        ("/found/*/by", Fold.MAX, "x"),
    ],
)
def test_a_figure_stands_at_a_place(place: str, fold: Fold, expected: Any) -> None:
    """Several values are counted, or the greatest is taken, or the last."""
    assert figure(FOUND, place, fold) == expected


def test_what_is_there_twice_is_one_that_differs() -> None:
    """A test that failed in two repetitions is one flake."""
    assert figure({"failed": [["a", "b"], ["a"], []]}, "/failed/*/*", Fold.DISTINCT) == 2


@pytest.mark.parametrize("place", ["/elsewhere", "/total/deeper", "/found/*/by", "/found/*[by=nobody]/bug", "/nothing"])
def test_a_place_without_one_figure_has_none(place: str) -> None:
    """One that is not there, or null, or one of several, is never taken for a zero."""
    with pytest.raises(NoFigure, match=re.escape(place)):
        figure({**FOUND, "nothing": None}, place)


def test_a_bound_is_held_as_it_reads() -> None:
    """The limit itself belongs to it or not."""
    held = [bound for bound in ("< 2", "<= 2", "= 2", ">= 2", "> 2") if holds(2, bound)]
    assert held == ["<= 2", "= 2", ">= 2"]
    with pytest.raises(ValueError, match="is told as"):
        parsed("about 2")
    with pytest.raises(ValueError, match="is no place"):
        figure(FOUND, "total")


@pytest.mark.parametrize(
    ("record", "verdict", "why"),
    [
        (KEPT, Verdict.PROVEN, ""),
        ({**KEPT, "date": 1795389028.4}, Verdict.PROVEN, ""),
        ({**KEPT, "hold": 2}, Verdict.REFUTED, ""),
        ({**KEPT, "hold": None}, Verdict.UNPROVEN, "the record does not tell: its /hold is not known"),
        ({**KEPT, "hold": True}, Verdict.UNPROVEN, "the record does not tell: its /hold is True, and no number"),
        ({**KEPT, "runs": 3}, Verdict.UNPROVEN, "the record is not complete: 3, where it must be 4"),
        ({**KEPT, "hold": 2, "runs": 3}, Verdict.UNPROVEN, "the record is not complete: 3, where it must be 4"),
        ({**KEPT, "date": "2026-11-19"}, Verdict.UNPROVEN, "it is from before 2026-11-20"),
        (
            {**KEPT, "date": "once"},
            Verdict.UNPROVEN,
            "the record does not tell: it was written on 'once', which is no day",
        ),
        ({}, Verdict.UNPROVEN, "the record does not tell: it has no /date"),
        (None, Verdict.UNPROVEN, "there is no such record yet"),
    ],
)
def test_a_claim_is_what_its_record_makes_of_it(
    record: dict[str, Any] | None, verdict: Verdict, why: str, tmp_path: Path
) -> None:
    """Without a figure, or with one that does not count, it is not proven, and not refuted either."""
    claims = claimed(tmp_path, record)
    judged = judge(claims.claim[0], claims.evidence, tmp_path)
    assert (judged.verdict, judged.why) == (verdict, why)


def test_every_commit_that_a_record_is_of_is_told(tmp_path: Path) -> None:
    """One of several runs may be of several; each once."""
    runs = [{"commit": commit * 20} for commit in ("ab", "cd", "ab")]
    claims = claimed(tmp_path, {**KEPT, "each": runs})
    evidence = {"kept": msgspec.structs.replace(claims.evidence["kept"], commit="/each/*/commit")}
    assert judge(claims.claim[0], evidence, tmp_path).commit == "abababababab, cdcdcdcdcdcd"


def test_a_record_of_mutants_proves_nothing_of_files_that_came_since(tmp_path: Path) -> None:
    """Whatever the score was of the others."""
    claims = claimed(tmp_path, {**KEPT, "mutated": {"a.py": "0123"}})
    (tmp_path / "pyproject.toml").write_text('[tool.mutmut]\nsource_paths = ["."]\n')
    (tmp_path / "a.py").touch()
    evidence = {"kept": msgspec.structs.replace(claims.evidence["kept"], covers="/mutated")}
    assert judge(claims.claim[0], evidence, tmp_path).verdict is Verdict.PROVEN
    (tmp_path / "b.py").touch()
    judged = judge(claims.claim[0], evidence, tmp_path)
    assert (judged.verdict, judged.why) == (Verdict.UNPROVEN, "the record lacks 1 of the files that are mutated now")


def claimed(root: Path, record: dict[str, Any] | None) -> Claims:
    """A repository with one claim, and its record."""
    (root / "docs" / "evidence").mkdir(parents=True)
    (root / "docs" / "claims.toml").write_text(SOURCE)
    if record is not None:
        (root / "docs" / "evidence" / "kept.json").write_text(json.dumps(record))
    return read(root)


def test_a_claim_is_shown_with_what_measured_it(tmp_path: Path) -> None:
    """On the page with everything; in README with what a reader needs to do it again."""
    claims = claimed(tmp_path, KEPT)
    judged = [judge(claims.claim[0], claims.evidence, tmp_path)]
    assert page(judged, claims.evidence).endswith(
        "\n1 claims: 1 proven, 0 refuted, 0 unproven.\n\n"
        "| claim | measured | must be | measured by | record | date, commit | verdict |\n"
        "|---|---|---|---|---|---|---|\n"
        "| Three hold | 3 s | ≥ 3 s | `nox -s keep` | [kept.json](evidence/kept.json) | 2026-11-21 | **PROVEN** |\n"
    )
    assert table(judged, claims.evidence).endswith("\n| Three hold | 3 s | `nox -s keep` | 2026-11-21 | ✓ proven |\n")
    readme = with_table(f"before\n{BEGIN}old\n{END}after\n", "new\n")
    assert readme == f"before\n{BEGIN}\nnew\n\n{END}after\n"
    with pytest.raises(ValueError, match="no place for the table"):
        with_table("before\nafter\n", "new\n")


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ('evidence = "kept"', "", "has no evidence"),
        ('evidence = "kept"', 'evidence = "others"', "names the evidence 'others', and there is: kept"),
        ('must = ">= 3"', "", "must have one of"),
        ('must = ">= 3"', 'must = ">= 3"\nof = "/runs"', "must have one of"),
        ('must = ">= 3"', 'must = "3"', "is no bound"),
        ('figure = "/hold"', "", "has no figure"),
        ('figure = "/runs", ', "", "what makes 'kept' complete has no figure"),
    ],
)
def test_a_claim_that_nothing_could_prove_is_refused(was: str, now: str, problem: str, tmp_path: Path) -> None:
    """Whoever writes one is told what is missing."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "claims.toml").write_text(SOURCE.replace(was, now))
    with pytest.raises(ValueError, match=problem):
        read(tmp_path)


@pytest.mark.parametrize("name", ["docs/claims.md", "README.md"])
def test_the_pages_say_what_the_records_say(name: str) -> None:
    """Both are written of the claims and the records, whenever one of these has changed."""
    stale = f"{name} is not what the records say: write it anew by `nox -s claims`"
    assert (ROOT / name).read_text(encoding="utf-8") == written()[name], stale


def test_a_page_says_what_is_claimed_of_it() -> None:
    """In the very words, with the figure that was measured; and README never what measuring has refuted."""
    claims = read()
    for claim in claims.claim:
        judged = judge(claim, claims.evidence)
        assert not (claim.said and judged.verdict is Verdict.REFUTED), f"{claim.says}: {judged.measured}"
        for name, words in claim.said.items():
            said = words.format(figure=judged.figure)
            assert said in flat(ROOT / name), f"{name} does not say {said!r}: change it, or docs/claims.toml"


def test_no_number_in_readme_is_from_nowhere() -> None:
    """Each is in the words of a claim, or is told in docs/claims.toml to be none."""
    claims, prose = read(), flat(ROOT / "README.md")
    for claim in claims.claim:
        if words := claim.said.get("README.md"):
            prose = prose.replace(words.format(figure=judge(claim, claims.evidence).figure), "")
    prose = re.sub(r"```.*?```|<!-- claims.*?<!-- end of claims -->|`[^`]*`|\]\([^)]*\)", "", prose)
    numbers = {found.rstrip(".,") for found in re.findall(r"\d[\d.,]*", prose)} | set(DURATION.findall(prose))
    unknown = numbers - set(claims.not_measured)
    assert not unknown, f"what README says with {sorted(unknown)} is no claim in docs/claims.toml"


def flat(path: Path) -> str:
    """The text of a page on one line."""
    return re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))


def test_every_claim_can_be_read() -> None:
    """And nothing is said of README's numbers that are not there."""
    claims = read()
    assert not [problem for claim in claims.claim if (problem := problem_of(claim, claims.evidence))]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [number for number in claims.not_measured if number not in readme]
