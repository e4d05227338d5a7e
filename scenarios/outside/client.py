"""Tells the outside how to behave, and asks it what it counted."""

import io
from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

import msgspec

from scenarios.outside.wire import Behaviour, Count, Journal, Total

CALL_SECONDS = 30.0

AnswerT = TypeVar("AnswerT")


class OutsideError(Exception):
    """The outside did not do what it was told: its status and message."""


class Outside:
    """The outside at a URL, as whoever runs it sees it. Every question is one call, however many references it has.

    A prefix is that of the reference; "" stands for all.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def behave(self, *behaviours: Behaviour) -> None:
        """Switch behaviours on, until `behave_well`."""
        await self._call("POST", "/behaviours", dict, body=behaviours)

    async def behave_well(self, prefix: str) -> None:
        """Switch off every behaviour whose prefix begins so."""
        await self._call("DELETE", "/behaviours", dict, prefix=prefix)

    async def behave_no_more(self, *behaviours: Behaviour) -> None:
        """Switch off these, and no others."""
        await self._call("DELETE", "/behaviours", dict, body=behaviours)

    async def behaviours(self, prefix: str) -> list[Behaviour]:
        """Those that are on, and whose prefix begins so."""
        return (await self._call("GET", "/behaviours", dict[str, list[Behaviour]], prefix=prefix))["behaviours"]

    async def counts(self, prefix: str) -> list[Count]:
        """How often each key was used, and took effect."""
        return (await self._call("GET", "/counts", dict[str, list[Count]], prefix=prefix))["counts"]

    async def journal(self, prefix: str) -> Journal:
        """The newest calls, one by one."""
        return await self._call("GET", "/journal", Journal, prefix=prefix)

    async def totals(self, prefix: str) -> list[Total]:
        """Money and shipments, by reference."""
        return (await self._call("GET", "/totals", dict[str, list[Total]], prefix=prefix))["totals"]

    async def _call(
        self, method: str, path: str, kind: type[AnswerT], *, body: Sequence[Behaviour] | None = None, **query: str
    ) -> AnswerT:
        import aiohttp  # noqa: PLC0415  # a slow import, and scenarios are listed without it

        limit = aiohttp.ClientTimeout(total=CALL_SECONDS)
        content = None if body is None else io.BytesIO(msgspec.json.encode(body))
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.request(method, self.url + path, params=query, data=content) as response,
        ):
            answer = await response.read()
            if response.status != HTTPStatus.OK:
                message = f"{method} {path} at {self.url}: {response.status} {answer.decode(errors='replace')}"
                raise OutsideError(message)
        return msgspec.json.decode(answer, type=kind)
