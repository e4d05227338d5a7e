"""Operations, single or in bulk: who ordered what and why, and what became of each target."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE control_operations (
            id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name       text NOT NULL UNIQUE,
            kind       text NOT NULL CHECK (kind IN ('bulk', 'single')),
            action     json NOT NULL,
            query      text NOT NULL DEFAULT '',
            ordered_by text NOT NULL CHECK (ordered_by <> ''),
            reason     text NOT NULL CHECK (reason <> ''),
            state      text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled', 'refused')),
            message    text NOT NULL DEFAULT '',
            targets    integer NOT NULL,
            previewed  integer,
            sample     jsonb NOT NULL DEFAULT '[]',
            started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_at  timestamptz
        )
        """
    )
    op.execute(
        """
        CREATE TABLE control_outcomes (
            operation_id  integer NOT NULL REFERENCES control_operations ON DELETE CASCADE,
            number        integer NOT NULL,
            workflow_id   text NOT NULL,
            run_id        text NOT NULL,
            workflow_type text NOT NULL,
            listed_status text NOT NULL,
            state         text NOT NULL DEFAULT 'pending'
                          CHECK (state IN ('pending', 'done', 'skipped', 'failed', 'cancelled')),
            message       text NOT NULL DEFAULT '',
            new_run_id    text NOT NULL DEFAULT '',
            claims        integer NOT NULL DEFAULT 0,
            claimed_until timestamptz,
            attempted_at  timestamptz,
            ended_at      timestamptz,
            PRIMARY KEY (operation_id, number),
            UNIQUE (operation_id, workflow_id, run_id)
        )
        """
    )
    # What was done with a workflow, asked by its id.
    op.execute("CREATE INDEX control_outcomes_workflow ON control_outcomes (workflow_id text_pattern_ops)")
    # The run that closed a load: a later run of the same workflow, made by a reset, may open it again.
    op.execute("ALTER TABLE loads ADD COLUMN closed_by text")


def downgrade() -> None:
    op.execute("ALTER TABLE loads DROP COLUMN closed_by")
    op.execute("DROP TABLE control_outcomes, control_operations")
