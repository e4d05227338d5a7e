"""Student's t distribution: how far off a figure with a spread that is itself estimated lies by chance."""

from functools import lru_cache
from math import atan, cos, pi, sin, sqrt

FARTHEST = 1e9
"""No critical value is sought beyond."""


@lru_cache(maxsize=256)
def critical(chance: float, degrees: int) -> float:
    """What |t| exceeds with this chance, for so many degrees of freedom: 2.09 for 0.05 and 19.

    Raises ValueError unless the chance is between 0 and 1 and there is a degree of freedom at least.
    """
    if not 0 < chance < 1 or degrees < 1:
        message = f"no critical value for a chance of {chance} and {degrees} degrees of freedom"
        raise ValueError(message)
    low, high = 0.0, 1.0
    while outside(high, degrees) > chance and high < FARTHEST:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if outside(middle, degrees) > chance else (low, middle)
    return high


def outside(t: float, degrees: int) -> float:
    """The chance of |T| > t, for t from 0 on and whole degrees of freedom.

    By the finite sums of Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4.
    """
    angle = atan(t / sqrt(degrees))
    term, total = 1.0, 1.0
    odd = degrees % 2
    for number in range(1, (degrees - odd) // 2):
        term *= (2 * number - 1 + odd) / (2 * number + odd) * cos(angle) ** 2
        total += term
    if not odd:
        return 1 - sin(angle) * total
    return 1 - 2 / pi * (angle + (sin(angle) * cos(angle) * total if degrees > 1 else 0.0))
