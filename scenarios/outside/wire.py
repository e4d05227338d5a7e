"""What is sent to and from the outside: calls, behaviours, and what it counted."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Cents = Annotated[int, Meta(gt=0, le=10**12)]


class Action(StrEnum):
    """What a provider is asked to do; each but `ask` has an effect."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    SHIP = "ship"
    CANCEL = "cancel"
    ASK = "ask"


class Kind(StrEnum):
    """How a provider can behave. Several that fire on one call all apply, in this order."""

    HOLD = "hold"
    """The call arrives once this is switched off, and then takes effect, whether or not the caller still waits."""
    SLOW_BEFORE = "slow_before"
    """The call arrives `seconds` late, and then takes effect, whether or not the caller still waits."""
    DOWN = "down"
    """The connection is dropped before anything happens."""
    FAIL_BEFORE = "fail_before"
    """503, and nothing happened."""
    REFUSE = "refuse"
    """Declined or refused for business reasons, with the behaviour's `reason`."""
    IGNORE_KEYS = "ignore_keys"
    """A broken provider: a call whose key was seen before takes effect again."""
    DELIVER_TWICE = "deliver_twice"
    """The call is delivered twice, as by a network that repeats; a key that is honoured lets it take effect once."""
    SLOW_AFTER = "slow_after"
    """It takes effect at once, and the answer comes `seconds` late."""
    DROP_AFTER = "drop_after"
    """It takes effect, and the connection is dropped without an answer."""
    FAIL_AFTER = "fail_after"
    """It takes effect, and the answer is 500."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to behave towards some calls; it holds until it is switched off.

    Calls are numbered for each reference and action, from 1, since the behaviour was switched on: that, and not the
    order in which the references come, decides on which it fires. The same behaviour is on once, however often sent.
    """

    kind: Kind
    prefix: Annotated[str, Meta(max_length=255)]
    """What the call's reference begins with; "" is every call."""
    actions: tuple[Action, ...] = ()
    """Of these actions alone. Without any: of all that have an effect, and for `down` questions too."""
    first: Annotated[int, Meta(ge=1)] = 1
    """The number of the first call that it fires on."""
    times: Annotated[int, Meta(ge=1)] | None = None
    """On how many calls it fires, from the first on; on all of them without a number."""
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Of firing on each of those; drawn from `seed`, the reference, the action and the call's number."""
    seed: int = 0
    seconds: Annotated[float, Meta(ge=0, le=600)] = 0.0
    """How slow."""
    reason: str = ""
    """Why it is refused; a reason of the provider's own without one."""


class Authorization(Struct, frozen=True, forbid_unknown_fields=True):
    """Hold this much of a customer's money."""

    reference: Text
    amount_cents: Cents
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    customer: Text


class Amount(Struct, frozen=True, forbid_unknown_fields=True):
    """How much to capture or to refund; all that is left without a number."""

    amount_cents: Cents | None = None


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """A void or a cancellation needs no more than its address."""


class ShipmentRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Bring these items to this address; what an item and an address hold is the caller's business."""

    reference: Text
    address: Text | Annotated[dict[str, Any], Meta(min_length=1)]
    items: Annotated[list[dict[str, Any]], Meta(min_length=1)]


class Payment(Struct, kw_only=True):
    """One authorization, and what became of it."""

    id: str
    reference: str
    status: Literal["declined", "authorized", "voided", "captured", "partially_refunded", "refunded"]
    amount_cents: int
    currency: str
    customer: str
    captured_cents: int = 0
    refunded_cents: int = 0
    reason: str | None = None


class Shipment(Struct, kw_only=True):
    """One shipment, and what became of it."""

    id: str
    reference: str
    status: Literal["refused", "arranged", "cancelled"]
    tracking: str | None = None
    reason: str | None = None


class Request(Struct, frozen=True, kw_only=True):
    """What became of the call with an idempotency key: the first answer to it."""

    key: str
    action: Action
    reference: str
    status: int
    answer: dict[str, Any]


class Count(Struct, kw_only=True):
    """How often a call was made with one idempotency key, and how often it took effect."""

    key: str
    """"" for questions by reference, and for calls that had none."""
    action: Action
    reference: str
    calls: int = 0
    effects: int = 0
    replays: int = 0
    """Answered again with the first answer."""


class Entry(Struct, kw_only=True):
    """One call, in the journal."""

    at: float
    """Seconds since 1970, when it came in."""
    key: str
    action: Action
    reference: str
    behaviours: tuple[Kind, ...] = ()
    """What fired on it."""
    prefixes: tuple[str, ...] = ()
    """Of the behaviours that fired."""
    effects: int = 0
    replays: int = 0
    status: int | None = None
    """What the caller was answered; None where the connection was dropped, or the call is still open."""


class Journal(Struct, frozen=True, kw_only=True):
    """The newest calls, oldest first."""

    entries: list[Entry]
    forgotten: int
    """How many calls, of whatever reference, were too many to keep."""


class Total(Struct, kw_only=True):
    """What is true of one reference, in cents of the payments' currency."""

    reference: str
    authorized_cents: int = 0
    """Held, neither captured nor voided."""
    captured_cents: int = 0
    refunded_cents: int = 0
    net_cents: int = 0
    """Captured less refunded."""
    payments: dict[str, int] = {}
    """How many payments there are, by status."""
    shipments: dict[str, int] = {}
    """How many shipments there are, by status."""
