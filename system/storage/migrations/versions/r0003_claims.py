"""Claims: who may write a step's effect, and what it returned."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE claims (
            workflow_id text NOT NULL,
            step        text NOT NULL,
            item        text NOT NULL,
            state       text NOT NULL CHECK (state IN ('done', 'undone')),
            result      jsonb,
            claimed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (workflow_id, step, item)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE claims")
