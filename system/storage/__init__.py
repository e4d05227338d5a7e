"""PostgreSQL: connections, migrations, and the ledger of effects."""
