"""A complete workflow system on Temporal and PostgreSQL; its front door is ``python -m system``."""
