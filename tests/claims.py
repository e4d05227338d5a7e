"""Holds what the documents claim beside what was measured: `nox -s claims` writes docs/claims.md, and README's table.

    python tests/claims.py         judge the claims of docs/claims.toml by the records in docs/evidence
    python tests/claims.py RUN…    first keep what these runs showed: a demo, and the gate over all that was measured

It is about this repository, so it comes with no installation. Nothing here knows a figure: one that is in no record is
not proven.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from claimed import Evidence, Judged, Verdict, judge, read
from evidence import ROOT
from kept_runs import keep

from harness.records.run import NotARun

PAGE = "docs/claims.md"
README = "README.md"
BEGIN, END = "<!-- claims, written by `nox -s claims` -->\n", "<!-- end of claims -->\n"
HEAD = """\
# What is claimed, and what is proven

Written by `nox -s claims`, not by hand, from [claims.toml](claims.toml) and the records beside it. *Proven* is a claim
whose figure was measured and is as it must be; *refuted* is one whose figure is not. One without a record, without its
figure in it, with one that is not complete, or with one from before the day from which such records count, is
*unproven*, whatever anybody remembers.

{summary}

| claim | measured | must be | measured by | record | date, commit | verdict |
|---|---|---|---|---|---|---|
"""
README_HEAD = "| claim | measured | by | on | |\n|---|---|---|---|---|\n"


MARKS = {Verdict.PROVEN: "✓", Verdict.REFUTED: "✗", Verdict.UNPROVEN: "?"}


def page(judged: Sequence[Judged], evidence: Mapping[str, Evidence]) -> str:
    """docs/claims.md."""
    counts = {verdict: sum(each.verdict is verdict for each in judged) for verdict in Verdict}
    summary = f"{len(judged)} claims: " + ", ".join(f"{number} {verdict.lower()}" for verdict, number in counts.items())
    return HEAD.format(summary=f"{summary}.") + "".join(row(each, evidence) for each in judged)


def row(judged: Judged, evidence: Mapping[str, Evidence]) -> str:
    claim, source = judged.claim, evidence.get(judged.claim.evidence)
    when = ", ".join(each for each in (judged.date, judged.commit and f"`{judged.commit}`") if each)
    verdict = f"**{judged.verdict}**" + (f": {judged.why}" if judged.why else "")
    must = claim.must.replace("<=", "≤").replace(">=", "≥") + (f" {claim.unit}" if claim.must and claim.unit else "")
    return cells(
        claim.says,
        judged.measured,
        must or ("all" if claim.of else "—"),
        f"`{source.command}`" if source else "—",
        link(source) if source else "—",
        when or "—",
        verdict,
    )


def link(source: Evidence) -> str:
    """A link to the record from the page, which lies in docs."""
    path = source.page or source.artefact
    return f"[{Path(path).name}]({path.removeprefix('docs/')})"


def table(judged: Iterable[Judged], evidence: Mapping[str, Evidence]) -> str:
    """README's table."""
    return README_HEAD + "".join(
        cells(
            each.claim.says,
            each.measured,
            f"`{evidence[each.claim.evidence].command}`" if each.claim.evidence else "—",
            each.date or "—",
            f"{MARKS[each.verdict]} {each.verdict.lower()}",
        )
        for each in judged
        if each.claim.readme
    )


def cells(*texts: str) -> str:
    return f"| {' | '.join(texts)} |\n"


def with_table(readme: str, written: str) -> str:
    """README, with this table in place of the one it has. Raises ValueError where it has no place for one."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"{README} has no place for the table: lines {BEGIN.strip()!r} and {END.strip()!r}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{written}\n{END}{after}"


def written(root: Path = ROOT) -> dict[str, str]:
    """What each page should hold."""
    claims = read(root)
    judged = [judge(claim, claims.evidence, root) for claim in claims.claim]
    readme = (root / README).read_text(encoding="utf-8")
    return {PAGE: page(judged, claims.evidence), README: with_table(readme, table(judged, claims.evidence))}


def main(arguments: Sequence[str]) -> int:
    """Keep what runs showed, if any are named, and write the pages; says each verdict. 2 where it cannot."""
    try:
        if arguments:
            keep([Path(run) for run in arguments])
        pages, claims = written(), read()
    except (NotARun, ValueError, msgspec.ValidationError) as error:
        print(f"claims: {error}", file=sys.stderr)
        return 2
    for name, text in pages.items():
        (ROOT / name).write_text(text, encoding="utf-8")
    for each in (judge(claim, claims.evidence) for claim in claims.claim):
        told = f" ({each.why})" if each.why else ""
        print(f"{each.verdict:9}{each.claim.says}: {each.measured}{told}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
