"""Orders: a saga over stock, a double-entry ledger, and two providers that share no transaction with us."""
