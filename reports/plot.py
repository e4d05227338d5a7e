"""A picture for every page: drawn once for a wide one and once for a narrow one, and what it shows as a table."""

from collections.abc import Callable, Sequence

from msgspec import Struct

WIDE, NARROW = 960.0, 340.0


class Plot(Struct, frozen=True, kw_only=True):
    """A picture drawn twice: for a wide page and for a narrow one. The style sheet shows one of them."""

    wide: str
    narrow: str

    @classmethod
    def drawn(cls, draw: Callable[[float], str]) -> "Plot":
        """By a function of the width in pixels."""
        return cls(wide=draw(WIDE), narrow=draw(NARROW))


class Table(Struct, frozen=True, kw_only=True):
    """What a plot shows, for whoever reads better than they see: words and figures as they are shown."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Each as long as `head`; its first says what the row is of."""
