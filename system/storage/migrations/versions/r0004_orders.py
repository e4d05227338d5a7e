"""Orders: stock, reservations, the double-entry ledger, the outbox."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE orders (
            workflow_id  text PRIMARY KEY,
            state        text NOT NULL DEFAULT 'open' CHECK (state IN (
                'open', 'confirmed', 'cancelled', 'rejected', 'declined', 'out_of_stock', 'undeliverable',
                'expired', 'failed'
            )),
            customer     text NOT NULL,
            amount_cents bigint NOT NULL CHECK (amount_cents > 0),
            currency     text NOT NULL,
            lines        jsonb NOT NULL,
            reason       text NOT NULL DEFAULT '',
            in_doubt     boolean NOT NULL DEFAULT false,
            opened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_at    timestamptz
        )
        """
    )
    op.execute("CREATE INDEX orders_workflow ON orders (workflow_id text_pattern_ops)")
    op.execute(
        """
        CREATE TABLE escalations (
            workflow_id  text PRIMARY KEY,
            escalated_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    _stock()
    _ledger()
    _outbox()


def _stock() -> None:
    op.execute(
        """
        CREATE TABLE stock (
            sku      text PRIMARY KEY,
            counted  bigint NOT NULL,
            on_hand  bigint NOT NULL CHECK (on_hand >= 0),
            reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
            shipped  bigint NOT NULL DEFAULT 0 CHECK (shipped >= 0),
            CONSTRAINT nothing_appears_or_vanishes CHECK (on_hand + reserved + shipped = counted)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE stocktakes (
            workflow_id text NOT NULL,
            sku         text NOT NULL REFERENCES stock,
            on_hand     bigint NOT NULL,
            PRIMARY KEY (workflow_id, sku)
        )
        """
    )
    op.execute("CREATE INDEX stocktakes_workflow ON stocktakes (workflow_id text_pattern_ops)")
    op.execute(
        """
        CREATE TABLE reservations (
            workflow_id text NOT NULL REFERENCES orders,
            sku         text NOT NULL REFERENCES stock,
            quantity    bigint NOT NULL CHECK (quantity > 0),
            PRIMARY KEY (workflow_id, sku)
        )
        """
    )


def _ledger() -> None:
    op.execute("CREATE TABLE accounts (account text PRIMARY KEY, kind text NOT NULL)")
    op.execute(
        """
        INSERT INTO accounts VALUES
            ('payment_provider', 'asset'), ('customer_deposits', 'liability'), ('sales', 'income')
        """
    )
    op.execute(
        """
        CREATE TABLE journal (
            id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workflow_id text NOT NULL REFERENCES orders,
            step        text NOT NULL,
            reverses    bigint UNIQUE REFERENCES journal,
            posted_at   timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX journal_workflow ON journal (workflow_id, step)")
    # Reversing does not make room for a second posting: a step that was undone is undone for good.
    op.execute("CREATE UNIQUE INDEX journal_posted_once ON journal (workflow_id, step) WHERE reverses IS NULL")
    op.execute(
        """
        CREATE TABLE entries (
            journal_id   bigint NOT NULL REFERENCES journal,
            account      text NOT NULL REFERENCES accounts,
            amount_cents bigint NOT NULL CHECK (amount_cents <> 0),
            PRIMARY KEY (journal_id, account)
        )
        """
    )
    op.execute(
        """
        CREATE FUNCTION journal_balances() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            total numeric;
        BEGIN
            SELECT sum(amount_cents) INTO total FROM entries WHERE journal_id = NEW.journal_id;
            IF total <> 0 THEN
                RAISE EXCEPTION 'journal % does not balance: its entries sum to %', NEW.journal_id, total
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON entries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION journal_balances()
        """
    )
    op.execute(
        """
        CREATE FUNCTION entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'entries of the ledger are never changed: reverse the journal instead'
                USING ERRCODE = 'check_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON entries
        FOR EACH STATEMENT EXECUTE FUNCTION entries_stay()
        """
    )


def _outbox() -> None:
    op.execute(
        """
        CREATE TABLE provider_calls (
            workflow_id text NOT NULL,
            step        text NOT NULL,
            item        text NOT NULL DEFAULT '',
            state       text NOT NULL DEFAULT 'intended'
                        CHECK (state IN ('intended', 'sent', 'unknown', 'succeeded', 'refused', 'undone')),
            withdrawn   boolean NOT NULL DEFAULT false,
            sent        integer NOT NULL DEFAULT 0,
            asked       integer NOT NULL DEFAULT 0,
            refusals    integer NOT NULL DEFAULT 0,
            provider_id text,
            reason      text NOT NULL DEFAULT '',
            intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            answered_at timestamptz,
            PRIMARY KEY (workflow_id, step, item)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE provider_calls, entries, journal, accounts, reservations, stocktakes, stock")
    op.execute("DROP TABLE escalations, orders")
    op.execute("DROP FUNCTION journal_balances(), entries_stay()")
