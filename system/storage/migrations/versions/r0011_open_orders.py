"""An index of the orders that are open: a purge leaves what is theirs, and orders themselves are never purged."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("CREATE INDEX IF NOT EXISTS orders_open ON orders (workflow_id) WHERE state = 'open'")


def downgrade() -> None:
    op.execute("DROP INDEX orders_open")
