"""Payloads that travel by reference."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE payloads (
            sha256         bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
            content        bytea NOT NULL,
            size           bigint NOT NULL GENERATED ALWAYS AS (octet_length(content)) STORED,
            created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
            last_stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX payloads_last_stored ON payloads (last_stored_at)")


def downgrade() -> None:
    op.execute("DROP TABLE payloads")
