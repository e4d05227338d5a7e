"""Makes commits of the lines of PostgreSQL's journal: whose each row is, and what its transaction did to it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from harness.journal.decoding import Row, Values, commit_time, row_of
from harness.journal.tables import Mapping, Reference, Table
from harness.records.effects import Effect, EffectKind, Source
from harness.records.journal import Change, Commit

Owner = tuple[str, str, str]
"""The (workflow id, step, item) that a row is for."""


class Reader:
    """Reads one transaction after another; remembers what a later line of the same row does not tell again."""

    def __init__(self, mapping: Mapping, prefix: str) -> None:
        self._tables = {table.name: table for table in mapping.tables}
        self._references = {
            (table.workflow.table, table.workflow.key, table.workflow.wanted)
            for table in mapping.tables
            if isinstance(table.workflow, Reference)
        }
        self._named_ledger = mapping.ledger is not None
        self._prefix = prefix
        self._referenced: dict[tuple[str, str, str | None, str], str | None] = {}
        """(table, key column, its value, wanted column) → its value."""
        self._owners: dict[tuple[str, tuple[str | None, ...]], Owner] = {}
        """(table, primary key) → whose the row is: a deletion tells the key alone."""

    def commit(self, transaction: int, lines: Sequence[str], ledger: int, others: int) -> Commit:
        """What a transaction did, by its lines, the last of which tells when it was committed; raises Undecodable.

        `ledger` and `others` are how many rows it wrote into the ledger and into other tables.
        """
        counts: dict[tuple[str, Owner], Counter[str]] = defaultdict(Counter)
        for row in map(row_of, lines[:-1]):
            self._learn(row)
            table = self._tables.get(row.table)
            owner = self._owner(table, row) if table else None
            if owner is not None:
                counts[row.table, owner][row.action] += 1
        return Commit(
            transaction=transaction,
            committed_at=commit_time(lines[-1]),
            ledger=ledger if self._named_ledger else None,
            others=others,
            changes=tuple(
                Change(
                    table=table,
                    workflow_id=owner[0],
                    step=owner[1],
                    item=owner[2],
                    inserted=actions["INSERT"],
                    updated=actions["UPDATE"],
                    deleted=actions["DELETE"],
                )
                for (table, owner), actions in counts.items()
            ),
        )

    def _learn(self, row: Row) -> None:
        """Note the columns of a row that rows of other tables go by."""
        for table, key, wanted in self._references:
            if table == row.table and key in row.new and wanted in row.new:
                self._referenced[table, key, row.new[key], wanted] = row.new[wanted]

    def _owner(self, table: Table, row: Row) -> Owner | None:
        """Whose a row is; None where that is not told, neither now nor when it was inserted, or of another run."""
        before = self._owners.pop((table.name, _key(table, {**row.new, **row.key})), None)
        owner = self._owner_of(table, row.new or row.key) or before
        if owner is None or not owner[0].startswith(self._prefix):
            return None
        if row.new and table.key:
            self._owners[table.name, _key(table, row.new)] = owner
        return owner

    def _owner_of(self, table: Table, values: Values) -> Owner | None:
        if isinstance(table.workflow, str):
            workflow_id = values.get(table.workflow)
        else:
            path = table.workflow
            workflow_id = self._referenced.get((path.table, path.key, values.get(path.column), path.wanted))
        columns = [*table.item, *([table.step_column] if table.step_column else [])]
        if workflow_id is None or not all(column in values for column in columns):
            return None
        step = values[table.step_column] if table.step_column else table.step
        return workflow_id, step or "", "/".join(values[column] or "" for column in table.item)


def _key(table: Table, values: Values) -> tuple[str | None, ...]:
    return tuple(values.get(column) for column in table.key)


def effects_of(commits: Iterable[Commit]) -> list[Effect]:
    """The effects of the run's workflows, for a target that keeps no ledger of them.

    However many rows a transaction inserts for one item of a step, that is one effect. Which attempt it was by, and
    which run of the workflow, is not known.
    """
    return [
        Effect(
            workflow_id=change.workflow_id,
            step=change.step,
            item=change.item,
            kind=EffectKind.FORWARD if change.inserted > change.deleted else EffectKind.COMPENSATION,
            run_id=None,
            attempt=None,
            transaction=commit.transaction,
            committed_at=commit.committed_at,
            source=Source.WAL,
        )
        for commit in commits
        for change in commit.changes
        if change.inserted != change.deleted
    ]
