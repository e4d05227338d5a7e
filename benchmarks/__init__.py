"""How fast it is, as ratios to a peer in one run: `nox -s bench`."""
