"""How guests use the book, and what must then be in it."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Operation, completed
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from temporalio.common import WorkflowIDConflictPolicy

from guest_book.book import Entry

GUESTS = ("Ada", "Björn", "Chidi", "Dunja", "Emeka")
WORDS = ("What a lovely evening.", "The soup was cold; the company was not.", "Again, please!")


class Signing(Scenario[Entry]):
    """One guest signs the book."""

    name = "guests-sign"
    proves = "a guest who signs is entered once, as written, and gets one card"

    def draw(self, rng: Random) -> Entry:
        return Entry(guest=rng.choice(GUESTS), words=rng.choice(WORDS), stars=rng.randint(1, 5))

    async def run(self, app: App, given: Entry) -> None:
        await app.result(await app.start("Sign", given))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        """Count the rows of these workflows, with one query for each table."""
        assert stores.postgres is not None
        iteration_of = {iteration.id("main"): iteration for iteration in iterations}
        entries = await stores.postgres.fetch(
            """
            SELECT workflow_id, count(*) AS rows, sum(stars) AS stars, sum(length(words)) AS letters
            FROM entries WHERE workflow_id = ANY($1) GROUP BY workflow_id
            """,
            list(iteration_of),
        )
        cards = await stores.postgres.fetch(
            "SELECT workflow_id, count(*) AS rows FROM cards WHERE workflow_id = ANY($1) GROUP BY workflow_id",
            list(iteration_of),
        )
        facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
        for step, rows in (("enter", entries), ("thank", cards)):
            for row in rows:
                index = iteration_of[row["workflow_id"]].index
                facts[index].append(
                    Fact(
                        scenario=self.name,
                        iteration=index,
                        workflow_id=row["workflow_id"],
                        step=step,
                        item="",
                        expected=1,
                        found=row["rows"],
                        values={key: row[key] for key in ("stars", "letters") if key in row},
                    )
                )
        return facts

    def check(self, given: Entry, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Of a guest whose signature went through, the book has what was written, and there is a card."""
        written = {"stars": given.stars, "letters": len(given.words)}
        found = Counter(fact.step for fact in facts)
        findings = [
            Finding(problem="lost", message=f"it completed, and left no row of {step}", workflow_id=workflow_id)
            for workflow_id in completed(operations)
            for step in ("enter", "thank")
            if not found[step]
        ]
        return findings + [
            Finding(
                problem="altered",
                message=f"the book has {fact.values}, and the guest wrote {written}",
                workflow_id=fact.workflow_id,
            )
            for fact in facts
            if fact.step == "enter" and fact.found == 1 and fact.values != written
        ]


class Impatient(Signing):
    """A guest presses the button twice at once."""

    name = "guests-impatient"
    proves = "a guest who presses the button twice is entered once"

    async def run(self, app: App, given: Entry) -> None:
        async def press() -> None:
            await app.result(await app.start("Sign", given, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING))

        await asyncio.gather(press(), press())


SCENARIOS = (Signing(), Impatient())
