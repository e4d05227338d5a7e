"""Dead letters: what failed for good, what was done with it, and the digests taken of them."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE dead_letters (
            id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id         text NOT NULL,
            run_id              text NOT NULL,
            activity_id         text NOT NULL,
            workflow_type       text NOT NULL,
            activity_type       text NOT NULL,
            scheduled_event     bigint,
            item                text NOT NULL,
            attempts            integer,
            error_type          text NOT NULL,
            message             text NOT NULL,
            remedy              text NOT NULL,
            details             jsonb NOT NULL,
            ended_workflow      boolean NOT NULL,
            child               text NOT NULL,
            parent              text NOT NULL,
            fingerprint         text NOT NULL,
            state               text NOT NULL DEFAULT 'open'
                                CHECK (state IN ('open', 'redriven', 'resolved', 'discarded')),
            redriven_from       bigint REFERENCES dead_letters ON DELETE SET NULL,
            depth               integer NOT NULL DEFAULT 0,
            redrive_workflow_id text,
            redrive_run_id      text,
            failed_at           timestamptz NOT NULL,
            recorded_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
            UNIQUE (workflow_id, run_id, activity_id)
        )
        """
    )
    op.execute("CREATE INDEX dead_letters_workflow ON dead_letters (workflow_id text_pattern_ops)")
    op.execute("CREATE INDEX dead_letters_state ON dead_letters (state, id)")
    op.execute("CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint, id)")
    op.execute("CREATE INDEX dead_letters_lineage ON dead_letters (redriven_from) WHERE redriven_from IS NOT NULL")
    op.execute(
        """
        CREATE INDEX dead_letters_redrives ON dead_letters (redrive_workflow_id)
        WHERE redrive_workflow_id IS NOT NULL
        """
    )
    op.execute(
        """
        CREATE TABLE dead_letter_events (
            id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            letter_id bigint NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
            action    text NOT NULL CHECK (action IN ('redriven', 'refused', 'resolved', 'discarded')),
            by        text NOT NULL,
            reason    text NOT NULL,
            at        timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX dead_letter_events_letter ON dead_letter_events (letter_id, id)")
    op.execute(
        """
        CREATE TABLE dead_letter_digests (
            id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id text NOT NULL,
            run_id      text NOT NULL UNIQUE,
            taken_at    timestamptz NOT NULL,
            swept_until timestamptz NOT NULL,
            report      jsonb NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX dead_letter_digests_swept ON dead_letter_digests (swept_until)")


def downgrade() -> None:
    op.execute("DROP TABLE dead_letter_digests, dead_letter_events, dead_letters")
