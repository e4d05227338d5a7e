"""The payment provider's books: authorize, then capture or void, then refund."""

import secrets
from collections import defaultdict
from http import HTTPStatus

import msgspec

from scenarios.outside.answers import Answer, Terms, done, error
from scenarios.outside.wire import Amount, Authorization, Payment

DECLINED = "insufficient_funds"


class Payments:
    """Every payment there ever was."""

    def __init__(self) -> None:
        self.by_id: dict[str, Payment] = {}
        self._by_reference: defaultdict[str, list[Payment]] = defaultdict(list)

    def of(self, reference: str) -> list[Payment]:
        """The payments with this reference, oldest first."""
        return self._by_reference.get(reference, [])

    def authorize(self, asked: Authorization, terms: Terms) -> Answer:
        """Hold the money, or decline."""
        payment = Payment(
            id=f"pay_{secrets.token_hex(8)}",
            reference=asked.reference,
            status="authorized" if terms.refusal is None else "declined",
            amount_cents=asked.amount_cents,
            currency=asked.currency,
            customer=asked.customer,
            reason=None if terms.refusal is None else terms.refusal or DECLINED,
        )
        self.by_id[payment.id] = payment
        self._by_reference[asked.reference].append(payment)
        if terms.refusal is None:
            return done(payment)
        return Answer(HTTPStatus.PAYMENT_REQUIRED, msgspec.to_builtins(payment))

    def capture(self, payment: Payment, asked: Amount, terms: Terms) -> Answer:
        """Take the money that is held, or a part of it; the rest is let go."""
        amount = asked.amount_cents or payment.amount_cents
        if terms.refusal is not None:
            reason = terms.refusal or DECLINED
            return Answer(
                HTTPStatus.PAYMENT_REQUIRED,
                {"id": payment.id, "reference": payment.reference, "status": "declined", "reason": reason},
            )
        if payment.status != "authorized" and not terms.again:
            return _illegal(payment, "captured")
        if amount > payment.amount_cents:
            return _conflict(f"{payment.id} holds {payment.amount_cents} cents; {amount} cannot be captured")
        payment.captured_cents += amount
        payment.status = "captured"
        return done(payment)

    def void(self, payment: Payment, terms: Terms) -> Answer:
        """Let go of the money that is held."""
        if terms.refusal is not None:
            return _conflict(terms.refusal or f"{payment.id} is being settled")
        if payment.status != "authorized" and not terms.again:
            return _illegal(payment, "voided")
        payment.status = "voided"
        return done(payment)

    def refund(self, payment: Payment, asked: Amount, terms: Terms) -> Answer:
        """Give money back, up to what was captured."""
        left = payment.captured_cents - payment.refunded_cents
        amount = asked.amount_cents or (payment.captured_cents if terms.again else left)
        if terms.refusal is not None:
            return _conflict(terms.refusal or f"{payment.id} is being settled")
        if payment.status not in {"captured", "partially_refunded"} and not terms.again:
            return _illegal(payment, "refunded")
        if amount > left and not terms.again:
            return _conflict(f"{left} cents of {payment.id} can still be refunded; {amount} cannot")
        payment.refunded_cents += amount
        payment.status = "refunded" if payment.refunded_cents >= payment.captured_cents else "partially_refunded"
        return done(payment)


def _illegal(payment: Payment, what: str) -> Answer:
    return _conflict(f"{payment.id} is {payment.status}; it cannot be {what}")


def _conflict(message: str) -> Answer:
    return error(HTTPStatus.CONFLICT, "conflict", message)
