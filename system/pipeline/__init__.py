"""Loads a CSV file of any declared schema into PostgreSQL, each chunk exactly once."""
