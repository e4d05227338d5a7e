"""How the histories of a broken target are replayed: with the code that its workers run, the bug included."""

from collections.abc import Callable, Mapping
from typing import Any

from plants import PLANTS

from scenarios import target


def __getattr__(name: str) -> Callable[[], Mapping[str, Any]]:
    def replay() -> Mapping[str, Any]:
        PLANTS[name](setattr)
        return target.replay()

    return replay
