"""The files of each load: which content a dataset holds, and which is being loaded."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE files (
            load_id   bigint NOT NULL REFERENCES loads ON DELETE CASCADE,
            number    integer NOT NULL,
            dataset   text NOT NULL,
            name      text NOT NULL,
            columns   text[] NOT NULL,
            sha256    text NOT NULL,
            rows_read bigint NOT NULL,
            again     boolean NOT NULL,
            state     text NOT NULL DEFAULT 'waiting'
                      CHECK (state IN ('waiting', 'loading', 'loaded', 'skipped', 'released')),
            reason    text,
            PRIMARY KEY (load_id, number)
        )
        """
    )
    # Two loads at the same time cannot both be loading one content into one dataset, unless told to.
    op.execute("CREATE UNIQUE INDEX files_loading ON files (dataset, sha256) WHERE state = 'loading' AND NOT again")
    op.execute("CREATE INDEX files_loaded ON files (dataset, sha256) WHERE state = 'loaded'")
    op.execute("ALTER TABLE manifest ADD COLUMN source integer NOT NULL DEFAULT 0")
    # Loads of the version before have one file each, and a checksum of another kind: it is never met again.
    op.execute(
        """
        INSERT INTO files (load_id, number, dataset, name, columns, sha256, rows_read, again, state)
        SELECT id, 0, dataset, source,
               ARRAY(SELECT field ->> 'name' FROM jsonb_array_elements(schema -> 'fields') field),
               sha256, rows_read, true,
               CASE state WHEN 'open' THEN 'loading' WHEN 'reconciled' THEN 'loaded' ELSE 'released' END
        FROM loads WHERE sha256 IS NOT NULL
        """
    )
    # loads.source stays for workers of the version before; nothing of this version writes or reads it.


def downgrade() -> None:
    op.execute("UPDATE loads SET source = name FROM files WHERE load_id = id AND files.number = 0 AND source IS NULL")
    op.execute("ALTER TABLE manifest DROP COLUMN source")
    op.execute("DROP TABLE files")
