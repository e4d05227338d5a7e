"""Steps are judged by the interval of their p99, and what a search has shown is said in a sentence."""

import pytest
from msgspec.structs import replace

from harness.checking.capacity import Limits, Trial, capacity_of, judged
from harness.records.steps import Saturated, Standing, Step

LIMITS = Limits(p99=0.5)


def trial(*times: float, lag: float = 0.001, unserved: int = 0, began: float = 100.0) -> Trial:
    """A trial of ten seconds."""
    return Trial(began=began, ended=began + 10, times=times, lags=[lag] * max(1, len(times)), unserved=unserved)


def step_of(*trials: Trial, rate: float = 20.0) -> Step:
    """The step they make."""
    return judged(rate, trials, LIMITS)


def test_a_rate_holds_where_the_whole_interval_is_below_the_limit() -> None:
    """All trials together: as many as were made, from the first to the last."""
    step = step_of(trial(*[0.1] * 200), trial(*[0.2] * 200, began=150.0))
    assert (step.standing, step.reason) == (Standing.HOLDS, "p99 is 200 ms, at most 500 ms")
    assert (step.rate, step.repeats, step.iterations, step.unserved) == (20, 2, 400, 0)
    assert (step.began, step.ended, step.achieved) == (100, 160, 20)
    assert (step.p50, step.p99, step.p99_low, step.p99_high, step.p99_limit) == (0.1, 0.2, 0.2, 0.2, 0.5)
    assert step_of(trial(*[0.5] * 368)).standing is Standing.HOLDS, "at most the limit is allowed"


def test_a_rate_breaks_where_the_whole_interval_is_above_it() -> None:
    """The reason gives both."""
    step = step_of(trial(*[0.1] * 100, *[0.9] * 100))
    assert (step.standing, step.reason) == (Standing.BREAKS, "p99 is 900 ms, above 500 ms")
    assert step.p50 == 0.1


def test_an_interval_about_the_limit_is_unclear() -> None:
    """A few of four hundred were slow: the p99 may be either."""
    step = step_of(trial(*[0.1] * 396, *[0.9] * 4))
    assert (step.standing, step.reason) == (Standing.UNCLEAR, "p99 lies between 100 ms and 900 ms, about 500 ms")
    assert (step.p99_low, step.p99, step.p99_high) == (0.1, 0.1, 0.9)
    step = step_of(trial(*[0.1] * 395, *[0.9] * 5))
    assert (step.standing, step.p99_low, step.p99) == (Standing.UNCLEAR, 0.1, 0.9)


def test_too_few_iterations_hold_nothing_however_fast_they_were() -> None:
    """The greatest of 367 is no bound of the p99; but that half of few are slow is clear enough."""
    step = step_of(trial(*[0.1] * 367))
    assert step.standing is Standing.UNCLEAR
    assert step.reason == "367 iterations are too few to tell a p99 by: 368 are needed"
    assert (step.p99, step.p99_low, step.p99_high) == (0.1, 0.1, None)
    assert step_of(trial(*[0.1] * 5, *[0.9] * 5)).standing is Standing.BREAKS


def test_the_more_looks_there_are_at_a_rate_the_less_each_may_be_deceived_by_chance() -> None:
    """One in twenty is told wrongly by all of them together: of three, each is to be 98.3 % sure."""
    fast = [trial(*[0.1] * 476)]
    assert judged(20, fast, LIMITS).standing is Standing.HOLDS
    step = judged(20, fast, LIMITS, looks=3)
    assert (step.standing, step.reason) == (
        Standing.UNCLEAR,
        "476 iterations are too few to tell a p99 by: 477 are needed",
    )
    assert judged(20, [trial(*[0.1] * 477)], LIMITS, looks=3).standing is Standing.HOLDS
    slow = [trial(*[0.1] * 1189, *[0.9] * 20)]
    assert judged(20, slow, LIMITS).standing is Standing.BREAKS
    assert judged(20, slow, LIMITS, looks=3).standing is Standing.UNCLEAR


def test_a_trial_that_shared_the_system_with_those_before_counts_only_where_no_other_is_left() -> None:
    """And then what went wrong may have come of them; what went well did so all the same."""
    beside = [replace(trial(*[0.9] * 400), disturbed=7), replace(trial(*[0.9] * 400, began=150), disturbed=3)]
    step = judged(20, beside, LIMITS)
    assert (step.standing, step.disturbed) == (Standing.UNCLEAR, 7)
    assert step.reason == "p99 is 900 ms, above 500 ms; and 7 workflows of trials before it still ran beside it"
    assert judged(20, [replace(trial(*[0.1] * 5, unserved=5), disturbed=1)], LIMITS).standing is Standing.UNCLEAR
    held = judged(20, [replace(trial(*[0.1] * 400), disturbed=7)], LIMITS)
    assert (held.standing, held.disturbed) == (Standing.HOLDS, 7)
    alone = judged(20, [*beside, trial(*[0.1] * 400, began=200)], LIMITS)
    assert (alone.standing, alone.iterations, alone.repeats, alone.disturbed) == (Standing.HOLDS, 400, 3, 0)


def test_who_was_not_served_breaks_it_whatever_the_others_waited() -> None:
    """And counts as slower than any."""
    step = step_of(trial(*[0.1] * 199, unserved=1))
    assert (step.standing, step.reason) == (Standing.BREAKS, "1 of 200 iterations were not served")
    assert (step.iterations, step.unserved, step.p50, step.p99_high) == (200, 1, 0.1, None)
    assert step_of(trial(0.1, 0.2, 0.3, unserved=3)).p50 == 0.3
    assert step_of(trial(unserved=5)).p99 is None


def test_a_late_generator_makes_it_void() -> None:
    """However good the response times look; its own are left out where another trial was on time."""
    late = trial(*[0.9] * 200, lag=0.08)
    step = step_of(late)
    assert (step.standing, step.lag_p99) == (Standing.VOID, 0.08)
    assert step.reason == "the generator was 80 ms late at p99, and 50 ms are allowed"
    second = step_of(late, trial(*[0.1] * 400, lag=0.05, began=150))
    assert (second.standing, second.iterations, second.repeats) == (Standing.HOLDS, 400, 2)
    assert (second.lag_p99, second.began) == (0.05, 150)


def test_without_a_single_answer_nothing_is_known() -> None:
    """A scenario that waits for no result has no response times, and neither holds nor breaks."""
    step = step_of(trial())
    assert (step.standing, step.reason) == (Standing.UNCLEAR, "nothing was answered, and nothing failed")
    assert (step.p50, step.p99, step.p99_low, step.p99_high) == (None, None, None, None)


def test_what_saturated_is_what_the_last_trial_saw() -> None:
    """Of those that count."""
    first, second = (Saturated(what=what, evidence="", change="") for what in ("first", "second"))

    def seen(saturated: Saturated | None) -> Trial:
        return Trial(began=0, ended=1, times=[1.0], lags=[0.0], saturated=saturated)

    assert step_of(seen(first), seen(second), seen(None)).saturated == second
    assert step_of(seen(None)).saturated is None


HELD = {rate: judged(rate, [trial(*[0.1] * 400)], LIMITS) for rate in (10.0, 20.0)}
BROKEN = judged(40, [trial(*[0.9] * 200)], LIMITS)


def test_the_knee_is_the_highest_rate_that_was_seen_to_hold() -> None:
    """And the sentence says what happens beyond it."""
    found = capacity_of([HELD[10], BROKEN, HELD[20]])
    assert (found.knee, found.beyond) == (20, 40)
    assert found.sentence == (
        "The objectives hold up to 20/s: of a hundred users ninety-nine wait 100 ms or less. "
        "At 40/s they do not: p99 is 900 ms, above 500 ms."
    )


def test_a_rate_that_held_above_one_that_did_not_is_luck() -> None:
    """The knee is below the lowest that did not hold."""
    lucky = judged(80, [trial(*[0.1] * 400)], LIMITS)
    assert capacity_of([HELD[10], BROKEN, lucky]).knee == 10


def test_a_search_that_never_broke_says_that_the_knee_is_above() -> None:
    """Nothing is made up."""
    found = capacity_of([HELD[10], HELD[20]])
    assert (found.knee, found.beyond, found.saturated) == (20, None, None)
    assert found.sentence.endswith("Nothing higher was tried: the knee is above it.")


def test_a_search_that_never_held_says_so() -> None:
    """With the lowest rate, and why."""
    found = capacity_of([BROKEN])
    assert (found.knee, found.beyond) == (None, 40)
    assert found.sentence == (
        "The objectives were not seen to hold at any rate, down to 40/s. "
        "At 40/s they do not: p99 is 900 ms, above 500 ms."
    )


def test_a_generator_at_its_limit_and_a_doubtful_rate_are_told_as_such() -> None:
    """Neither is the system's knee."""
    void = judged(40, [trial(*[0.1] * 200, lag=1.0)], LIMITS)
    told = capacity_of([HELD[10], void]).sentence
    assert "it was the generator that saturated, so the system's knee is not known; it is higher" in told
    doubtful = judged(40, [trial(*[0.1] * 396, *[0.9] * 4)], LIMITS)
    assert "At 40/s it cannot be told: p99 lies between" in capacity_of([HELD[10], doubtful]).sentence


def test_no_steps_no_knee() -> None:
    """It is an error, and no zero."""
    with pytest.raises(ValueError, match="no step was made"):
        capacity_of([])
