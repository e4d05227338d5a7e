"""Arrivals: the precomputed times at which iterations are meant to start. Pure functions."""

import math

MOST = 1_000_000
"""Arrivals one run may plan: more is a slip of the keyboard on one machine."""


def constant(rate: float, duration: float) -> list[float]:
    """Evenly spaced arrivals: seconds from the start of the load, the first at 0.

    `rate` is in iterations a second, `duration` in seconds. Raises ValueError if either is not above zero, or if
    they plan no arrival, or more than a million.
    """
    if not (rate > 0 and math.isfinite(rate)):
        message = f"the rate must be above 0 iterations a second, not {rate}"
        raise ValueError(message)
    if not (duration > 0 and math.isfinite(duration)):
        message = f"the duration must be above 0 seconds, not {duration}"
        raise ValueError(message)
    count = round(rate * duration)
    if not 1 <= count <= MOST:
        message = f"{rate}/s for {duration} s plans {count} iterations; it must be between 1 and {MOST:,}"
        raise ValueError(message)
    return [index / rate for index in range(count)]
