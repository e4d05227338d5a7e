"""What a benchmark found: a figure of ours, beside its limit, and beside a peer's where there is one."""

from msgspec import Struct


class Result(Struct, frozen=True, kw_only=True):
    """One figure. `value` is a ratio to a peer unless `unit` says otherwise."""

    name: str
    what: str
    """What was compared with what, in one sentence."""
    value: float
    unit: str = ""
    """Empty for a ratio."""
    at_most: float | None = None
    at_least: float | None = None
    behind: str = ""
    """The figures behind a ratio: ours and the peer's, how many."""

    @property
    def holds(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def limit(self) -> str:
        sign, limit = ("≤", self.at_most) if self.at_most is not None else ("≥", self.at_least)
        return f"{sign} {limit:g} {self.unit}".strip()


class Record(Struct, frozen=True, kw_only=True):
    """docs/evidence/benchmarks.json: all benchmarks of one run, by name, in the order in which they were run."""

    command: str = "nox -s bench"
    date: str
    commit: str
    machine: str
    note: str = ""
    """What else is to be known of where the figures come from."""
    results: dict[str, Result]
