"""Measured figures: every sample, with its unit and how it was come by."""

from msgspec import Struct


class Measurement(Struct, frozen=True, kw_only=True):
    """The samples of one metric, in the order they were taken."""

    name: str
    unit: str
    """s, ms, rows/s, ratio, …"""
    samples: tuple[float, ...]
    how: str
    """One sentence: what was timed, from where to where, under which conditions."""
