"""Measures the sources: each module has a tool look at them, and tells what it found, or why that is not known."""
