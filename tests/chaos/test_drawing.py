"""Random faults: the same seed draws the same ones, in their time, and none breaks what is broken already."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.drawing import drawn
from chaos.experiment import Experiment, overlaps, parsed
from chaos.writing import toml_of
from harness.errors import CannotRun

FILE = """
name = "random"
title = "Whatever comes"
expect = "Nothing is lost."
workers = 3

[load]
scenarios = ["pipeline-slice"]
rate = 5
duration = 60

[random]
count = 6
since = 5

[[fault]]
kind = "link_down"
owner = "worker-1"
service = "postgres"
for = 4

[[fault]]
kind = "link_down"
owner = "worker-2"
service = "temporal"
for = 3

[[fault]]
kind = "link_down"
owner = "worker-3"
service = "postgres"
at = 1
for = 2
"""


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    """Six faults out of two, beside one that is fixed."""
    return parsed(FILE)


@settings(max_examples=50)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_what_is_drawn_can_be_done(experiment: Experiment, seed: int) -> None:
    """So many as were asked for, each in its time and no longer than it may be, none on top of another."""
    fixed = drawn(experiment, seed)
    assert fixed.random is None
    assert len(fixed.fault) == 7
    assert not list(overlaps(fixed.fault, 3))
    lottery = [fault for fault in fixed.fault if not fault.on.startswith("worker-3.")]
    assert all(fault.at is not None and 5 <= fault.at <= 45 and 0 < fault.duration <= 4 for fault in lottery)
    assert drawn(experiment, seed) == fixed


def test_another_seed_draws_others(experiment: Experiment) -> None:
    """And one without [random] stays as it is."""
    fixed = drawn(experiment, 1)
    assert fixed != drawn(experiment, 2)
    assert drawn(fixed, 2) is fixed


@settings(max_examples=50)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_a_fault_that_comes_again_is_within_the_load_each_time(seed: int) -> None:
    """Its last time too, however late the first was drawn."""
    again = parsed(FILE.replace("count = 6", "count = 2").replace("for = 4", "for = 4\nevery = 10\ntimes = 3"))
    drawn_again = [fault for fault in drawn(again, seed).fault if fault.times > 1]
    assert all(fault.at is not None and fault.at + 20 + fault.duration <= 60 for fault in drawn_again)


def test_too_many_are_refused() -> None:
    """Where they find no place beside each other."""
    with pytest.raises(CannotRun, match="60 random faults find no place"):
        drawn(parsed(FILE.replace("count = 6", "count = 60")), 1)


def test_what_was_drawn_is_a_file_that_does_the_same(experiment: Experiment) -> None:
    """Read back, it is equal."""
    fixed = drawn(experiment, 3)
    assert parsed(toml_of(fixed)) == fixed
    assert parsed(toml_of(experiment)) == experiment
