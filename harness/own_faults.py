"""The contract of a target's own faults: what the world around it can be told to do wrong."""

from collections.abc import Sequence
from typing import Protocol

from harness.scenario import Stores


class OwnFault(Protocol):
    """One kind of fault that temper.toml names under `faults`: a dataclass or msgspec Struct of its parameters.

    It keeps nothing: what it has told the world is asked of the world. `prefix` is that of the run's workflow ids;
    only what belongs to them is to be broken, where that can be told apart.
    """

    async def inject(self, stores: Stores, prefix: str) -> None:
        """Break it. Returns when it is broken."""

    async def in_force(self, stores: Stores, prefix: str) -> str:
        """How it is seen to be broken now; empty where it is not."""

    async def heal(self, stores: Stores, prefix: str) -> None:
        """Mend it. Returns when it is mended; harmless if it was never broken, and when called twice."""

    async def met(self, stores: Stores, prefix: str) -> Sequence[str] | None:
        """Whatever met it in this run so far, oldest first, each as "workflow id: what happened".

        None where operations and histories are to tell.
        """
