"""The shipping provider: what an order asks of it, and how all of it is taken back."""

from __future__ import annotations

from dataclasses import replace

from system.orders.models import OrderRequest
from system.orders.outbox import Intent, Outbox
from system.orders.providers import Provider
from system.storage.effects import Effect


class Shipping:
    """Shipments of orders; the reference of a shipment is the order's id."""

    def __init__(self, provider: Provider, outbox: Outbox) -> None:
        self._provider = provider
        self._outbox = outbox

    def shipment(self, order_id: str, order: OrderRequest) -> Intent:
        """Bring what was ordered to the customer."""
        body = {
            "reference": order_id,
            "address": order.address,
            "items": [{"sku": line.sku, "quantity": line.quantity} for line in order.lines],
        }
        return Intent(provider=self._provider, path="/shipments", body=body)

    async def withdraw(self, effect: Effect) -> bool:
        """Make no such call from now on; returns whether one may still be on its way."""
        return await self._outbox.withdraw(effect, self._provider)

    async def clear(self, effect: Effect) -> int:
        """Call off whatever the provider has under the order's id; returns how many shipments that were.

        Args:
            effect: of the attempt that clears; its step and item are not used.

        """
        found = await self._provider.find("/shipments", effect.workflow_id)
        standing = [each["id"] for each in found["shipments"] if each["status"] == "arranged"]
        for shipment in standing:
            path = f"/shipments/{shipment}/cancellations"
            intent = Intent(provider=self._provider, path=path, body={}, refusable=False)
            await self._outbox.perform(replace(effect, step="cancel_shipment", item=shipment), intent)
        return len(standing)
