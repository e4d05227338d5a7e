"""Calls the providers of the outside as a system would."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Answered:
    """What the caller was told."""

    status: int
    body: dict[str, Any]
    replayed: bool


@dataclass
class Caller:
    """A caller with references that no other test has."""

    session: aiohttp.ClientSession
    url: str
    reference: str = field(default_factory=lambda: f"{secrets.token_hex(6)}/order")

    async def call(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Answered:
        """Make one call; raises aiohttp.ClientConnectionError where the connection is dropped."""
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.session.request(method, self.url + path, headers=headers, **more) as response:
            body = await response.json()
            return Answered(response.status, body, response.headers.get("Idempotent-Replayed") == "true")

    async def authorize(self, *, key: str = "", reference: str = "", cents: int = 1000) -> Answered:
        """Ask for money to be held."""
        asked = {
            "reference": reference or self.reference,
            "amount_cents": cents,
            "currency": "EUR",
            "customer": "customer-1",
        }
        return await self.call("POST", "/payments/authorizations", key=key or self.key("authorize"), json=asked)

    async def ship(self, *, key: str = "") -> Answered:
        """Ask for a shipment."""
        asked = {"reference": self.reference, "address": {"city": "Bremen"}, "items": [{"sku": "A", "quantity": 2}]}
        return await self.call("POST", "/shipments", key=key or self.key("ship"), json=asked)

    async def on(self, made: Answered, what: str, *, key: str = "", cents: int | None = None) -> Answered:
        """Go on with what was authorized or arranged: "captures", "voids", "refunds" or "cancellations"."""
        folder = "shipments" if what == "cancellations" else "payments"
        asked = {} if cents is None else {"amount_cents": cents}
        return await self.call("POST", f"/{folder}/{made.body['id']}/{what}", key=key or self.key(what), json=asked)

    async def became(self, key: str) -> Answered:
        """Ask what became of the call with this key."""
        return await self.call("GET", f"/requests/{key}")

    async def of_reference(self, folder: str) -> list[dict[str, Any]]:
        """The payments or shipments of this reference."""
        found = await self.call("GET", f"/{folder}", params={"reference": self.reference})
        assert found.status == 200
        return list(found.body[folder])

    def key(self, part: str) -> str:
        """A key that nobody else uses."""
        return f"{self.reference}/{part}/{secrets.token_hex(4)}"
