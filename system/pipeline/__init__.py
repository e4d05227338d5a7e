"""Loads files of any declared schema into PostgreSQL, each chunk exactly once."""
