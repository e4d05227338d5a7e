"""The checks that a test's marker can leave out."""

UNCHECKED = ("unreplayed", "failed_tasks", "unbitten", "unheard", "uncancelled")
"""Each by the name of the reason why."""
