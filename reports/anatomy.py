"""What the workflows of a run spent their time on: each part of it, by scenario and type of workflow."""

from collections import Counter

import polars as pl
from msgspec import Struct

from harness.checking.percentiles import percentile
from harness.records.anatomy import Part
from reports.figures import duration, share

MOST_KINDS = 8
"""So many kinds of workflows have a picture and a table of their own."""
NOTHING = 1e-6
"""Seconds: what is less is nobody's concern."""


class Words(Struct, frozen=True, kw_only=True):
    """How a part is called, how time is spent on it, and what it means to who never heard of it."""

    name: str
    spent: str
    means: str


WORDS = {
    Part.ACTIVITY_EXECUTION: Words(
        name="activity execution", spent="executing activities", means="the last attempt of an activity runs"
    ),
    Part.WORKFLOW_TASKS: Words(
        name="workflow task execution",
        spent="executing workflow tasks",
        means="a worker runs workflow code, and local activities",
    ),
    Part.WORKER: Words(
        name="waiting for a worker", spent="waiting for a worker", means="a workflow task waits to be picked up"
    ),
    Part.ACTIVITY_QUEUE: Words(
        name="activity queue",
        spent="on activities that wait for a worker",
        means="an activity waits to be picked up for the first time",
    ),
    Part.RETRIES: Words(
        name="retries", spent="on retries", means="failed attempts and pauses, up to the start of the last attempt"
    ),
    Part.UNFINISHED: Words(
        name="unfinished activities",
        spent="on activities that did not end",
        means="no history tells whether they waited or ran",
    ),
    Part.OTHERS: Words(
        name="waiting for other workflows", spent="waiting for other workflows", means="a child has not answered"
    ),
    Part.TIMERS: Words(name="timers", spent="waiting for timers", means="the workflow wanted to wait"),
    Part.MESSAGES: Words(
        name="waiting for a message",
        spent="waiting for a message",
        means="nothing to do before a signal, an update or an operator comes",
    ),
    Part.SERVER: Words(
        name="server gaps", spent="in gaps of the server", means="nothing pending: the server has yet to go on"
    ),
}


class Times(Struct, frozen=True, kw_only=True):
    """How long something took in several runs, in seconds."""

    median: float
    p95: float
    p99: float
    mean: float


class PartTimes(Times, frozen=True, kw_only=True):
    """What runs of one kind spent on one part; one that spent nothing on it counts as 0."""

    part: Part
    share: float
    """Of the time of all of these runs, from 0 to 1."""

    @property
    def words(self) -> Words:
        return WORDS[self.part]


class KindAnatomy(Struct, frozen=True, kw_only=True):
    """The closed runs of one type of workflow in one scenario."""

    scenario: str
    type: str
    runs: pl.DataFrame
    """A row a run, from the shortest to the longest: a column with the seconds of each part, and `total`, their sum."""
    open: int
    """Runs beside them that had not closed: of those nobody knows what they will have spent."""
    whole: Times
    """From start to close."""
    parts: tuple[PartTimes, ...]
    """Those on which any time was spent, in the order of `Part`."""
    sentence: str
    """What a typical run spends most on, and what the slowest spend more on."""


def anatomies(runs: pl.DataFrame) -> list[KindAnatomy]:
    """Each kind of closed runs, those first that took most time together."""
    is_known = pl.col(Part.SERVER).is_not_null()
    known = runs.filter(is_known).select("scenario", "type", *Part, total=pl.sum_horizontal(*Part))
    still_open = Counter(runs.filter(~is_known, pl.col("closed").is_null()).select("scenario", "type").iter_rows())
    kinds = known.partition_by("scenario", "type", include_key=False, as_dict=True, maintain_order=True)
    types = Counter(scenario for scenario, _ in kinds)
    found = [
        _kind(scenario, type_, mine, called=scenario if types[scenario] == 1 else type_, still_open=still_open[kind])
        for kind, mine in kinds.items()
        for scenario, type_ in [kind]
    ]
    return sorted(found, key=lambda kind: -kind.whole.mean * len(kind.runs))


def means(runs: pl.DataFrame) -> dict[Part, float]:
    """Seconds that these runs spent on each part, on average."""
    return {part: _mean(runs[part]) for part in Part}


def _kind(scenario: str, type_: str, found: pl.DataFrame, *, called: str, still_open: int) -> KindAnatomy:
    whole = float(found["total"].sum())
    runs = found.sort("total", maintain_order=True)
    return KindAnatomy(
        scenario=scenario,
        type=type_,
        runs=runs,
        open=still_open,
        whole=Times(**_figures(runs["total"])),
        parts=tuple(
            PartTimes(part=part, share=float(runs[part].sum()) / whole, **_figures(runs[part]))
            for part in Part
            if (runs[part] > 0).any()
        ),
        sentence=f"{_typical(called, runs)} {_slow(runs)}".rstrip(),
    )


def _figures(times: pl.Series) -> dict[str, float]:
    """Those of `Times`."""
    ordered = times.sort()
    return {"median": _at(ordered, 50), "p95": _at(ordered, 95), "p99": _at(ordered, 99), "mean": _mean(times)}


def _mean(times: pl.Series) -> float:
    return float(times.sum()) / len(times)


def _at(times: pl.Series, percent: float) -> float:
    found = percentile(times, percent)
    assert found is not None, "a kind has a run at least"
    return found


def _typical(called: str, runs: pl.DataFrame) -> str:
    middle = means(_middle(runs))
    whole = sum(middle.values())
    if whole < NOTHING:
        return f"A typical {called} takes no time that its history shows."
    part = max(middle, key=lambda each: middle[each])
    takes = duration(_at(runs["total"], 50))
    return f"{_fraction(middle[part], whole)} of a typical {called}, which takes {takes}, is spent {_spent(part)}."


def _slow(runs: pl.DataFrame) -> str:
    few = len(runs) // 20
    if not few:
        return ""
    typical, slow = means(_middle(runs)), means(runs[-few:])
    more = {part: slow[part] - typical[part] for part in Part}
    longer = sum(more.values())
    slowest = "The slowest twentieth" if few > 1 else "The slowest one"
    if longer < NOTHING:
        return f"{slowest} takes no longer."
    part = max(more, key=lambda each: more[each])
    takes = f"{slowest} takes {duration(sum(slow.values()))}"
    if more[part] < longer / 2:
        return f"{takes}: a little more of everything."
    return f"{takes}: {_fraction(min(more[part], longer), longer).lower()} of the difference is spent {_spent(part)}."


def _middle(runs: pl.DataFrame) -> pl.DataFrame:
    """The runs between the quartiles: what is typical."""
    quarter = len(runs) // 4
    return runs[quarter : len(runs) - quarter]


def _spent(part: Part) -> str:
    return WORDS[part].spent


def _fraction(part: float, whole: float) -> str:
    """A share in words, which are seen sooner than a figure, with the figure behind."""
    words = next(words for least, words in FRACTIONS if part / whole >= least)
    return f"{words} ({share(part, whole)})" if words else share(part, whole)


FRACTIONS = (
    (0.9995, "All"),
    (0.9, "Nearly all"),
    (0.8, "Most"),
    (0.71, "Three quarters"),
    (0.62, "Two thirds"),
    (0.55, "More than half"),
    (0.45, "Half"),
    (0.37, "Two fifths"),
    (0.29, "A third"),
    (0.22, "A quarter"),
    (0.0, ""),
)
"""From which share on which words fit."""
