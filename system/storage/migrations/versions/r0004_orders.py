"""Orders: stock, reservations, the double-entry ledger, the outbox."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"


def upgrade() -> None: ...


def downgrade() -> None: ...
