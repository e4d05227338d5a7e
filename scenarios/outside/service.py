"""The outside over HTTP."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from scenarios.outside.answers import Answer, Terms, error, told
from scenarios.outside.books import MOST_KEPT, Call
from scenarios.outside.desk import FULL, Desk
from scenarios.outside.wire import (
    Action,
    Amount,
    Authorization,
    Behaviour,
    Nothing,
    Payment,
    Shipment,
    ShipmentRequest,
)

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
LONGEST_KEY = 255
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes: a run may switch on a behaviour for each of its iterations in one call."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BodyT = TypeVar("BodyT")


class Malformed(Exception):
    """A call that no provider could make sense of: its message says why."""


class Routes:
    """The routes of both providers, and of whoever tells them how to behave."""

    def __init__(self) -> None:
        self.desk = Desk()

    def application(self) -> web.Application:
        """What serves it."""
        application = web.Application(middlewares=[_explained], client_max_size=LARGEST_BODY)
        application.add_routes(
            [
                web.get("/health", self._health),
                web.post("/payments/authorizations", self._authorize),
                web.post("/payments/{id}/captures", self._capture),
                web.post("/payments/{id}/voids", self._void),
                web.post("/payments/{id}/refunds", self._refund),
                web.get("/payments", self._payments),
                web.post("/shipments", self._ship),
                web.post("/shipments/{id}/cancellations", self._cancel),
                web.get("/shipments", self._shipments),
                web.get("/requests/{key:.+}", self._request),
                web.get("/behaviours", self._behaviours),
                web.post("/behaviours", self._behave),
                web.delete("/behaviours", self._behave_well),
                web.get("/counts", self._counts),
                web.get("/journal", self._journal),
                web.get("/totals", self._totals),
            ]
        )
        return application

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        asked = await _body(request, Authorization)
        call = Call(key=_key(request), action=Action.AUTHORIZE, reference=asked.reference, asked=asked)
        return await self._take(request, call, lambda terms: self.desk.payments.authorize(asked, terms))

    async def _capture(self, request: web.Request) -> web.StreamResponse:
        asked, payment = await _body(request, Amount), self._payment(request)
        call = _on(payment, request, Action.CAPTURE, asked)
        return await self._take(request, call, lambda terms: self.desk.payments.capture(payment, asked, terms))

    async def _void(self, request: web.Request) -> web.StreamResponse:
        asked, payment = await _body(request, Nothing), self._payment(request)
        call = _on(payment, request, Action.VOID, asked)
        return await self._take(request, call, lambda terms: self.desk.payments.void(payment, terms))

    async def _refund(self, request: web.Request) -> web.StreamResponse:
        asked, payment = await _body(request, Amount), self._payment(request)
        call = _on(payment, request, Action.REFUND, asked)
        return await self._take(request, call, lambda terms: self.desk.payments.refund(payment, asked, terms))

    async def _ship(self, request: web.Request) -> web.StreamResponse:
        asked = await _body(request, ShipmentRequest)
        call = Call(key=_key(request), action=Action.SHIP, reference=asked.reference, asked=asked)
        return await self._take(request, call, lambda terms: self.desk.shipping.ship(asked, terms))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        asked, shipment = await _body(request, Nothing), self._shipment(request)
        call = _on(shipment, request, Action.CANCEL, asked)
        return await self._take(request, call, lambda terms: self.desk.shipping.cancel(shipment, terms))

    async def _payments(self, request: web.Request) -> web.StreamResponse:
        reference = _query(request, "reference")
        return await self._ask(request, "", reference, lambda: {"payments": self.desk.payments.of(reference)})

    async def _shipments(self, request: web.Request) -> web.StreamResponse:
        reference = _query(request, "reference")
        return await self._ask(request, "", reference, lambda: {"shipments": self.desk.shipping.of(reference)})

    async def _request(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        known = self.desk.books.request(key)

        def decide(_: Terms) -> Answer:
            found = self.desk.books.request(key)
            if found is None:
                return error(HTTPStatus.NOT_FOUND, "unknown_key", f"no request came with the key {key!r}")
            return told(found)

        # A key that never came has no reference; it stands for itself, so that a behaviour can match it too.
        call = Call(key=key, action=Action.ASK, reference=known.reference if known else key)
        return await self._take(request, call, decide)

    async def _behaviours(self, request: web.Request) -> web.Response:
        return _json({"behaviours": self.desk.behaviours.of(_query(request, "prefix"))})

    async def _behave(self, request: web.Request) -> web.Response:
        behaviours = await _body(request, list[Behaviour])
        if len(self.desk.behaviours) + len(behaviours) > MOST_KEPT:
            return _response(FULL)
        for behaviour in behaviours:
            self.desk.behaviours.switch_on(behaviour)
        return _json({"on": len(self.desk.behaviours)})

    async def _behave_well(self, request: web.Request) -> web.Response:
        if request.can_read_body:
            behaviours = await _body(request, list[Behaviour])
            return _json({"off": sum(map(self.desk.behaviours.switch_off_one, behaviours))})
        return _json({"off": self.desk.behaviours.switch_off(_query(request, "prefix"))})

    async def _counts(self, request: web.Request) -> web.Response:
        return _json({"counts": self.desk.books.counted(_query(request, "prefix"))})

    async def _journal(self, request: web.Request) -> web.Response:
        return _json(self.desk.books.journal(_query(request, "prefix")))

    async def _totals(self, request: web.Request) -> web.Response:
        return _json({"totals": self.desk.totals(_query(request, "prefix"))})

    async def _ask(
        self, request: web.Request, key: str, reference: str, found: Callable[[], dict[str, Sequence[msgspec.Struct]]]
    ) -> web.StreamResponse:
        call = Call(key=key, action=Action.ASK, reference=reference)
        return await self._take(request, call, lambda _: Answer(HTTPStatus.OK, msgspec.to_builtins(found())))

    async def _take(self, request: web.Request, call: Call, decide: Callable[[Terms], Answer]) -> web.StreamResponse:
        answer = await self.desk.take(call, decide)
        if answer is not None:
            return _response(answer)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # it has nowhere to go

    def _payment(self, request: web.Request) -> Payment:
        return _found(self.desk.payments.by_id, request, "payment")

    def _shipment(self, request: web.Request) -> Shipment:
        return _found(self.desk.shipping.by_id, request, "shipment")


RecordT = TypeVar("RecordT", Payment, Shipment)


def _found(records: dict[str, RecordT], request: web.Request, what: str) -> RecordT:
    try:
        return records[request.match_info["id"]]
    except KeyError:
        raise web.HTTPNotFound(text=f"there is no {what} {request.match_info['id']!r}") from None


def _on(record: Payment | Shipment, request: web.Request, action: Action, asked: object) -> Call:
    return Call(key=_key(request), action=action, reference=record.reference, asked=(record.id, asked))


def _key(request: web.Request) -> str:
    """Empty where the call has none: then it takes effect however often it comes, as at most providers."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return ""
    if not 0 < len(key.strip()) <= LONGEST_KEY:
        raise Malformed(f"the header {KEY_HEADER} is empty, or longer than {LONGEST_KEY} characters")
    return key.strip()


def _query(request: web.Request, name: str) -> str:
    value = request.query.get(name)
    if value is None or set(request.query) != {name}:
        raise Malformed(f"expected ?{name}=… and nothing else; {name}= alone stands for every one")
    return value


async def _body(request: web.Request, kind: type[BodyT]) -> BodyT:
    content = await request.read()
    try:
        return msgspec.json.decode(content or b"{}", type=kind)
    except msgspec.DecodeError as wrong:
        raise Malformed(str(wrong)) from wrong


def _json(body: Any, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _response(answer: Answer) -> web.Response:
    response = _json(answer.body, answer.status)
    if answer.replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


@web.middleware
async def _explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is JSON, with a code and a message."""
    try:
        return await handler(request)
    except Malformed as wrong:
        return _response(error(HTTPStatus.BAD_REQUEST, "malformed", str(wrong)))
    except web.HTTPException as refusal:
        status = HTTPStatus(refusal.status)
        return _response(error(status, status.name.lower(), refusal.text or status.phrase))
