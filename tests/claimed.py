"""What this project claims of itself, docs/claims.toml, and the verdict of the records on it."""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from evidence import ROOT
from figures import Fold, NoFigure, figure, holds, parsed, values

from harness.checking.objectives import shown
from harness.quality.mutation import mutated

SOURCE = "docs/claims.toml"


class Verdict(StrEnum):
    PROVEN = "PROVEN"
    REFUTED = "REFUTED"
    UNPROVEN = "UNPROVEN"


class Demand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The place of a figure in a record, and what this must be."""

    figure: str = ""
    fold: Fold = Fold.ONLY
    unit: str = ""
    must: str = ""
    """A bound, such as "< 120"; empty where the figure must be `of`."""
    of: str = ""
    """Place of the figure that this one must be."""

    def problem(self) -> str:
        """What is wrong with how it is written; nothing where nothing is. Raises ValueError where it is no bound."""
        if not self.figure:
            return "has no figure"
        if bool(self.must) == bool(self.of):
            return "must have one of `must` and `of`"
        if self.must:
            parsed(self.must)
        return ""

    def met(self, record: Any) -> tuple[bool, str, str]:
        """Whether it is met, the figure, and what it is one of: as a person reads them. Raises NoFigure."""
        value = _number(record, self.figure, self.fold)
        if not self.of:
            return holds(value, self.must), shown(value, self.unit), ""
        of = _number(record, self.of, self.fold)
        return value == of, shown(value, self.unit), shown(of, self.unit)


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kept record: what writes it, and where it tells when it was written."""

    command: str
    artefact: str
    """From the root of the repository."""
    page: str = ""
    """What a person reads instead; the record itself where it is empty."""
    date: str
    """Place of the day, or of the moment."""
    commit: str = ""
    """Place of the commit, or of several; empty where the record does not tell."""
    since: dt.date
    """What was measured before this day counts no more: too much has changed."""
    complete: Demand | None = None
    """What must be met before the record proves or refutes anything; None where it is written whole."""
    covers: str = ""
    """Place of the files that were mutated: it proves nothing where one is to be mutated now that is not there."""


class Claim(Demand, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One claim, and what its figure must be; or why there is none."""

    says: str
    evidence: str = ""
    """Name of its record; empty where nothing measures it."""
    why: str = ""
    """Why nothing does."""
    said: dict[str, str] = {}
    """By document, the words in which it says so; {figure} in them is the one measured."""
    readme: bool = False
    """Whether README's table has it."""


class Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """docs/claims.toml."""

    evidence: dict[str, Evidence]
    not_measured: dict[str, str]
    """Numbers in README that are no claim, and what they are."""
    claim: list[Claim]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A claim beside its figure."""

    claim: Claim
    verdict: Verdict
    figure: str = ""
    """As a person reads it; empty where there is none."""
    of: str = ""
    date: str = ""
    commit: str = ""
    why: str = ""
    """Why it is not proven; empty where it is known."""

    @property
    def measured(self) -> str:
        if not self.figure:
            return "—"
        return f"{self.figure} of {self.of}" if self.of else self.figure


def read(root: Path = ROOT) -> Claims:
    """Read the claims. Raises ValueError where the file is not as it must be."""
    claims = msgspec.toml.decode((root / SOURCE).read_bytes(), type=Claims)
    for name, evidence in claims.evidence.items():
        if evidence.complete and (problem := evidence.complete.problem()):
            message = f"{SOURCE}: what makes {name!r} complete {problem}"
            raise ValueError(message)
    for claim in claims.claim:
        if problem := problem_of(claim, claims.evidence):
            message = f"{SOURCE}: {claim.says!r} {problem}"
            raise ValueError(message)
    return claims


def problem_of(claim: Claim, evidence: Mapping[str, Evidence]) -> str:
    """What is wrong with how a claim is written; nothing where nothing is."""
    if not claim.evidence:
        return "" if claim.why else "has no evidence: `why` says why"
    if claim.evidence not in evidence:
        return f"names the evidence {claim.evidence!r}, and there is: {', '.join(evidence)}"
    return claim.problem()


def judge(claim: Claim, evidence: Mapping[str, Evidence], root: Path = ROOT) -> Judged:
    """Hold a claim beside its record."""
    if not claim.evidence:
        return Judged(claim=claim, verdict=Verdict.UNPROVEN, why=claim.why)
    source = evidence[claim.evidence]
    try:
        record = msgspec.json.decode((root / source.artefact).read_bytes())
        day = _day(figure(record, source.date, Fold.LAST))
        commits = values(record, source.commit) if source.commit else ()
        commit = ", ".join(dict.fromkeys(str(each)[:12] for each in commits))
        good, value, of = claim.met(record)
        why = _too_little(record, source, day) or _not_covered(record, source, root)
    except FileNotFoundError:
        return Judged(claim=claim, verdict=Verdict.UNPROVEN, why="there is no such record yet")
    except (NoFigure, msgspec.DecodeError) as error:
        return Judged(claim=claim, verdict=Verdict.UNPROVEN, why=f"the record does not tell: {error}")
    known = Verdict.PROVEN if good else Verdict.REFUTED
    verdict = Verdict.UNPROVEN if why else known
    return Judged(claim=claim, verdict=verdict, figure=value, of=of, date=day, commit=commit, why=why)


def _too_little(record: Any, source: Evidence, day: str) -> str:
    """Why a record proves nothing; nothing where it does."""
    if dt.date.fromisoformat(day) < source.since:
        return f"it is from before {source.since}"
    if source.complete:
        met, value, of = source.complete.met(record)
        if not met:
            return f"the record is not complete: {value}, where it must be {of or source.complete.must}"
    return ""


def _not_covered(record: Any, source: Evidence, root: Path) -> str:
    """Why a record of mutants is not of all that is mutated now; nothing where it is, or is no such record."""
    missing = mutated(root).keys() - set(figure(record, source.covers)) if source.covers else ()
    return f"the record lacks {len(missing)} of the files that are mutated now" if missing else ""


def _number(record: Any, place: str, fold: Fold) -> float:
    value = figure(record, place, fold)
    if not isinstance(value, int | float) or isinstance(value, bool):
        message = f"its {place} is {value!r}, and no number"
        raise NoFigure(message)
    return value


def _day(moment: str | float) -> str:
    """The day of a moment that is told as text, or in seconds since the Unix epoch. Raises NoFigure."""
    if not isinstance(moment, str):
        return f"{dt.datetime.fromtimestamp(moment, tz=dt.UTC):%Y-%m-%d}"
    try:
        return str(dt.date.fromisoformat(moment[:10]))
    except ValueError:
        message = f"it was written on {moment!r}, which is no day"
        raise NoFigure(message) from None
