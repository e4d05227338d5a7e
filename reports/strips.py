"""The samples of one measurement as a strip: every sample a tick, the median marked."""

from collections.abc import Iterable, Sequence

from harness.checking.percentiles import median
from harness.records.measurements import Measurement
from reports.figures import things
from reports.svg import add, drawing, identifier, linear, markup

WIDTH, HEIGHT = 260.0, 30.0


def domains(measurements: Iterable[Measurement]) -> dict[str, tuple[float, float]]:
    """One scale a unit, from zero, so that a figure and its peer are seen at the same scale."""
    found: dict[str, tuple[float, float]] = {}
    for measurement in measurements:
        low, high = found.get(measurement.unit, (0.0, 0.0))
        found[measurement.unit] = min([low, *measurement.samples]), max([high, *measurement.samples])
    return found


def strip(measurement: Measurement, domain: tuple[float, float]) -> str:
    """Every sample a thin tick, the median a tall one, on a scale that is shared with its peers."""
    samples: Sequence[float] = measurement.samples
    svg = drawing(
        f"strip-{identifier(measurement.name)}",
        WIDTH,
        HEIGHT,
        title=f"Samples of {measurement.name}",
        description=f"{things(len(samples), 'sample')} between {domain[0]:g} and {domain[1]:g} {measurement.unit}",
    )
    x = linear(domain, (4, WIDTH - 4))
    middle = HEIGHT / 2
    add(svg, "line", class_="axis", x1=4, x2=WIDTH - 4, y1=middle, y2=middle)
    if domain[0] < 0:
        add(svg, "line", class_="axis", x1=x(0), x2=x(0), y1=middle - 4, y2=middle + 4)
    at = sorted({round(x(sample), 1) for sample in samples})
    add(svg, "path", class_="sample", d="".join(f"M{value:g} {middle - 7:g}v14" for value in at))
    typical = median(samples)
    if typical is not None:
        add(svg, "path", class_="median", d=f"M{x(typical):.1f} {middle - 12:g}v24")
    return markup(svg)
