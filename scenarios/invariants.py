"""What must hold for every run of `system`, beside what must hold for every run of every target."""

from harness.checking.compensation import Saga
from harness.checking.conserved import Conserved
from harness.checking.invariants import OwnInvariant, Records
from harness.checking.letters import Letters
from harness.checking.served import ServedOwn
from harness.checking.tally import Tally
from scenarios.batched import OF_ANOTHER
from scenarios.controlled import never_heard_of
from scenarios.ordered import CALLS, CONFIRM, ORDER, RESERVE, STOCK, UNBALANCED_CENTS

WORKFLOW_FAILED, DEAD_LETTER = "workflow_failed", "dead_letter"
"""The steps in the ledger by which a dead letter says that its workflow, or an activity of it, has failed."""
WRITERS = frozenset({"dead_letters.keep", "dead_letters.settle"})
"""The activities that write letters."""


def _terminated_unheard(records: Records) -> set[str]:
    """The runs that control went to terminate, and was cut off before it heard what came of that."""
    return {fact.item for fact in records.facts if never_heard_of(fact, "terminate")}


nothing_silently_lost = Letters(
    name="nothing silently lost",
    workflow=WORKFLOW_FAILED,
    activity=DEAD_LETTER,
    writers=WRITERS,
    cut_off=_terminated_unheard,
)
INVARIANTS: tuple[OwnInvariant, ...] = (
    nothing_silently_lost,
    ServedOwn(name="nobody is served another's value", value=OF_ANOTHER),
    Conserved(name="ledger sums to zero", step=ORDER, parts=(UNBALANCED_CENTS,)),
    Conserved(name="stock is constant", step=STOCK, parts=("on_hand", "reserved", "shipped"), total="counted"),
    Tally(
        name="stock counts every order", entries=RESERVE, value="quantity", totals=STOCK, parts=("reserved", "shipped")
    ),
    Saga(name="orders are taken back in reverse", steps=frozenset({RESERVE, *CALLS, CONFIRM})),
)
