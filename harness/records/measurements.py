"""Measured figures: every sample, with its unit and how it was come by."""

import math

from msgspec import Struct


class Measurement(Struct, frozen=True, kw_only=True):
    """The samples of one metric, in the order they were taken."""

    name: str
    unit: str
    """s, ms, rows/s, ratio, …"""
    samples: tuple[float, ...]
    how: str
    """One sentence: what was timed, from where to where, under which conditions."""

    def __post_init__(self) -> None:
        """Refuse what is no figure: JSON could not hold it. Raises ValueError."""
        if not all(map(math.isfinite, self.samples)):
            message = f"{self.name}: {self.samples} are not all finite"
            raise ValueError(message)
