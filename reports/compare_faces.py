"""A comparison as plain text for a terminal, and as Markdown for a pull request."""

from collections.abc import Sequence

from harness.checking.compare import Unclear
from reports.compare import BAD, CLEAR, GOOD, Comparison, Pair, Row, Told
from reports.compare_anatomy import parts_told
from reports.compare_words import between, figure, in_words, relative
from reports.figures import things
from reports.plain import aligned, inert, printable

SHORT = {Unclear.TOO_FEW: "too few", Unclear.TOO_SHORT: "too short", Unclear.UNANSWERED: "unanswered"}
HEADINGS = ("", "figure", "base", "now", "change", "between", "told")


def text(comparison: Comparison) -> str:
    """One aligned table a run, what nothing can be told of last; the summary in words at the end."""
    parts = [_text(comparison, pair) for pair in comparison.pairs]
    return "\n\n".join([*parts, printable(in_words(comparison))]) + "\n"


def markdown(comparison: Comparison) -> str:
    """The summary in words, then one table a run."""
    heading = "## Something got worse" if comparison.worse else "## Nothing is known to have got worse"
    parts = [_markdown(comparison, pair) for pair in comparison.pairs]
    return "\n\n".join([heading, inert(in_words(comparison)), *parts]) + "\n"


def _text(comparison: Comparison, pair: Pair) -> str:
    lines = [f"{pair.run} beside {comparison.base}{_commits(comparison, pair)}", ""]
    lines += [f"! differs: {each}" for each in pair.differences]
    shown = _ordered(pair)
    lines += aligned([HEADINGS, *map(_cells, shown)]) if shown else ["nothing can be told"]
    return "\n".join(map(printable, [*lines, *[""][: len(_below(pair))], *_below(pair)]))


def _markdown(comparison: Comparison, pair: Pair) -> str:
    lines = [f"### `{inert(pair.run)}` beside `{inert(comparison.base)}`{inert(_commits(comparison, pair))}", ""]
    lines += [f"> **Differs**: {inert(str(each))}\n" for each in pair.differences]
    if shown := _ordered(pair):
        head = "| | Figure | Base | Now | Change | Between | Told |"
        lines += [head, "| --- | --- | ---: | ---: | ---: | --- | --- |"]
        lines += ["| " + " | ".join(map(inert, _cells(row))) + " |" for row in shown]
    lines += [f"\n{inert(line)}" for line in _below(pair)]
    return "\n".join(lines)


def _ordered(pair: Pair) -> Sequence[Row]:
    """What got worse first, then what got better, then what can be told; subjects of which nothing can are left out."""
    told = {row.subject for row in pair.told(*CLEAR)}

    def place(row: Row) -> int:
        kinds = (BAD, GOOD, {Told.MORE, Told.LESS}, {Told.SAME, Told.NO_EVIDENCE}, {Told.UNCLEAR})
        return next(number for number, kind in enumerate(kinds) if row.told in kind)

    return sorted((row for row in pair.rows if row.subject in told), key=place)


def _below(pair: Pair) -> list[str]:
    """Where changes come from, why nothing can be told of some figures, and what only one of the runs has."""
    unclear = pair.told(Told.UNCLEAR)
    lines = [f"spent by {parts_told(scenario, parts)}" for scenario, parts in pair.spent.items()]
    lines += [
        f"{short}: {reason} ({things(len(some), 'figure')} of {_subjects(some)})"
        for reason, short in SHORT.items()
        if (some := [row for row in unclear if row.change.unclear is reason])
    ]
    if pair.alone:
        lines.append(f"in one of them alone: {', '.join(pair.alone)}")
    return lines


def _subjects(rows: Sequence[Row]) -> str:
    return ", ".join(dict.fromkeys(row.subject for row in rows))


def _cells(row: Row) -> tuple[str, ...]:
    found = row.change
    difference = relative(found.difference, found.base) or figure(found.difference, row.unit)
    return (
        row.mark,
        row.title,
        figure(found.base, row.unit),
        figure(found.other, row.unit),
        difference,
        between(found, row.unit),
        SHORT[found.unclear] if found.unclear else row.told.value,
    )


def _commits(comparison: Comparison, pair: Pair) -> str:
    if not pair.commit and not comparison.commit:
        return ""
    if pair.commit == comparison.commit:
        return f" · both of commit {pair.commit}"
    return f" · commit {comparison.commit or 'not known'} → {pair.commit or 'not known'}"
