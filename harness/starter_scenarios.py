"""How my system is used, and what must then be in its database. Fill in what is marked; the rest can stay or go."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Operation, completed
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores


class First(Scenario[dict[str, Any]]):
    """One workflow is started, and comes to its end."""

    name = "mine-first"  # fill in: domain-what, unique
    proves = "what goes in is written once, as it was given"

    def draw(self, rng: Random) -> dict[str, Any]:
        """Fill in: the workflow's argument. The same rng must draw the same."""
        return {"amount": rng.randint(1, 100)}

    async def run(self, app: App, given: dict[str, Any]) -> None:
        """Use the system as its users do: app.start, signal, update, query, result. Each call is recorded."""
        started = await app.start("MyWorkflow", given)  # fill in: the name by which your worker registers it
        await app.result(started)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        """Count what these workflows left: one query, be it for one iteration or for ten thousand."""
        assert stores.postgres is not None
        iteration_of = {iteration.id("main"): iteration for iteration in iterations}
        # Fill in: your table, in which each row says which workflow wrote it.
        rows = await stores.postgres.fetch(
            """
            SELECT workflow_id, count(*) AS rows, sum(amount) AS amount
            FROM my_table WHERE workflow_id = ANY($1) GROUP BY workflow_id
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
                    step="write",
                    item="",
                    expected=1,  # with more rows it is "doubled"
                    found=row["rows"],
                    values={"amount": row["amount"]},
                )
            )
        return facts

    def check(self, given: dict[str, Any], operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Say what is wrong with one iteration. What it demands must be true under faults, too."""
        written = {fact.workflow_id for fact in facts}
        findings = [
            Finding(problem="lost", message="it completed, and left no row", workflow_id=workflow_id)
            for workflow_id in completed(operations)
            if workflow_id not in written
        ]
        return findings + [
            Finding(
                problem="altered",
                message=f"{given['amount']} went in, and {fact.values['amount']} is there",
                workflow_id=fact.workflow_id,
            )
            for fact in facts
            if fact.found == 1 and fact.values["amount"] != given["amount"]
        ]


SCENARIOS = (First(),)
