"""The wires of one run: each stands between one owner, a worker or the client, and its link to Temporal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.services.service import Service

if TYPE_CHECKING:
    from harness.wire import Wire


class Wires(Mapping[str, "Wire"]):
    """Those that stand, by owner; on leaving they are stopped.

    Attributes:
        wanted: the owners that are to have one; everybody else reaches the link as ever.

    """

    def __init__(self, temporal: Service) -> None:
        self.wanted: set[str] = set()
        self._temporal = temporal
        self._standing: dict[str, Wire] = {}
        self._exits = AsyncExitStack()

    def __getitem__(self, owner: str) -> Wire:
        return self._standing[owner]

    def __iter__(self) -> Iterator[str]:
        return iter(self._standing)

    def __len__(self) -> int:
        return len(self._standing)

    async def before(self, owner: str, addresses: Mapping[str, str]) -> dict[str, str]:
        """These addresses, with a wire before that of Temporal if the owner is to have one."""
        if owner not in self.wanted:
            return dict(addresses)
        from harness.wire import Wire  # noqa: PLC0415  slow, and few runs need it

        wire = await self._exits.enter_async_context(Wire.to(addresses["temporal.address"]))
        self._standing[owner] = wire
        fields = self._temporal.fields_at(wire.address)
        return {**addresses, **{f"temporal.{key}": value for key, value in fields.items()}}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()
