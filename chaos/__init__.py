"""Chaos: load plus faults. What is broken on purpose is shown to have bitten, and is healed whatever happens."""
