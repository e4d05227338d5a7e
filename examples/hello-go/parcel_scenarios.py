"""How parcels are sent, and what must then be at the counter. It knows the Go worker by names and JSON alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Operation, completed
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores

DESTINATIONS = ("Lagos", "Lima", "Łódź", "Lyon")
COURIERS = ("Ada", "Björn", "Chidi")


@dataclass(frozen=True)
class Sending:
    """A parcel, and the courier who will take it."""

    destination: str
    grams: int
    courier: str

    @property
    def request(self) -> dict[str, object]:
        """The workflow's argument."""
        return {"destination": self.destination, "grams": self.grams}

    @property
    def cents(self) -> int:
        """The postage: 100 cents for the first kilogram, and 50 for each further one that is begun."""
        return 100 + 50 * (-(-self.grams // 1000) - 1)


class Sent(Scenario[Sending]):
    """A parcel is brought, and then a courier comes."""

    name = "parcels-sent"
    proves = "a parcel is labelled once with the right postage, and handed over once"

    def draw(self, rng: Random) -> Sending:
        return Sending(rng.choice(DESTINATIONS), rng.randint(1, 10_000), rng.choice(COURIERS))

    async def run(self, app: App, given: Sending) -> None:
        started = await app.start("Parcel", given.request)
        await app.signal(started, "collected", given.courier)
        await app.result(started)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        """Count the rows of these workflows, with one query for both tables."""
        assert stores.postgres is not None
        iteration_of = {iteration.id("main"): iteration for iteration in iterations}
        rows = await stores.postgres.fetch(
            """
            SELECT 'label' AS step, workflow_id, count(*) AS rows, sum(cents) AS cents
            FROM labels WHERE workflow_id = ANY($1) GROUP BY workflow_id
            UNION ALL
            SELECT 'hand over', workflow_id, count(*), 0
            FROM handovers WHERE workflow_id = ANY($1) GROUP BY workflow_id
            """,
            list(iteration_of),
        )
        facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
        for row in rows:
            index = iteration_of[row["workflow_id"]].index
            facts[index].append(
                Fact(
                    scenario=self.name,
                    iteration=index,
                    workflow_id=row["workflow_id"],
                    step=row["step"],
                    item="",
                    expected=1,
                    found=row["rows"],
                    values={"cents": row["cents"]},
                )
            )
        return facts

    def check(self, given: Sending, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """A parcel whose workflow completed has a label and a handover, and the postage is what it weighs."""
        found = Counter(fact.step for fact in facts)
        findings = [
            Finding(problem="lost", message=f"it completed, and left no row of {step}", workflow_id=workflow_id)
            for workflow_id in completed(operations)
            for step in ("label", "hand over")
            if not found[step]
        ]
        return findings + [
            Finding(
                problem="mispriced",
                message=f"{given.grams} g are labelled {fact.values['cents']} cents, which must be {given.cents}",
                workflow_id=fact.workflow_id,
            )
            for fact in facts
            if fact.step == "label" and fact.found == 1 and fact.values["cents"] != given.cents
        ]


class Awaited(Sent):
    """The courier stands at the counter before the parcel does."""

    name = "parcels-awaited"
    proves = "a courier who comes with the parcel, not after it, gets it too"

    async def run(self, app: App, given: Sending) -> None:
        started = await app.start("Parcel", given.request, start_signal="collected", start_signal_args=[given.courier])
        await app.result(started)


SCENARIOS = (Sent(), Awaited())
