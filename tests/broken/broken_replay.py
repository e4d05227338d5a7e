"""How the histories of a broken target are replayed: with the code that its workers run, the bug included."""

from collections.abc import Callable, Mapping
from typing import Any

from plants import PLANTS, Patch

from scenarios import target

patch: Patch = setattr
"""Plants the bug for good; in a process that goes on to other things, pytest's, which takes it back."""


def __getattr__(name: str) -> Callable[[], Mapping[str, Any]]:
    def replay() -> Mapping[str, Any]:
        PLANTS[name](patch)
        return target.replay()

    return replay
