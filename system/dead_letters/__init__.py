"""Dead letters: what failed for good is kept, grouped, shown, and run again or discarded."""
