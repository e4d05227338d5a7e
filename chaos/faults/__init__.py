"""The catalogue of faults: each injects, shows that it bites, and heals."""
