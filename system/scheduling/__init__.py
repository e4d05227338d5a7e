"""Schedules, declared in files; and the system's own maintenance, which runs by them."""
