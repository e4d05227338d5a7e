"""An experiment that is written reads back as the same."""

import math
import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chaos.experiment import Experiment, LoadPlan, Random, find, parsed, shipped
from chaos.faults.fault import Trigger
from chaos.faults.links import LinkDownPlan
from chaos.writing import toml_of
from harness.records.experiment import Recovery, Steady

SECONDS = 1000.0


class Anything(msgspec.Struct, frozen=True, kw_only=True):
    """A record that may hold whatever TOML can say."""

    held: dict[str, Any] = {}


def positive(most: float = SECONDS) -> st.SearchStrategy[float]:
    """Seconds, from a thousandth on."""
    return st.floats(0.001, most)


TRIGGERS = st.one_of(
    st.builds(Trigger, in_flight=st.integers(1, 99)),
    st.builds(Trigger, started=st.integers(1, 99)),
    st.builds(Trigger, effect=st.text(), nth=st.integers(1, 99)),
)
TIMES = st.one_of(
    st.fixed_dictionaries({"at": st.floats(0, 300), "duration": positive(100)}),
    st.fixed_dictionaries({"when": TRIGGERS, "duration": positive(100)}),
    st.fixed_dictionaries(
        {"at": st.just(1.5), "duration": positive(1), "every": st.floats(2, 50), "times": st.integers(2, 9)}
    ),
)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Any experiment that can be, each of its faults on a link of its own."""
    places = draw(
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["temporal", "postgres"])), unique=True, min_size=1)
    )
    random = draw(st.none() | st.builds(Random, count=st.integers(1, 9), since=st.floats(0, 9)))
    drawn = [{"duration": 1.0}] if random else []
    times = [draw(TIMES) for _ in places[len(drawn) :]] + drawn
    return Experiment(
        name=draw(st.text()),
        title=draw(st.text()),
        expect=draw(st.text()),
        load=LoadPlan(
            scenarios=tuple(draw(st.lists(st.text(), min_size=1, max_size=3))), rate=draw(positive(2)), duration=SECONDS
        ),
        fault=tuple(
            LinkDownPlan(owner=f"worker-{number}", service=service, **when)  # type: ignore[arg-type]  # of those sampled
            for (number, service), when in zip(places, times, strict=True)
        ),
        workers=3,
        steady=draw(st.builds(Steady, response=positive())),
        recovery=draw(st.builds(Recovery, within=positive(), last=st.integers(1, 99))),
        random=random,
        short=draw(st.booleans()),
    )


@given(experiments())
def test_an_experiment_reads_back_as_the_same(experiment: Experiment) -> None:
    """Names with quotes and line ends, triggers, repeated and drawn faults: nothing is lost on the way."""
    assert parsed(toml_of(experiment)) == experiment


SCALARS = st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


@given(st.dictionaries(st.text(), VALUES, max_size=3))
@example({"\x7f": '\x7f\x00"\\\r\n'})
@settings(max_examples=40)
def test_what_a_fault_may_hold_reads_back_as_the_same(held: dict[str, Any]) -> None:
    """Tables within tables and lists, under keys of any characters."""
    assert msgspec.toml.decode(toml_of(Anything(held=held)), type=Anything).held == held


def test_it_reads_as_a_person_would_have_written_it() -> None:
    """What is as it would be anyway is not told; tables come after what stands for itself."""
    text = (
        'name = "cut"\ntitle = "The link is cut"\nexpect = "Nothing is lost."\n\n'
        '[load]\nscenarios = ["pipeline-slice"]\nrate = 5\nduration = 10.5\n\n'
        '[[fault]]\nkind = "link_down"\nat = 3\nfor = 3\nowner = "worker-1"\nservice = "postgres"\n\n'
        '[[fault]]\nkind = "link_down"\nwhen = { effect = "capture_payment", nth = 3 }\nfor = 0.5\nowner = "client"\n'
        'service = "temporal"\n'
    )
    assert toml_of(parsed(text)) == text
    assert toml_of(parsed(text + "\n[recovery]\nwithin = 10.0\n")) == text
    assert toml_of(Anything()) == ""


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_experiment_reads_back_as_the_same(name: str) -> None:
    """Of whichever kinds its faults are."""
    experiment = find(name)
    assert parsed(toml_of(experiment)) == experiment


def test_numbers_that_are_none_are_numbers_of_toml() -> None:
    """Not finite ones, too."""
    held = tomllib.loads(toml_of(Anything(held={"a": math.inf, "b": math.nan, "c": 1e-7})))["held"]
    assert (held["a"], held["c"]) == (math.inf, 1e-7)
    assert math.isnan(held["b"])


def test_what_toml_cannot_say_is_refused() -> None:
    """It has no null: where one is meant to be left out, it is; within a list it cannot be."""
    with pytest.raises(ValueError, match="TOML has no way to say None"):
        toml_of(Anything(held={"list": [None]}))
