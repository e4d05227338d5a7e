"""Arrivals are a pure function of what was asked for and a seed, and their statistics are those of their shape."""

import math
from bisect import bisect_left
from collections import Counter
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.operations import substream
from loadtests.arrivals import MOST, SHAPES, Arrivals, described, parse

EVERY_SHAPE = (*SHAPES, *(shape.example for shape in SHAPES.values() if ":" in shape.example))
RATES = st.floats(min_value=0.5, max_value=50)
DURATIONS = st.floats(min_value=2, max_value=40)


def integral(arrivals: Arrivals) -> list[float]:
    """What the intended rate amounts to by each hundredth of a second, by the rule of the midpoint."""
    hundredths = range(round(arrivals.duration * 100))
    return list(accumulate((arrivals.rate_at((part + 0.5) / 100) / 100 for part in hundredths), initial=0.0))


def times(arrivals: Arrivals, seed: int = 1) -> list[float]:
    """The arrivals of a run with this seed."""
    return arrivals.times(substream(seed, "arrivals"))


@given(rate=RATES, duration=DURATIONS)
def test_constant_arrivals_are_even_and_within_the_duration(rate: float, duration: float) -> None:
    """They begin at 0, are 1/rate apart, and are as many as rate and duration say."""
    arrivals = times(parse("constant", rate, duration))
    assert len(arrivals) == round(rate * duration)
    assert arrivals[0] == 0
    assert all(math.isclose(later - earlier, 1 / rate, rel_tol=1e-6) for earlier, later in pairwise(arrivals))


@given(shape=st.sampled_from([name for name in SHAPES if name != "poisson"]), rate=RATES, duration=DURATIONS)
def test_the_mean_of_every_shape_is_the_rate_unless_options_say_otherwise(
    shape: str, rate: float, duration: float
) -> None:
    """Without options every shape plans as many iterations as a constant rate would."""
    arrivals = parse(shape, rate, duration)
    assert arrivals.expected == pytest.approx(rate * duration)
    assert len(times(arrivals)) == round(arrivals.expected)


@pytest.mark.parametrize(
    ("spec", "levels"),
    [
        ("ramp:from=4", (4, 16)),
        ("ramp:to=4", (16, 4)),
        ("step:steps=3", (5, 10, 15)),
        ("step:steps=3,to=12", (8, 10, 12)),
        ("spike:peak=20,lasting=10,at=0", (20, 8)),
        ("spike:base=6,lasting=12,at=0", (26, 6)),
        ("sine:high=19,period=60", (1, 19)),
    ],
)
def test_a_level_that_is_left_out_follows_from_the_rate(spec: str, levels: tuple[float, ...]) -> None:
    """Of two levels one is enough: the other is such that the mean over the duration is the rate."""
    arrivals = parse(spec, 10, 60)
    assert arrivals.expected == pytest.approx(600)
    part = 60 / len(levels)
    middles = [arrivals.rate_at(part * (number + 0.5)) for number in range(len(levels))]
    seen = [arrivals.rate_at(0), arrivals.rate_at(59.999)] if spec.startswith("ramp") else middles
    if spec.startswith("sine"):
        seen = [arrivals.rate_at(0), arrivals.rate_at(30)]
    if spec.startswith("spike"):
        seen = [arrivals.rate_at(0), arrivals.rate_at(30)]
    assert seen == pytest.approx(levels, rel=1e-3)


@pytest.mark.parametrize("spec", [spec for spec in EVERY_SHAPE if spec != "poisson"])
def test_even_arrivals_follow_their_curve_to_less_than_one(spec: str) -> None:
    """By any moment as many have arrived as the rate amounts to, and so have they in all."""
    arrivals = parse(spec, 40, 60)
    planned = times(arrivals)
    assert planned == sorted(planned)
    assert 0 <= planned[0] <= planned[-1] < 60
    assert len(planned) == round(arrivals.expected)
    amounts = integral(arrivals)
    assert amounts[-1] == pytest.approx(arrivals.expected, rel=1e-4)
    for second in range(1, 60):
        assert bisect_left(planned, second) == pytest.approx(amounts[second * 100], abs=1.1)
    assert arrivals.highest == pytest.approx(max(arrivals.rate_at(moment / 100) for moment in range(6000)), rel=1e-3)
    assert arrivals.rate_at(-0.1) == arrivals.rate_at(60) == 0


@pytest.mark.parametrize("spec", ["poisson", "ramp:random=yes", "sine:low=0,high=80,random=yes"])
def test_arrivals_at_random_are_a_poisson_process(spec: str) -> None:
    """Seen on the clock of their curve: counts have a variance like their mean, gaps are exponential."""
    arrivals = parse(spec, 40, 500)
    planned = times(arrivals)
    count = len(planned)
    assert abs(count - 20_000) < 4 * math.sqrt(20_000), "within four standard deviations of the integral"
    by_then = [_expected_by(spec, time) for time in planned]
    counts = Counter(int(amount / 10) for amount in by_then)
    tens = [counts[number] for number in range(1, 1_990)]
    assert fmean(tens) == pytest.approx(10, rel=0.03)
    assert pvariance(tens) == pytest.approx(10, rel=0.15), "as much as the mean"
    gaps = sorted(later - earlier for earlier, later in pairwise([0, *by_then]))
    distance = max(
        max((number + 1) / count - share, share - number / count)
        for number, share in enumerate(1 - math.exp(-gap) for gap in gaps)
    )
    assert distance < 1.95 / math.sqrt(count), "Kolmogorov-Smirnov's distance: greater once in a thousand seeds"
    early, late = gaps_around(by_then)
    assert abs(correlation(early, late)) < 4 / math.sqrt(count), "a gap tells nothing of the next"


def _expected_by(spec: str, time: float) -> float:
    """The integral of the rate until then, written down by hand for a mean of 40/s over 500 s."""
    if spec.startswith("ramp"):
        return 80 * time**2 / 1000
    if spec.startswith("sine"):
        return 40 * time - 40 * 250 / math.tau * math.sin(math.tau * time / 250)
    return 40 * time


def gaps_around(moments: list[float]) -> tuple[list[float], list[float]]:
    """Each gap but the last, and the one that comes after it."""
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return gaps[:-1], gaps[1:]


def correlation(some: list[float], others: list[float]) -> float:
    """Pearson's coefficient."""
    left, right = fmean(some), fmean(others)
    shared = math.fsum((one - left) * (other - right) for one, other in zip(some, others, strict=True))
    return shared / len(some) / math.sqrt(pvariance(some) * pvariance(others))


@pytest.mark.parametrize("spec", EVERY_SHAPE)
def test_the_same_seed_gives_the_same_times_and_another_gives_others(spec: str) -> None:
    """Whatever is random in them comes from the seed; what is even does not depend on it."""
    arrivals = parse(spec, 40, 30)
    assert times(arrivals, 1) == times(parse(spec, 40, 30), 1)
    assert (times(arrivals, 1) == times(arrivals, 2)) == (spec != "poisson")
    if spec != "poisson":
        drawn = parse(f"{spec}{',' if ':' in spec else ':'}random=yes", 40, 30)
        assert times(drawn, 1) != times(drawn, 2)
        assert all(0 <= time < 30 for time in times(drawn, 1))


def test_a_burst_comes_at_once_and_then_nothing_until_the_next() -> None:
    """Ten within a tenth of a second, every five seconds: the first of each exactly then."""
    planned = times(parse("burst:size=10,every=5", 1, 20))
    assert [round(time, 6) for time in planned[::10]] == [0, 5, 10, 15]
    assert all(planned[first + 9] - planned[first] < 0.1 for first in range(0, 40, 10))


def test_no_rounding_pushes_an_arrival_into_the_burst_before() -> None:
    """Sums of floats come out a little above or below the size, and the first of a burst stays the first."""
    for size in range(1, 120):
        planned = times(parse(f"burst:size={size},every=0.7,within=0.3", 1, 7))
        begins = [number * 0.7 for number in range(10)]
        assert planned[::size] == pytest.approx(begins, abs=1e-6), size


def test_where_nothing_arrives_for_a_while_the_next_comes_when_the_while_is_over() -> None:
    """A spike from nothing: its first arrival is at its beginning, not before."""
    planned = times(parse("spike:base=0,peak=10,at=3,lasting=2", 1, 20))
    assert planned == pytest.approx([3 + number / 10 for number in range(20)])


def test_a_million_arrivals_are_planned_and_not_one_more() -> None:
    """A slip of the keyboard does not plan more, nor none."""
    assert len(times(parse("sine", MOST, 1))) == MOST
    with pytest.raises(ValueError, match=r"constant at 1e\+06/s for 2 s plans 2,000,000.0 .* between 1 and 1,000,000"):
        parse("constant", MOST, 2)
    with pytest.raises(ValueError, match=r"constant at 0\.1/s for 1 s plans 0\.1 iterations"):
        parse("constant", 0.1, 1)
    for rate, duration in ((1e308, 10), (5, 1e308)):
        with pytest.raises(ValueError, match=r"its rate has no bounds|plans inf iterations; it must be between 1 and"):
            parse("constant", rate, duration)


def test_a_draw_may_come_out_empty_where_few_are_expected() -> None:
    """One is expected: some seeds draw none, as users would."""
    arrivals = parse("poisson", 0.1, 10)
    assert {0, 1, 2} <= {len(times(arrivals, seed)) for seed in range(40)}


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf, -math.inf])
def test_a_rate_or_duration_that_makes_no_sense_is_refused(wrong: float) -> None:
    """Zero, negative, endless or no number at all: each is refused with the unit and the value."""
    with pytest.raises(ValueError, match=f"the rate must be above 0 iterations a second, not {wrong}"):
        parse("constant", wrong, 1)
    with pytest.raises(ValueError, match=f"the duration must be above 0 seconds, not {wrong}"):
        parse("constant", 1, wrong)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("waves", r"no arrivals 'waves': expected constant, poisson, ramp, .* or trace, as in ramp:from=5,to=50"),
        ("ramp:form=5", r"unknown field `form`; its options are from, to, random, as in ramp:from=5,to=50"),
        ("ramp:from", r"'from' is no option with a value"),
        ("ramp:from=1,from=2", r"from is said twice"),
        ("ramp:from=five", r"Expected `float \| null`, got `str` - at `\$\.from`"),
        ("ramp:from=-5", r">= 0"),
        ("ramp:from=nan", r"bounds|>= 0"),
        ("ramp:from=0,to=inf", r"its rate has no bounds"),
        ("ramp:random=perhaps", r"random is yes or no, not 'perhaps'"),
        ("ramp:to=50", r"from would have to be -30/s: give from= as well"),
        ("step:steps=1", r">= 2"),
        ("spike:peak=100,lasting=5,at=8", r"a spike at 8 s, lasting 5 s, is not over within 10 s"),
        ("spike:peak=100,lasting=5", r"base would have to be -80/s: give base= as well"),
        ("burst:size=10,every=0", r"> 0"),
        ("sine:period=0", r"> 0"),
        ("ramp:from=1e308,to=1e308", r"its rate has no bounds"),
        ("burst:size=1e-320,every=1e-320", r"its rate has no bounds|plans inf iterations"),
        ("sine:period=1e-320", r"plans (inf|nan) iterations|division by zero"),
        ("poisson:random=yes", r"unknown field `random`; it has no options, as in poisson"),
        ("trace:", r"name no file: expected the times in a CSV file, as in trace:times.csv"),
        ("trace:nowhere.csv", r"the trace nowhere.csv cannot be read: .*No such file"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_could(spec: str, message: str) -> None:
    """An unknown shape or option, a value that makes no sense: the message says what is known and gives an example."""
    with pytest.raises(ValueError, match=message):
        parse(spec, 10, 10)


def test_a_trace_is_played_at_its_own_times_until_the_load_ends(tmp_path: Path) -> None:
    """Other columns, empty lines and a first mark do not matter; a rate is of the second around its moment."""
    file = tmp_path / "times.csv"
    file.write_text("\ufeff0.5,a\n1.0,b\n\n1.25\n7\n12\n")
    arrivals = parse(f"trace:{file}", 1, 10)
    assert times(arrivals) == [0.5, 1.0, 1.25, 7.0]
    assert (arrivals.expected, arrivals.highest, arrivals.duration) == (4, 3, 10)
    assert [arrivals.rate_at(moment) for moment in (1, 4, 7, 9.75, 10.5)] == [3, 0, 1, 0, 0]
    assert arrivals.rate_at(0.25) == pytest.approx(1 / 0.75), "what lies before the start is no time without arrivals"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds 0 arrivals"),
        ("seconds\n1\n", r"times.csv, line 1: 'seconds' is no number of seconds"),
        ("1\n\n-2\n", r"times.csv, line 3: -2 is no time from the start on"),
        ("1\nnan\n", r"times.csv, line 2: nan is no time"),
        ("1\n3\n2\n", r"times.csv, line 3: 2 s comes after 3 s: a trace is sorted"),
        ("12\n", r"begins at 12 s from the start, and the load ends at 10 s"),
        ("1" * 200_000, r"times.csv, line 1: field larger than field limit"),
        ('1\n"2\n3\n', r"times.csv, line 3: .* is no number of seconds"),
    ],
)
def test_a_trace_that_is_none_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    """Each of what can be wrong in it is told with the file and the line."""
    file = tmp_path / "times.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        parse(f"trace:{file}", 1, 10)


def test_every_shape_is_described_with_an_example_that_works() -> None:
    """The help names each, and what it shows can be typed."""
    told = described().splitlines()
    assert [line.partition(":")[0] for line in told[:-1]] == [*SHAPES, "trace"]
    for shape in SHAPES.values():
        assert parse(shape.example, 30, 60).spec == shape.example
