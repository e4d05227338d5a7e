"""Tasks: batches, their items, what these need, results by content, entries of accounts."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE task_batches (
            id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id  text NOT NULL UNIQUE,
            state        text NOT NULL DEFAULT 'submitted'
                         CHECK (state IN ('submitted', 'open', 'done', 'cancelled', 'failed')),
            items        integer NOT NULL,
            digest       bytea NOT NULL,
            submitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_at    timestamptz
        )
        """
    )
    op.execute("CREATE INDEX task_batches_workflow ON task_batches (workflow_id text_pattern_ops)")
    op.execute(
        """
        CREATE TABLE task_items (
            batch_id integer NOT NULL REFERENCES task_batches ON DELETE CASCADE,
            number   integer NOT NULL,
            key      text NOT NULL,
            handler  text NOT NULL,
            input    json NOT NULL,
            priority smallint NOT NULL,
            tenant   text,
            weight   double precision NOT NULL,
            turn     double precision NOT NULL,
            timeout  double precision,
            attempts integer,
            pending  integer NOT NULL,
            state    text NOT NULL DEFAULT 'waiting'
                     CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'skipped')),
            reason   text,
            cached   boolean NOT NULL DEFAULT false,
            output   json,
            taken_at timestamptz,
            ended_at timestamptz,
            PRIMARY KEY (batch_id, number),
            UNIQUE (batch_id, key)
        )
        """
    )
    # Those that need nothing more, by priority and turn. As good for "does anything wait at all?".
    op.execute(
        """
        CREATE INDEX task_items_waiting ON task_items (batch_id, pending, priority, turn, number)
        WHERE state = 'waiting'
        """
    )
    op.execute(
        """
        CREATE TABLE task_needs (
            batch_id integer NOT NULL REFERENCES task_batches ON DELETE CASCADE,
            needed   integer NOT NULL,
            item     integer NOT NULL,
            PRIMARY KEY (batch_id, needed, item)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE task_results (
            key        bytea PRIMARY KEY CHECK (octet_length(key) = 32),
            handler    text NOT NULL,
            output     json NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    # No unique key over (workflow_id, item): what was posted twice must show.
    op.execute(
        """
        CREATE TABLE task_entries (
            id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id text NOT NULL,
            item        text NOT NULL,
            account     text NOT NULL,
            amount      bigint NOT NULL CHECK (amount <> 0),
            posted_at   timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX task_entries_workflow ON task_entries (workflow_id text_pattern_ops)")


def downgrade() -> None:
    op.execute("DROP TABLE task_entries, task_results, task_needs, task_items, task_batches")
