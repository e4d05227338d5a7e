"""An index by which a load finds what others that did not end whole left of its files."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX IF NOT EXISTS files_unfinished ON files (dataset, sha256)
        WHERE state IN ('loading', 'released')
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX files_unfinished")
