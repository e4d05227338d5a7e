"""The front door: the `temper` command, a module for each verb; each imports what it needs when it is called."""
