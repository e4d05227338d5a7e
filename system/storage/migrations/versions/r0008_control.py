"""Operations in bulk, and what became of each."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None: ...


def downgrade() -> None: ...
