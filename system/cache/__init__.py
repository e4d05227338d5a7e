"""Keeps what is read often in Redis, and lives without it."""
