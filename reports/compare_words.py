"""A comparison in words: figures with their units, differences in per cent, and one sentence for each run."""

import msgspec

from harness.checking.compare import Change
from harness.checking.objectives import shown
from reports.compare import BAD, CLEAR, GOOD, Comparison, Pair, Row, Told
from reports.compare_figures import BYTES, CPU_SECONDS, SECONDS, SHARE
from reports.figures import bytes_of, duration, things

MOST_NAMED = 3
"""So many figures are named in a sentence."""


def in_words(comparison: Comparison) -> str:
    """One sentence for each run, and one about chance."""
    said = [_sentence(comparison, pair) for pair in comparison.pairs]
    return " ".join([*said, _chance(comparison)])


def figure(value: float | None, unit: str) -> str:
    """A figure of a row as it reads; "—" where there is none."""
    if value is None:
        return "—"
    if unit == SHARE:
        return shown(100 * value, "%")
    if unit in {SECONDS, CPU_SECONDS}:
        return duration(value)
    return bytes_of(value) if unit == BYTES else shown(value, unit)


def relative(value: float | None, base: float | None) -> str:
    """A difference in per cent of the base's figure; empty where that is 0 or not known."""
    if value is None or not base:
        return ""
    percent = 100 * value / abs(base)
    return f"{percent:+.0f} %" if abs(percent) >= 10 else f"{percent:+.1f} %"


def between(change: Change, unit: str) -> str:
    """The interval of a difference, in per cent of the base's figure, or in its unit where that is 0."""
    if change.low is None and change.high is None:
        return ""
    low, high = (_end(end, change.base, unit) for end in (change.low, change.high))
    return f"{low or 'any less'} to {high or 'any more'}"


def to_json(comparison: Comparison) -> str:
    """The comparison as indented JSON, for other programs, with the words beside."""
    told = {"words": in_words(comparison), "worse": comparison.worse, **msgspec.to_builtins(comparison)}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def _end(end: float | None, base: float | None, unit: str) -> str:
    if end is None:
        return ""
    return relative(end, base) or ("+" if end > 0 else "") + figure(end, unit)


def _sentence(comparison: Comparison, pair: Pair) -> str:
    worse, better = pair.told(*BAD), pair.told(*GOOD)
    if not worse and not better:
        quiet = "no evidence that anything got better or worse" if pair.told(*CLEAR) else "nothing can be told"
        return f"{pair.run} beside {comparison.base}: {quiet}{_rest(pair)}."
    said = [
        f"{things(len(some), 'figure')} got {word} ({'; '.join(map(_named, some[:MOST_NAMED]))}"
        + (f"; and {len(some) - MOST_NAMED} more)" if len(some) > MOST_NAMED else ")")
        for word, some in (("worse", worse), ("better", better))
        if some
    ]
    return f"{pair.run} beside {comparison.base}: {', '.join(said)}{_rest(pair)}."


def _named(row: Row) -> str:
    by = relative(row.change.difference, row.change.base) or figure(row.change.difference, row.unit)
    return f"{row.title} {by}"


def _rest(pair: Pair) -> str:
    unclear = pair.told(Told.UNCLEAR)
    return f"; of {things(len(unclear), 'figure')} nothing can be told" if unclear and pair.told(*CLEAR) else ""


def _chance(comparison: Comparison) -> str:
    return (
        f"{things(comparison.compared, 'figure was', 'figures were')} compared, with intervals so wide that of twenty "
        f"comparisons of equal systems one tells of any change; {100 * comparison.tolerated:g} % are tolerated."
    )
