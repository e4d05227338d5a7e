"""Batches of tasks: typed handlers, dependencies, priority and fairness, each task's effect once."""
