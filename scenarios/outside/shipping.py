"""The shipping provider's books: arrange a shipment, or cancel it."""

import secrets
from collections import defaultdict
from http import HTTPStatus

import msgspec

from scenarios.outside.answers import Answer, Terms, done, error
from scenarios.outside.wire import Shipment, ShipmentRequest

UNDELIVERABLE = "undeliverable"


class Shipping:
    """Every shipment there ever was."""

    def __init__(self) -> None:
        self.by_id: dict[str, Shipment] = {}
        self._by_reference: defaultdict[str, list[Shipment]] = defaultdict(list)

    def of(self, reference: str) -> list[Shipment]:
        """The shipments with this reference, oldest first."""
        return self._by_reference.get(reference, [])

    def ship(self, asked: ShipmentRequest, terms: Terms) -> Answer:
        """Arrange a shipment, or refuse to."""
        shipment = Shipment(id=f"shp_{secrets.token_hex(8)}", reference=asked.reference, status="arranged")
        if terms.refusal is None:
            shipment.tracking = f"TRK{secrets.token_hex(6).upper()}"
        else:
            shipment.status = "refused"
            shipment.reason = terms.refusal or UNDELIVERABLE
        self.by_id[shipment.id] = shipment
        self._by_reference[asked.reference].append(shipment)
        if terms.refusal is None:
            return done(shipment)
        return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, msgspec.to_builtins(shipment))

    def cancel(self, shipment: Shipment, terms: Terms) -> Answer:
        """Call a shipment off."""
        if terms.refusal is not None:
            return error(HTTPStatus.CONFLICT, "conflict", terms.refusal or f"{shipment.id} is on its way")
        if shipment.status != "arranged" and not terms.again:
            message = f"{shipment.id} is {shipment.status}; it cannot be cancelled"
            return error(HTTPStatus.CONFLICT, "conflict", message)
        shipment.status = "cancelled"
        return done(shipment)
