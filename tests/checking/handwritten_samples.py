"""Samples written by hand."""

from collections.abc import Mapping, Sequence

from harness.records.samples import UP, Sample

BEGIN = 1_000.0


def counted(source: str, name: str, *values: float, every: float = 1.0, since: float = 0.0) -> list[Sample]:
    """One series: a value every so many seconds, from `since` seconds after BEGIN."""
    return [
        Sample(time=BEGIN + since + number * every, source=source, name=name, value=value)
        for number, value in enumerate(values)
    ]


def scraped(source: str, *looks: Mapping[str, float] | None, every: float = 1.0) -> list[Sample]:
    """Looks at a metrics endpoint: the series that each found, or None where it did not answer."""
    return [
        sample
        for number, found in enumerate(looks)
        for name, value in {UP: 0.0 if found is None else 1.0, **(found or {})}.items()
        for sample in counted(source, name, value, since=number * every)
    ]


def flat(*several: Sequence[Sample]) -> list[Sample]:
    """All of them, as a run has them."""
    return [sample for samples in several for sample in samples]
