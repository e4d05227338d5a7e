"""Replays histories, and compares what a workflow commands now with what it commanded then, arguments and all."""
