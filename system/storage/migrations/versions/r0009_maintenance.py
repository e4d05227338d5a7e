"""Maintenance runs, what each of them counted, and the indexes by which a purge finds what is old."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # No unique key over workflow_id: a run that is recorded twice must show. The claims see to it that none is.
    op.execute(
        """
        CREATE TABLE maintenance_runs (
            id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id   text NOT NULL,
            kind          text NOT NULL CHECK (kind IN ('warm_cache', 'purge')),
            scheduled_for timestamptz,
            began_at      timestamptz NOT NULL,
            request       jsonb NOT NULL,
            counts        jsonb NOT NULL,
            recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX maintenance_runs_workflow ON maintenance_runs (workflow_id text_pattern_ops)")
    op.execute("CREATE INDEX maintenance_runs_recorded ON maintenance_runs (recorded_at)")
    op.execute(
        """
        CREATE TABLE maintenance_counts (
            workflow_id text NOT NULL,
            item        text NOT NULL,
            count       bigint NOT NULL,
            counted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (workflow_id, item)
        )
        """
    )
    # Whose rows a purge leaves; that they are all there is said by a row of the purge itself.
    op.execute(
        """
        CREATE TABLE purge_held (
            purge       text NOT NULL,
            workflow_id text NOT NULL,
            began_at    timestamptz,
            noted_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (purge, workflow_id)
        )
        """
    )
    op.execute("CREATE INDEX effects_committed ON effects (committed_at)")
    op.execute("CREATE INDEX claims_claimed ON claims (claimed_at)")
    op.execute("CREATE INDEX task_batches_closed ON task_batches (closed_at) WHERE closed_at IS NOT NULL")
    op.execute("CREATE INDEX task_results_created ON task_results (created_at)")
    op.execute(
        "CREATE INDEX dead_letters_settled ON dead_letters (recorded_at) WHERE state IN ('resolved', 'discarded')"
    )
    op.execute("CREATE INDEX loads_closed ON loads (closed_at) WHERE closed_at IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX dead_letters_settled")
    op.execute("DROP INDEX loads_closed, task_results_created, task_batches_closed, claims_claimed, effects_committed")
    op.execute("DROP TABLE purge_held, maintenance_counts, maintenance_runs")
