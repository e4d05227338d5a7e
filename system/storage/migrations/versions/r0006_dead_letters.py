"""Dead letters: what failed for good."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None: ...


def downgrade() -> None: ...
