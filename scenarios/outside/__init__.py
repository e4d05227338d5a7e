"""The outside world: a payment and a shipping provider, played by a small real HTTP service."""
