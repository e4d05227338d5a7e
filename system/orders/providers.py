"""Speaks HTTP with a provider, and tells an answer from the lack of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from system.breaker import Breakers
from system.errors import ProviderUnanswered, SettingsError
from system.records import Record, storable

if TYPE_CHECKING:
    import aiohttp

CALL_SECONDS = 5.0
LONGEST_REASON = 1_000
"""Characters of a provider's own words that are kept."""
KEY_HEADER = "Idempotency-Key"
NOT_PROCESSED = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Reply(Record):
    """What a provider answered: it did what it was asked to, or refused to."""

    status: int
    body: Mapping[str, Any]

    @property
    def done(self) -> bool:
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def reason(self) -> str:
        """Why it refused."""
        if self.done:
            return ""
        said = self.body.get("reason") or self.body.get("message") or self.body.get("error") or self.status
        return storable(str(said), LONGEST_REASON)


class Http:
    """The one HTTP session of a worker, opened by its first call and closed with the block."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def session(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 a slow import

        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


class Provider:
    """A provider at a URL. No call is made twice in here: Temporal's retry policy is the only one."""

    def __init__(self, name: str, url: str | None, http: Http, breakers: Breakers) -> None:
        self.name = name
        self._url = url
        self._http = http
        self._breakers = breakers

    def address(self) -> str:
        """Where it is.

        Raises:
            SettingsError: this worker was not told.

        """
        if self._url is None:
            raise SettingsError(f"{self.name.upper()}_URL is not set: orders need it; expected http://host:port")
        return self._url.rstrip("/")

    async def post(self, path: str, body: Mapping[str, Any], *, key: str, seconds: float) -> Reply:
        """Ask for an effect, under the key that makes it one effect however often it is asked for.

        Raises:
            ProviderUnanswered: nobody knows whether it took effect.
            BreakerOpen: it was not asked.

        """
        return await self._call("POST", path, seconds, json=body, headers={KEY_HEADER: key})

    async def find(self, path: str, reference: str) -> Mapping[str, Any]:
        """Ask what it has under a reference.

        Raises:
            ProviderUnanswered, BreakerOpen: it did not tell.

        """
        reply = await self._call("GET", path, CALL_SECONDS, params={"reference": reference})
        if not reply.done:
            raise self._unanswered(f"answered {reply.status} to a question: {reply.reason}", reply.status)
        return reply.body

    async def answered(self, key: str) -> Reply | None:
        """Ask what it answered to the call with this key; None where it knows of none, which may yet arrive.

        Raises:
            ProviderUnanswered, BreakerOpen: it did not tell.

        """
        reply = await self._call("GET", f"/requests/{key}", CALL_SECONDS)
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        if not reply.done:
            raise self._unanswered(f"answered {reply.status} to a question: {reply.reason}", reply.status)
        return Reply(status=reply.body["status"], body=reply.body["answer"])

    async def _call(self, method: str, path: str, seconds: float, **options: Any) -> Reply:
        url = self.address() + path
        async with self._breakers.guard(self.name):
            return await self._exchange(method, url, seconds, options)

    async def _exchange(self, method: str, url: str, seconds: float, options: Mapping[str, Any]) -> Reply:
        import aiohttp  # noqa: PLC0415 a slow import

        try:
            async with (
                asyncio.timeout(min(seconds, CALL_SECONDS)),
                self._http.session().request(method, url, **options) as response,
            ):
                status, body = response.status, await response.json()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unanswered(f"gave no answer to {method} {url}: {error!r}") from error
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in NOT_PROCESSED:
            raise self._unanswered(f"answered {status} to {method} {url}", status)
        return Reply(status=status, body=body if isinstance(body, dict) else {})

    def _unanswered(self, what: str, status: int | None = None) -> ProviderUnanswered:
        return ProviderUnanswered(f"{self.name} {what}", provider=self.name, status=status)
