"""The ledger of effects; loads, their manifests, chunks and rejects; the schema of the datasets."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # No unique key over (workflow_id, step, item): the ledger must be able to show that something happened twice.
    op.execute(
        """
        CREATE TABLE effects (
            id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id  text NOT NULL,
            step         text NOT NULL,
            item         text NOT NULL,
            kind         text NOT NULL CHECK (kind IN ('forward', 'compensation')),
            run_id       text NOT NULL,
            attempt      integer NOT NULL,
            transaction  xid8 NOT NULL DEFAULT pg_current_xact_id(),
            committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX effects_workflow ON effects (workflow_id text_pattern_ops)")
    op.execute(
        """
        CREATE TABLE loads (
            id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id text NOT NULL UNIQUE,
            state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reconciled', 'cancelled', 'failed')),
            dataset     text,
            schema      jsonb,
            source      text,
            sha256      text,
            rows_read   bigint,
            opened_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_at   timestamptz
        )
        """
    )
    op.execute("CREATE INDEX loads_workflow ON loads (workflow_id text_pattern_ops)")
    op.execute(
        """
        CREATE TABLE manifest (
            load_id     bigint NOT NULL REFERENCES loads ON DELETE CASCADE,
            number      integer NOT NULL,
            byte_offset bigint NOT NULL,
            byte_length bigint NOT NULL,
            first_row   bigint NOT NULL,
            rows_read   bigint NOT NULL,
            sha256      text NOT NULL,
            PRIMARY KEY (load_id, number)
        )
        """
    )
    op.execute("CREATE SEQUENCE chunk_ids AS integer")
    op.execute(
        """
        CREATE TABLE chunks (
            id            integer PRIMARY KEY DEFAULT nextval('chunk_ids'),
            load_id       bigint NOT NULL REFERENCES loads ON DELETE CASCADE,
            number        integer NOT NULL,
            rows_read     bigint NOT NULL,
            rows_loaded   bigint NOT NULL,
            rows_rejected bigint NOT NULL,
            transaction   xid8 NOT NULL DEFAULT pg_current_xact_id(),
            loaded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
            UNIQUE (load_id, number)
        )
        """
    )
    op.execute("ALTER SEQUENCE chunk_ids OWNED BY chunks.id")
    op.execute(
        """
        CREATE TABLE rejects (
            load_id    bigint NOT NULL,
            chunk      integer NOT NULL,
            file       text NOT NULL,
            row_number bigint NOT NULL,
            reason     text NOT NULL,
            raw        text NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX rejects_chunk ON rejects (load_id, chunk)")
    op.execute("CREATE SCHEMA datasets")


def downgrade() -> None:
    op.execute("DROP SCHEMA datasets CASCADE")
    op.execute("DROP TABLE rejects, chunks, manifest, loads, effects")
