"""What a run writes and what is read back: plain frozen data, no input or output but the run directory's files."""
