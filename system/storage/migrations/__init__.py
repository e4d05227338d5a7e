"""Brings the database to a revision; the revisions are SQL, in ``versions/``."""

from __future__ import annotations

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"
# Read from the file names, so that a worker knows the revision it needs without importing Alembic.
HEAD = max(path.stem for path in VERSIONS.glob("r[0-9]*.py"))[1:5]


def upgrade(database_url: str, revision: str = "head") -> None:
    """Apply every revision up to ``revision``; safe to run from several places at once.

    Raises:
        Unavailable: PostgreSQL refused, or did not answer.
        SettingsError: there is no such revision.

    """
    from system.storage.migrations import runner  # noqa: PLC0415 Alembic costs a worker's start-up too much

    runner.run(database_url, revision, down=False)


def downgrade(database_url: str, revision: str) -> None:
    """Take back every revision after ``revision``; ``base`` takes back all, and the data with them.

    Raises:
        Unavailable: PostgreSQL refused, or did not answer.
        SettingsError: there is no such revision.

    """
    from system.storage.migrations import runner  # noqa: PLC0415 Alembic costs a worker's start-up too much

    runner.run(database_url, revision, down=True)
