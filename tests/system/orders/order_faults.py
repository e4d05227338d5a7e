"""Everything that can go wrong at a step of an order, and what the order may come to then."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.armed import Armed
from harness.faultpoints import FaultPoints, Place
from system.orders.models import (
    ARRANGE_SHIPMENT,
    AUTHORISE_PAYMENT,
    CANCEL_SHIPMENT,
    CAPTURE_PAYMENT,
    CLOSE_ORDER,
    CONFIRM_ORDER,
    FIND_ORDER,
    OPEN_ORDER,
    REFUND_PAYMENT,
    RELEASE_STOCK,
    RESERVE_STOCK,
    REVOKE_CONFIRMATION,
    SETTLE,
    VOID_PAYMENT,
)

FORWARD = (OPEN_ORDER, RESERVE_STOCK, AUTHORISE_PAYMENT, CAPTURE_PAYMENT, ARRANGE_SHIPMENT, CONFIRM_ORDER)
BACK = (
    FIND_ORDER,
    REVOKE_CONFIRMATION,
    CANCEL_SHIPMENT,
    REFUND_PAYMENT,
    VOID_PAYMENT,
    RELEASE_STOCK,
    SETTLE,
    CLOSE_ORDER,
)
AGAIN_AND_AGAIN = range(1, 1000)
"""Attempts: whichever of them comes through, if the machine is so busy that one is given up."""
FOR_A_WHILE = 4
"""Attempts: they take three seconds, in which a cancellation arrives that is to come before the next one."""

Direction = Literal["forward", "compensating"]
Cancel = Literal["by its customer", "by its operator"]


@dataclass(frozen=True)
class Combination:
    """One order: what happens to it at which step, and how it must end."""

    step: str
    direction: Direction
    fault: str
    arm: Callable[[Place], None]
    ends: str
    cancel: Cancel | None = None
    """Sent once the fault has bitten."""
    times: int | None = 1
    """How many attempts the fault bites at most; None is all of them."""
    run: str = ""
    """Tells its order apart from those of other runs: the outside world remembers all it ever saw."""

    @property
    def order_id(self) -> str:
        words = f"{self.step} {self.direction} {self.fault} {self.run}"
        return "".join(letter if letter.isalnum() else "-" for letter in words)

    @property
    def kills(self) -> bool:
        return "killed" in self.fault

    @property
    def in_doubt(self) -> bool:
        """Whether a call has to be on its way while the order goes back: nothing is settled otherwise."""
        return self.step == SETTLE

    def set_up(self, faults: FaultPoints) -> None:
        """Arm the fault; and, for a compensation, what makes the order go back: from its very end, if it can."""
        self.arm(faults.at(self.step, workflow_id=self.order_id, attempt=AGAIN_AND_AGAIN, times=self.times))
        if self.direction == "compensating" and not self.in_doubt:
            faults.at(CONFIRM_ORDER, workflow_id=self.order_id, attempt=AGAIN_AND_AGAIN).after_commit(retryable=False)

    def go_back(self, faults: FaultPoints) -> None:
        """Make an order go back whose authorisation is on its way."""
        faults.at(AUTHORISE_PAYMENT, workflow_id=self.order_id, attempt=AGAIN_AND_AGAIN).before(retryable=False)

    def bites(self) -> set[tuple[str, str]]:
        """Which faults must have bitten: activity and point."""
        place = _Recorder()
        self.arm(place)
        expected = {(self.step, place.point)}
        if self.in_doubt:
            return expected | {(AUTHORISE_PAYMENT, "before")}
        return expected | ({(CONFIRM_ORDER, "after")} if self.direction == "compensating" else set())


class _Recorder(Place):
    """Tells which point a fault is armed at, and arms nothing."""

    def __init__(self) -> None:
        self.point = ""

    def _arm(self, point: str, act: str) -> Armed:
        self.point = point
        return Armed(Path())


def fails_again(place: Place) -> None:
    place.before()


def fails_before(place: Place) -> None:
    place.before(retryable=False)


def fails_after(place: Place) -> None:
    place.after_commit(retryable=False)


def killed_before(place: Place) -> None:
    place.kill_before()


def killed_after(place: Place) -> None:
    place.kill_after()


def lost(place: Place) -> None:
    place.lose()


def every_combination() -> Iterator[Combination]:
    """{fails, cancelled, worker killed, completion lost after commit} x {each step, forward and compensating}.

    A compensation has no failure for good: see `system.orders.insisting`.
    """
    for step in FORWARD:
        yield from _forward(step)
    for step in BACK:
        yield from _back(step)


def a_few() -> list[Combination]:
    """Each fault once, going round the steps, in either direction: each step has its turn."""
    found = list(every_combination())
    forward = [each for each in found if each.direction == "forward"]
    compensating = [each for each in found if each.direction == "compensating"]
    return [*_diagonal(forward, FORWARD), *_diagonal(compensating, BACK)]


def _diagonal(combinations: Sequence[Combination], steps: Sequence[str]) -> Iterator[Combination]:
    faults = list(dict.fromkeys(each.fault for each in combinations))
    turns = {(steps[number % len(steps)], fault) for number, fault in enumerate(faults)}
    return (each for each in combinations if (each.step, each.fault) in turns)


def _forward(step: str) -> Iterator[Combination]:
    last = step == CONFIRM_ORDER
    yield Combination(step, "forward", "fails once", fails_again, "confirmed")
    yield Combination(step, "forward", "fails for good before its effect", fails_before, "failed")
    yield Combination(step, "forward", "fails for good after its effect", fails_after, "failed")
    # From its last step on an order can no longer be cancelled by its customer.
    yield Combination(
        step,
        "forward",
        "cancelled by its customer before its effect",
        fails_again,
        "confirmed" if last else "cancelled",
        cancel="by its customer",
        times=3 if last else None,
    )
    yield Combination(
        step,
        "forward",
        "cancelled by its customer after its effect",
        lost,
        "confirmed" if last else "cancelled",
        cancel="by its customer",
    )
    yield Combination(
        step,
        "forward",
        "cancelled by its operator before its effect",
        fails_again,
        "canceled",
        cancel="by its operator",
        times=None,
    )
    yield Combination(
        step, "forward", "cancelled by its operator after its effect", lost, "canceled", cancel="by its operator"
    )
    yield Combination(step, "forward", "worker killed before its effect", killed_before, "confirmed")
    yield Combination(step, "forward", "worker killed after its effect", killed_after, "confirmed")
    yield Combination(step, "forward", "completion lost after commit", lost, "confirmed")


def _back(step: str) -> Iterator[Combination]:
    for fault, arm in (
        ("fails once", fails_again),
        ("worker killed before its effect", killed_before),
        ("worker killed after its effect", killed_after),
        ("completion lost after commit", lost),
    ):
        yield Combination(step, "compensating", fault, arm, "failed")
    who: tuple[Cancel, ...] = get_args(Cancel)
    for cancel in who:
        before, after = (f"cancelled {cancel} {when} its effect" for when in ("before", "after"))
        yield Combination(step, "compensating", before, fails_again, "failed", cancel=cancel, times=FOR_A_WHILE)
        yield Combination(step, "compensating", after, lost, "failed", cancel=cancel)
